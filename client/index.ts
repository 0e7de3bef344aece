export type {
  AccountDeletion,
  AlreadySignedIn,
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
  MessagePlace,
  MessageStatus,
  OtherDevice,
  Mute,
  NoticeKind,
  OpenOptions,
  Person,
  ProfileRole,
  QuickOptions,
  QuickResult,
  SafetyNumber,
  SendOptions,
  SessionPolicy,
  SignedIn,
  SignInOptions,
  SignInResult,
  SignUpOptions,
  SignUpResult,
  Verification,
  Warning,
} from "./api.ts";
export type { ExportLock, ExportOptions, ExportProgress, ExportResult, ExportSummary, MissingFile } from "./api-export.ts";
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
export type { ChatFile, FilePlace, Files, FileToSend, SendFilesOptions, UploadProgress } from "./api-files.ts";
export type { FileSink } from "./files/fetching.ts";
export { MemorySink } from "./files/memory-sink.ts";
export { FileChanged, FileDamaged, type FileSource, type Progress } from "./files/sealing.ts";
export { GatewayUnreachable } from "./gateway.ts";
export { ProfileTooNew } from "./profile.ts";
export { StorageFullError } from "./storage.ts";
export { AccountForked } from "./accounts.ts";
export { NameConflict } from "./contacts.ts";
export { type Refused, refusalOf } from "./refusals.ts";
