/**
 * [G1] The one table of labels. Whatever is signed, hashed, derived, encrypted or sealed begins with exactly one of these,
 * so that bytes made for one use are worthless for every other. A new use gets a new label; a label never changes its
 * meaning. `1` is the version of the table: a changed layout of some signed or hashed thing gets a new label.
 */
export const labels = {
  /** Ed25519 over the encoding of label and parts. */
  signature: {
    /** Identity key, over an account link. */
    accountLink: "fastchat/1/sign/account-link",
    /** The new identity key, over a `succeed` that the old one signs as an account link [P2]. */
    accountSuccession: "fastchat/1/sign/account-succession",
    /** A new device, over the whole `create` or `add device` [A1]. */
    deviceOfLink: "fastchat/1/sign/device-of-link",
    /** A device, over its own sign-out [A1]. */
    deviceSignOut: "fastchat/1/sign/device-sign-out",
    conversationLink: "fastchat/1/sign/conversation-link",
    message: "fastchat/1/sign/message",
    slot: "fastchat/1/sign/slot",
    signal: "fastchat/1/sign/signal",
    vaultEntry: "fastchat/1/sign/vault-entry",
    /** The device that sets name, picture and description of a conversation [C8]. */
    profile: "fastchat/1/sign/profile",
    /** A device says that it cannot open its sealed key [C6]. */
    healingRequest: "fastchat/1/sign/healing-request",
    /** A device proves itself to the server and gets a ticket. */
    ticket: "fastchat/1/sign/ticket",
    /** The same, for a pass to the blobs [S6]. */
    blobPass: "fastchat/1/sign/blob-pass",
    /** Recovery key, over `{account, server nonce, hash of the new record}` [P2]. */
    recoveryReset: "fastchat/1/sign/recovery-reset",
    /** Identity key, over a new sign-in record [P2]. */
    signInRecord: "fastchat/1/sign/sign-in-record",
    /** The new identity key, over the sign-in record that comes with a `succeed` [P2]. */
    successionRecord: "fastchat/1/sign/succession-record",
    /** Invitation key, over `{conversation, invitation, account, head}` [C7]. */
    invitation: "fastchat/1/sign/invitation",
    /** Device, over the same [C7]. */
    invitationByDevice: "fastchat/1/sign/device-of-invitation",
  },
  /** SHA-256 over the encoding of label and parts. */
  hash: {
    accountId: "fastchat/1/hash/account-id",
    deviceId: "fastchat/1/hash/device-id",
    directConversationId: "fastchat/1/hash/direct-conversation-id",
    groupId: "fastchat/1/hash/group-id",
    accountLink: "fastchat/1/hash/account-link",
    conversationLink: "fastchat/1/hash/conversation-link",
    /** One sealed copy of a key, as stored. */
    sealedCopy: "fastchat/1/hash/sealed-copy",
    /** The ordered list of an epoch's sealed keys [C4]. */
    sealedKeyList: "fastchat/1/hash/list-of-sealed-keys",
    /** The ordered list of an account key's sealed copies [A2]. */
    accountKeyCopies: "fastchat/1/hash/account-key-copies",
    accountKeyPublic: "fastchat/1/hash/account-key-public",
    deviceSealingKey: "fastchat/1/hash/device-sealing-key",
    entry: "fastchat/1/hash/entry",
    runningHash: "fastchat/1/hash/running",
    runningHashStart: "fastchat/1/hash/start-of-running",
    keyId: "fastchat/1/hash/key-id",
    /** The state of a conversation after an opening link [C4]. */
    state: "fastchat/1/hash/state",
    /** The sealed name, picture and description [C8]. */
    profile: "fastchat/1/hash/profile",
    /** An `add` without key id, hashes and signatures: what the derived key depends on [C4]. */
    addWithoutCommitments: "fastchat/1/hash/add-without-commitments",
    manifest: "fastchat/1/hash/manifest",
    vaultEntry: "fastchat/1/hash/vault-entry",
    signInRecord: "fastchat/1/hash/sign-in-record",
    /** The wrapped keys stored for an account. */
    wraps: "fastchat/1/hash/wraps",
    safetyNumber: "fastchat/1/hash/safety-number",
  },
  /** HKDF-SHA-256 `info`. */
  derive: {
    messageKey: "fastchat/1/derive/message-key",
    slotKey: "fastchat/1/derive/slot-key",
    signalKey: "fastchat/1/derive/signal-key",
    profileKey: "fastchat/1/derive/profile-key",
    vaultKey: "fastchat/1/derive/vault-key",
    vaultSlotName: "fastchat/1/derive/vault-slot-name",
    manifestReferenceKey: "fastchat/1/derive/manifest-reference-key",
    masterUnderExportKey: "fastchat/1/derive/wrap-master-under-export-key",
    masterUnderRecoveryKey: "fastchat/1/derive/wrap-master-under-recovery-key",
    identityUnderMaster: "fastchat/1/derive/wrap-identity-under-master",
    accountKeyUnderMaster: "fastchat/1/derive/wrap-account-key-under-master",
    olderAccountKeyUnderNewer: "fastchat/1/derive/wrap-older-account-key-under-newer",
    recoveryWrap: "fastchat/1/derive/recovery-wrap",
    recoverySign: "fastchat/1/derive/recovery-sign",
    /** The next epoch's key from the previous one, at an `add` [C4]. */
    epochAdd: "fastchat/1/derive/epoch-add",
    fileKey: "fastchat/1/derive/file-key",
  },
  /** First part of an AEAD's associated data. */
  encrypt: {
    message: "fastchat/1/encrypt/message",
    slot: "fastchat/1/encrypt/slot",
    signal: "fastchat/1/encrypt/signal",
    profile: "fastchat/1/encrypt/profile",
    vaultEntry: "fastchat/1/encrypt/vault-entry",
    manifestReference: "fastchat/1/encrypt/manifest-reference",
    fileChunk: "fastchat/1/encrypt/file-chunk",
    callToHolder: "fastchat/1/encrypt/call-to-holder",
    masterUnderExportKey: "fastchat/1/encrypt/master-under-export-key",
    masterUnderRecoveryKey: "fastchat/1/encrypt/master-under-recovery-key",
    identityUnderMaster: "fastchat/1/encrypt/identity-under-master",
    accountKeyUnderMaster: "fastchat/1/encrypt/account-key-under-master",
    olderAccountKeyUnderNewer: "fastchat/1/encrypt/older-account-key-under-newer",
  },
  /** First part of an HPKE `info`. */
  seal: {
    epochKeyToAccount: "fastchat/1/seal/epoch-key-to-account",
    accountKeyToDevice: "fastchat/1/seal/account-key-to-device",
    /** Between two processes of one profile: what needs a password, to the one that holds it. */
    callToHolder: "fastchat/1/seal/call-to-holder",
  },
  /** First part of what is shown or scanned. */
  show: {
    safetyCode: "fastchat/1/show/safety-code",
  },
} as const;

type Table = typeof labels;
type ValueOf<T> = T[keyof T];

export type SignatureLabel = ValueOf<Table["signature"]>;
export type HashLabel = ValueOf<Table["hash"]>;
export type DeriveLabel = ValueOf<Table["derive"]>;
export type EncryptLabel = ValueOf<Table["encrypt"]>;
export type SealLabel = ValueOf<Table["seal"]>;
export type ShowLabel = ValueOf<Table["show"]>;
export type Label = SignatureLabel | HashLabel | DeriveLabel | EncryptLabel | SealLabel | ShowLabel;

/** Each label once, for tests that try every signed, encrypted or sealed thing under all the others. */
export const everyLabel: readonly Label[] = Object.values(labels).flatMap((group) => Object.values(group) as Label[]);
