export { type Decrypted, decrypt, encrypt, encryptionOverhead } from "./aead.ts";
export {
  concat,
  decodeList,
  encodeList,
  encodeParts,
  equal,
  fromHex,
  type LabelledBytes,
  type Part,
  random,
  toHex,
  utf8,
} from "./bytes.ts";
export { FileCipher, fileChunkBytes, fileChunks, sealedChunkBytes, sealedFileSize } from "./file.ts";
export { hash, hashLength, hkdf } from "./hash.ts";
export {
  generateSealingKey,
  isAcceptableSealingKey,
  type Opened,
  open,
  type Sealed,
  seal,
  type SealingInfo,
  sealingInfo,
  type SealingKey,
  sealingOverhead,
  type SealingPlace,
  sealingPublicKeyLength,
  sealingPublicKeyOf,
  sealingSecretLength,
} from "./hpke.ts";
export {
  type DeriveLabel,
  type EncryptLabel,
  everyLabel,
  type HashLabel,
  type Label,
  labels,
  type SealLabel,
  type ShowLabel,
  type SignatureLabel,
} from "./labels.ts";
export { runningSha256, type RunningSha256 } from "./sha256.ts";
export { pad, paddedSize, type Unpadded, unpad } from "./padding.ts";
export {
  generateRecoveryEntropy,
  parseRecoveryWords,
  recoveryEntropyLength,
  type RecoveryKey,
  recoveryKeyOf,
  type RecoveryWords,
  recoveryWordsOf,
} from "./recovery-words.ts";
export {
  readSafetyCode,
  safetyCode,
  type SafetyNumber,
  safetyNumber,
  type SafetyParty,
  type SafetyPartyWithHead,
  type ScannedSafetyCode,
} from "./safety-number.ts";
export {
  generateSigningKey,
  isAcceptablePublicKey,
  publicKeyLength,
  publicKeyOf,
  sign,
  signatureLength,
  type SigningKey,
  signLink,
  verify,
  verifyLink,
} from "./signature.ts";
export { type Unwrapped, unwrapKey, type WrapPlace, type WrapPurpose, wrapKey } from "./wrap.ts";
export {
  accountPublicKeyHash,
  type AccountNonce,
  checkAccountKey,
  deviceSealingKeyHash,
  type KeyRequestParts,
  newMasterKey,
  openAccountKey,
  type OpenedAccountKey,
  sealAccountKey,
  sealedCopyHash,
  signKeyRequest,
  signBlobPassRequest,
  signTicketRequest,
  verifyKeyRequest,
  verifyBlobPassRequest,
  verifyTicketRequest,
} from "./account-keys.ts";
export { entryHash, runningHash, startHash } from "./entry.ts";
export {
  deriveEpochKey,
  type EpochContext,
  type EpochKeyRecipient,
  keyIdOf,
  newEpochKey,
  type OpenedEpochKey,
  openEpochKey,
  sealedKeysHash,
  sealEpochKey,
} from "./epoch.ts";
export {
  type MessageContext,
  type MessageEnvelope,
  type OpenedContent,
  openMessage,
  openSignal,
  openSlot,
  sealMessage,
  sealSignal,
  sealSlot,
  type UnreadableReason,
} from "./message.ts";
export {
  openProfile,
  type OpenedProfile,
  profileContentOf,
  type ProfileSetting,
  sealedProfileHash,
  sealProfile,
  signProfile,
  tooLargeInProfile,
} from "./profile.ts";
export {
  manifestOf,
  type OpenedVaultEntry,
  openManifestReference,
  openVaultEntry,
  sealManifestReference,
  sealVaultEntry,
  type VaultAuthor,
  vaultEntryHash,
  type VaultKeys,
  vaultKeysOf,
  type VaultPlace,
  vaultPlaceOf,
  vaultSlot,
} from "./vault.ts";
export {
  type NewSignInRecord,
  type RecoveryRequest,
  signNewRecord,
  signRecovery,
  signSuccessionRecord,
  type SuccessionRecord,
  verifyNewRecord,
  verifyRecovery,
  verifySuccessionRecord,
} from "./sign-in-record.ts";
