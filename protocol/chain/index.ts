export {
  accountKeyAt,
  type AccountChainResult,
  type AccountDevice,
  type AccountKeyGeneration,
  type AccountResult,
  type AccountState,
  activeDevices,
  applyAccountLink,
  applyAccountLinks,
  deviceAt,
  deviceIdOf,
  type DeviceStatus,
  judgeAccountLinksAhead,
} from "./account.ts";
export { attachmentsNamed, type BesideLinks, checkAccountAttachments, offeredBeside } from "./account-attachments.ts";
export {
  buildAccountCreate,
  buildAccountPolicy,
  buildAddDevice,
  buildClose,
  buildRecovery,
  buildRevoke,
  buildSignOut,
  buildSucceed,
  deviceKeysOf,
  type NewAccountKey,
  type NewDevice,
  newDeviceId,
  remainingDevices,
} from "./account-build.ts";
export { type ChainComparison, compareChains, compareHead, isLostSignOut, isMissingFrom, sameOrLonger } from "./chain-order.ts";
export { applyConversationLink, type Author, type ConversationResult, directConversationId } from "./conversation.ts";
export {
  additionsOf,
  buildConversationLink,
  type BuildResult,
  type Commitments,
  type ConversationChange,
  directCreate,
  type DraftResult,
  draftLink,
  finishLink,
  groupCreate,
  type KnownAccount,
  type KnownAccounts,
  type LinkDraft,
  type LinkPlan,
  movedHeads,
  type OpeningPlan,
  policyOf,
  removalOf,
  rolesOf,
} from "./conversation-build.ts";
export {
  type ConversationPolicy,
  type ConversationState,
  copyRecipients,
  type CopyRecipient,
  epochContext,
  type EpochState,
  type FormerMember,
  type InvitationState,
  isClosed,
  isEntitled,
  isGivenToNewcomers,
  type MemberState,
  messageAllowed,
  type MessageVerdict,
  newestEpoch,
  type Span,
  wasMemberAt,
} from "./conversation-state.ts";
export { type Change, defaultPolicy } from "./conversation-work.ts";
export { isTooMuchEvidence, recordedLinks, type VerifiedAccounts, verifyEvidence } from "./evidence.ts";
export {
  additionOf,
  type AskingDevice,
  buildJoinRequest,
  faultOfJoinRequest,
  invitationDayMs,
  invitationStanding,
  joinRequestParts,
} from "./join-request.ts";
export {
  accountIdIn,
  accountIdOf,
  accountLinkHash,
  type ChainHead,
  conversationLinkHash,
  groupIdOf,
  type Invalid,
  linkBodyForDerivation,
} from "./link.ts";
export { checkSealedKeys } from "./sealed-keys.ts";
export { stateHash } from "./state-hash.ts";
