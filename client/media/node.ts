export { durationOf } from "./duration-node.ts";
export { lookAt, preparePicture, type PreparedResult } from "./picture-node.ts";
export { type Box, decodePicture, decodeThumbnail } from "./received-node.ts";
