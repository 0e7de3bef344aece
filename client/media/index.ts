export { nameForPicture, safeFileName } from "./file-name.ts";
export { type FileKind, type FileType, kindOf, sniff, SNIFFED_BYTES, UNKNOWN_TYPE } from "./kinds.ts";
export { readPictureHeader } from "./picture-header.ts";
export { type PictureFault, pictureFaultSentence, type PreparedPicture } from "./picture.ts";
export { averageOfThumbhash, decodeThumbhash, type FileClaims, judgeClaims, type JudgedClaims, type Pixels } from "./received.ts";
