export type {
  ChatItem,
  ChatMessage,
  ChatNotice,
  Client,
  ClientEvent,
  ConnectionState,
  ConversationSummary,
  Me,
  MessageStatus,
  NoticeKind,
  OpenOptions,
  Person,
  ProfileRole,
  SafetyNumber,
  SignInOptions,
  SignInResult,
  SignUpOptions,
  SignUpResult,
  Verification,
} from "./api.ts";
export { GatewayUnreachable } from "./gateway.ts";
export { ProfileTooNew } from "./profile.ts";
export { StorageFullError } from "./storage.ts";
export { AccountForked } from "./accounts.ts";
export { NameConflict } from "./contacts.ts";
