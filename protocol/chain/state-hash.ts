import { fromHex, encodeList, type Part } from "../seal/bytes.ts";
import { hash } from "../seal/hash.ts";
import { labels } from "../seal/labels.ts";
import { idBytes } from "../ids.ts";
import type { ConversationState, EpochState, MemberState, Span } from "./conversation-state.ts";

/**
 * [C4] The hash of a conversation's state, 32 bytes: equal for two clients that applied the same links. An opening link
 * may carry that of the state after it. So what the link itself decides or carries is left out: the id of the
 * conversation, the head's hash and, where the head opened an epoch, that epoch's key id, sealed keys, opening link and
 * profile; all of these stand in the link or are its hash.
 */
export function stateHash(state: Omit<ConversationState, "head"> & { readonly head: { readonly index: number } }): Uint8Array {
  const { policy } = state;
  const opened = state.epochs.at(-1)?.index === state.head.index;
  const sorted = <Value>(map: ReadonlyMap<string, Value>): Value[] =>
    [...map].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, value]) => value);
  return hash(
    labels.hash.state,
    state.kind,
    state.nonce,
    state.version,
    state.head.index,
    encodeList([
      policy.mayAdd,
      policy.mayWrite,
      policy.mayChangeProfile,
      policy.newcomersRead,
      policy.newcomersReadSinceEpoch,
      policy.retentionSeconds,
      policy.publicName,
      policy.joining,
    ]),
    encodeList(sorted(state.members).map(memberPart)),
    encodeList(
      sorted(state.former).map(({ account, chain, spans }) =>
        encodeList([idBytes(account), chain.head.index, idBytes(chain.head.hash), spansPart(spans)]),
      ),
    ),
    encodeList([...state.removed].toSorted().map((account) => idBytes(account))),
    encodeList(
      sorted(state.invitations).map(({ publicKey, uses, used, lastDay, revoked }) =>
        encodeList([fromHex(publicKey), uses, used, lastDay, Number(revoked)]),
      ),
    ),
    encodeList(state.epochs.map((epoch, place) => epochPart(epoch, opened && place === state.epochs.length - 1))),
    state.oldestGoodEpoch,
    Number(state.turnDue),
    opened ? "" : fromHex(state.profileHash ?? ""),
    state.profileAt,
    state.additions,
  );
}

/** Most members are the same ones as after the link before: they are never changed in place. */
const memberParts = new WeakMap<MemberState, Uint8Array>();

function memberPart(member: MemberState): Uint8Array {
  const part = memberParts.get(member) ?? encodeMember(member);
  memberParts.set(member, part);
  return part;
}

function encodeMember({ account, role, addedAt, order, chain, earlier }: MemberState): Uint8Array {
  return encodeList([idBytes(account), role, addedAt, order, chain.head.index, idBytes(chain.head.hash), spansPart(earlier)]);
}

const spansPart = (spans: readonly Span[]): Uint8Array => encodeList(spans.flatMap((span) => [span.from, span.until]));

function epochPart(epoch: EpochState, openedByHead: boolean): Uint8Array {
  const { kind, index, keyId, sealedKeysHash, openingLink, previousLink, withoutKey } = epoch;
  const parts: Part[] = [epoch.epoch, kind, index, encodeList(withoutKey.map((account) => idBytes(account)))];
  parts.push(previousLink === undefined ? "" : idBytes(previousLink));
  if (!openedByHead) parts.push(idBytes(keyId), sealedKeysHash, idBytes(openingLink));
  return encodeList(parts);
}
