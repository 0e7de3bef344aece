import type { SealedKey } from "../generated/fastchat/v1/conversation_pb.ts";
import { accountId, isHash } from "../ids.ts";
import { equal } from "../seal/bytes.ts";
import { sealedKeysHash } from "../seal/epoch.ts";
import { hashLength } from "../seal/hash.ts";
import { sealingOverhead } from "../seal/hpke.ts";
import { type ConversationState, copyRecipients, isEntitled, newestEpoch } from "./conversation-state.ts";
import { type Invalid, invalid } from "./link.ts";

/**
 * [C4] Whether the list that lies beside an opening link is the one it names, and holds what it must: one copy for
 * everybody who gets one, to the account key at the recorded head. Besides, newcomers may be given older epochs, where
 * the policy gives them. The server takes a link only with such a list.
 *
 * @param state just after the opening link
 */
export function checkSealedKeys(state: ConversationState, keys: readonly SealedKey[]): { readonly kind: "valid" } | Invalid {
  const { epoch, index, sealedKeysHash: named } = newestEpoch(state);
  if (index !== state.head.index) return keys.length === 0 ? { kind: "valid" } : invalid("copies beside a link that opens nothing");
  if (!equal(sealedKeysHash(keys), named)) return invalid("not the list that is named");
  const awaited = copyRecipients(state).map(({ account }) => account);
  let before = "";
  for (const key of keys) {
    const member = isHash(key.account) ? state.members.get(accountId(key.account)) : undefined;
    if (member === undefined) return invalid("a copy for somebody who is no member");
    const place = `${member.account}${key.epoch.toString().padStart(10, "0")}`;
    if (place <= before) return invalid("copies are not in order");
    before = place;
    if (key.generation !== member.chain.accountKeys.at(-1)?.generation) return invalid("a copy for another account key");
    if (key.sealed.length !== sealingOverhead + hashLength) return invalid("not a sealed epoch key");
    if (key.epoch === epoch) {
      if (awaited.shift() !== member.account) return invalid("a copy is missing or nobody's");
    } else if (key.epoch > epoch || member.addedAt !== index || !isEntitled(state, member.account, key.epoch)) {
      return invalid("a copy of an epoch that nobody gives");
    }
  }
  return awaited.length === 0 ? { kind: "valid" } : invalid("a copy is missing or nobody's");
}
