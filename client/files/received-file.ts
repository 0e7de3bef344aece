import { isHash, limits } from "@fastchat/protocol";
import { hashLength } from "@fastchat/protocol/seal";
import { type File, FileKind, type MessageContent } from "@fastchat/protocol/wire/conversation";
import type { ChatFile } from "../api-files.ts";

const kinds: Readonly<Record<FileKind, ChatFile["kind"]>> = {
  [FileKind.UNSPECIFIED]: "file",
  [FileKind.PICTURE]: "picture",
  [FileKind.VIDEO]: "video",
  [FileKind.AUDIO]: "audio",
};

export const kindOf = (kind: ChatFile["kind"]): FileKind =>
  ({ file: FileKind.UNSPECIFIED, picture: FileKind.PICTURE, video: FileKind.VIDEO, audio: FileKind.AUDIO })[kind];

/** The files of a message that can be fetched; what is not one is left out. */
export function filesIn({ kind }: MessageContent): File[] {
  if (kind.case !== "text") return [];
  const isUsual = ({ blob, key, size }: File) => isHash(blob) && key.length === hashLength && size <= BigInt(limits.fileBytes);
  return kind.value.files.slice(0, limits.filesPerMessage).filter(isUsual);
}

/** Its sender's words, as far as they can be. */
export function chatFile({ kind, name, size, mediaType, width, height, durationMs, thumbnail, thumbhash }: File): ChatFile {
  return {
    kind: kinds[kind] ?? "file",
    name,
    size: Number(size),
    mediaType: /^[\w.+-]{1,60}\/[\w.+-]{1,60}$/.test(mediaType) ? mediaType : "application/octet-stream",
    width: width || undefined,
    height: height || undefined,
    durationMs: durationMs || undefined,
    thumbnail: thumbnail.length <= limits.thumbnailBytes ? thumbnail : new Uint8Array(0),
    thumbhash: thumbhash.length <= limits.thumbhashBytes ? thumbhash : new Uint8Array(0),
  };
}
