export type {
  AccountDeletion,
  BroadcastList,
  DeviceInfo,
  PasswordChangeResult,
  SuccessionResult,
  RecoverOptions,
  RecoverResult,
  ChatItem,
  ChatMessage,
  ChatNotice,
  Client,
  ClientEvent,
  ConnectionState,
  ConversationSummary,
  DirectSummary,
  GroupSummary,
  Me,
  MessageStatus,
  Mute,
  NoticeKind,
  OpenOptions,
  Person,
  ProfileRole,
  SafetyNumber,
  SendOptions,
  SignInOptions,
  SignInResult,
  SignUpOptions,
  SignUpResult,
  Verification,
} from "./api.ts";
export type { ExportLock, ExportOptions, ExportProgress, ExportResult, ExportSummary } from "./api-export.ts";
export type {
  FoundGroup,
  GroupInfo,
  GroupInvitation,
  GroupMember,
  GroupOverview,
  GroupPolicy,
  GroupPolicyChange,
  GroupRole,
  Groups,
  Joined,
  JoinRequestInfo,
  NewGroup,
  Receipt,
} from "./api-groups.ts";
export { GatewayUnreachable } from "./gateway.ts";
export { ProfileTooNew } from "./profile.ts";
export { StorageFullError } from "./storage.ts";
export { AccountForked } from "./accounts.ts";
export { NameConflict } from "./contacts.ts";
export { type Refused, refusalOf } from "./refusals.ts";
