import { isHash, limits } from "@fastchat/protocol";
import { hashLength } from "@fastchat/protocol/seal";
import type { File, MessageContent } from "@fastchat/protocol/wire/conversation";
import type { ChatFile } from "../api-files.ts";
import { judgeClaims } from "../media/index.ts";

/** The files of a message that can be fetched; what is not one is left out. */
export function filesIn({ kind }: MessageContent): File[] {
  if (kind.case !== "text") return [];
  const isUsual = ({ blob, key, size }: File) => isHash(blob) && key.length === hashLength && size <= BigInt(limits.fileBytes);
  return kind.value.files.slice(0, limits.filesPerMessage).filter(isUsual);
}

/** Its sender's words, as far as they can be. */
export const chatFile = (file: File): ChatFile => ({ ...judgeClaims(file), bytes: Number(file.size) });
