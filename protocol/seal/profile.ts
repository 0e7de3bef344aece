import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type ProfileContent,
  ProfileContentSchema,
  type SignedProfile,
  SignedProfileSchema,
} from "../generated/fastchat/v1/conversation_pb.ts";
import { type AccountId, type DeviceId, idBytes } from "../ids.ts";
import { limits } from "../limits.ts";
import { decrypt, encrypt } from "./aead.ts";
import { encodeParts, type LabelledBytes, utf8 } from "./bytes.ts";
import { type EpochContext } from "./epoch.ts";
import { hash, hkdf } from "./hash.ts";
import { labels } from "./labels.ts";
import { pad, unpad } from "./padding.ts";
import { sign, verify } from "./signature.ts";

/** Who sets a profile, and where: the link that names its hash, or for a group's `create` link 1 [C8]. */
export interface ProfileSetting {
  /** The 32 random bytes of the conversation's `create`. */
  readonly nonce: Uint8Array;
  readonly index: number;
}

export type OpenedProfile =
  | { readonly kind: "opened"; readonly profile: SignedProfile }
  | { readonly kind: "unreadable"; readonly reason: "unknown-suite" | "refused" | "malformed" };

/** Why a profile is too large for a group, as a field of it; undefined: it is not. */
export function tooLargeInProfile(content: ProfileContent): keyof Pick<ProfileContent, "name" | "description" | "picture"> | undefined {
  if (utf8(content.name).length > limits.groupNameBytes) return "name";
  if (utf8(content.description).length > limits.groupDescriptionBytes) return "description";
  return content.picture.length > limits.groupPictureBytes ? "picture" : undefined;
}

/** Signs what a conversation is to be called [C8]. */
export async function signProfile(
  content: ProfileContent,
  { nonce, index }: ProfileSetting,
  author: { readonly account: AccountId; readonly device: DeviceId; readonly signingSeed: Uint8Array },
): Promise<SignedProfile> {
  const bytes = toBinary(ProfileContentSchema, content);
  const signature = await sign(author.signingSeed, labels.signature.profile, nonce, index, bytes);
  return create(SignedProfileSchema, { content: bytes, account: idBytes(author.account), device: idBytes(author.device), signature });
}

/** The content, if that device signed it for that link; undefined otherwise. */
export async function profileContentOf(
  profile: SignedProfile,
  { nonce, index }: ProfileSetting,
  signingKey: Uint8Array,
): Promise<ProfileContent | undefined> {
  if (!(await verify(signingKey, profile.signature, labels.signature.profile, nonce, index, profile.content))) return undefined;
  try {
    const content = fromBinary(ProfileContentSchema, profile.content);
    return tooLargeInProfile(content) === undefined ? content : undefined;
  } catch {
    return undefined;
  }
}

/** Seals a signed profile under an epoch [C8]. */
export function sealProfile(epochKey: Uint8Array, conversation: EpochContext, epoch: number, profile: SignedProfile): Uint8Array {
  return encrypt(keyOf(epochKey, conversation), associatedDataOf(conversation, epoch), pad(toBinary(SignedProfileSchema, profile)));
}

export function openProfile(epochKey: Uint8Array, conversation: EpochContext, epoch: number, sealed: Uint8Array): OpenedProfile {
  const opened = decrypt(keyOf(epochKey, conversation), associatedDataOf(conversation, epoch), sealed);
  if (opened.kind !== "decrypted") return { kind: "unreadable", reason: opened.kind };
  const unpadded = unpad(opened.plaintext);
  if (unpadded.kind !== "unpadded") return { kind: "unreadable", reason: "malformed" };
  try {
    return { kind: "opened", profile: fromBinary(SignedProfileSchema, unpadded.content) };
  } catch {
    return { kind: "unreadable", reason: "malformed" };
  }
}

/** What a link names of a sealed profile. */
export const sealedProfileHash = (sealed: Uint8Array): Uint8Array => hash(labels.hash.profile, sealed);

const keyOf = (epochKey: Uint8Array, conversation: EpochContext): Uint8Array =>
  hkdf(epochKey, labels.derive.profileKey, idBytes(conversation));

const associatedDataOf = (conversation: EpochContext, epoch: number): LabelledBytes =>
  encodeParts(labels.encrypt.profile, idBytes(conversation), epoch);
