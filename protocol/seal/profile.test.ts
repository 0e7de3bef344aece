import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ProfileContentSchema, SignedProfileSchema } from "../generated/fastchat/v1/conversation_pb.ts";
import { accountId, conversationId, deviceId } from "../ids.ts";
import { limits } from "../limits.ts";
import { newEpochKey } from "./epoch.ts";
import { openProfile, profileContentOf, sealedProfileHash, sealProfile, signProfile, tooLargeInProfile } from "./profile.ts";
import { generateSigningKey } from "./signature.ts";

const fill = (byte: number) => new Uint8Array(32).fill(byte);
const conversation = conversationId(fill(1));
const setting = { nonce: fill(2), index: 7 };
const content = create(ProfileContentSchema, { name: "Chess club", description: "Tuesdays", picture: fill(9) });
const { seed, publicKey } = generateSigningKey();
const author = { account: accountId(fill(3)), device: deviceId(fill(4)), signingSeed: seed };

test("[C8] who has the epoch's key reads what its setter signed", async () => {
  const key = newEpochKey();
  const sealed = sealProfile(key, conversation, 5, await signProfile(content, setting, author));
  const opened = openProfile(key, conversation, 5, sealed);
  if (opened.kind !== "opened") throw new Error(opened.reason);
  expect(await profileContentOf(opened.profile, setting, publicKey)).toEqual(content);
  expect(sealedProfileHash(sealed)).not.toEqual(sealedProfileHash(sealProfile(key, conversation, 5, opened.profile)));
});

test("[C8] a sealed profile opens under its key, in its conversation and epoch alone, and with every bit as it was", async () => {
  const key = newEpochKey();
  const sealed = sealProfile(key, conversation, 5, await signProfile(content, setting, author));
  expect(openProfile(newEpochKey(), conversation, 5, sealed).kind).toBe("unreadable");
  expect(openProfile(key, conversationId(fill(8)), 5, sealed).kind).toBe("unreadable");
  expect(openProfile(key, conversation, 6, sealed).kind).toBe("unreadable");
  for (let at = 0; at < sealed.length; at += 7) {
    const changed = sealed.slice();
    changed[at]! ^= 1;
    expect(openProfile(key, conversation, 5, changed).kind).toBe("unreadable");
  }
});

test("[C8] who seals it again can change nothing: another word, another link, another group or another signer do not count", async () => {
  const signed = await signProfile(content, setting, author);
  const other = await signProfile(create(ProfileContentSchema, { name: "Ours now" }), setting, author);
  expect(await profileContentOf({ ...signed, content: other.content }, setting, publicKey)).toBeUndefined();
  expect(await profileContentOf(signed, { ...setting, index: 8 }, publicKey)).toBeUndefined();
  expect(await profileContentOf(signed, { ...setting, nonce: fill(5) }, publicKey)).toBeUndefined();
  expect(await profileContentOf(signed, setting, generateSigningKey().publicKey)).toBeUndefined();
  expect(await profileContentOf(create(SignedProfileSchema), setting, publicKey)).toBeUndefined();
});

test("[C8] a profile larger than the limits is none, whoever signed it", async () => {
  const large = {
    name: create(ProfileContentSchema, { name: "é".repeat(limits.groupNameBytes / 2 + 1) }),
    description: create(ProfileContentSchema, { name: "x", description: "d".repeat(limits.groupDescriptionBytes + 1) }),
    picture: create(ProfileContentSchema, { name: "x", picture: new Uint8Array(limits.groupPictureBytes + 1) }),
  };
  for (const [field, each] of Object.entries(large)) {
    expect(tooLargeInProfile(each)).toBe(field);
    expect(await profileContentOf(await signProfile(each, setting, author), setting, publicKey)).toBeUndefined();
  }
  const largest = create(ProfileContentSchema, {
    name: "n".repeat(limits.groupNameBytes),
    description: "d".repeat(limits.groupDescriptionBytes),
    picture: new Uint8Array(limits.groupPictureBytes),
  });
  const sealed = sealProfile(newEpochKey(), conversation, 1, await signProfile(largest, setting, author));
  expect(sealed.length).toBeLessThanOrEqual(limits.profileBytes);
});
