export {
  accountId,
  blobId,
  clientMessageId,
  conversationId,
  deviceId,
  idBytes,
  isClientMessageId,
  isHash,
  keyId,
  linkHash,
} from "./ids.ts";
export type { AccountId, BlobId, ClientMessageId, ConversationId, DeviceId, KeyId, LinkHash } from "./ids.ts";
export { limits } from "./limits.ts";
export { ErrorCode } from "./generated/fastchat/v1/error_pb.ts";
export { FastChatError, errorOfClose, errorRow } from "./errors.ts";
export type { Advice, ErrorRow } from "./errors.ts";
export { parseName } from "./names.ts";
export type { NameResult } from "./names.ts";
export { passwordIdentifiers, passwordStretching, passwordSuite } from "./password.ts";
