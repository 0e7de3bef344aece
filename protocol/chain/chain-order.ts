import { AccountLinkSchema, type SignedLink } from "../generated/fastchat/v1/account_pb.ts";
import { idBytes, type LinkHash } from "../ids.ts";
import { equal } from "../seal/bytes.ts";
import { labels } from "../seal/labels.ts";
import { verifyLink } from "../seal/signature.ts";
import type { AccountState } from "./account.ts";
import { type ChainHead, decodeBody, hasLinkForm } from "./link.ts";

/** How an offered chain stands to the known one; both are hashes of links, the first is that of link 1. */
export type ChainComparison = "same" | "longer" | "shorter" | "different";

export function compareChains(known: readonly LinkHash[], offered: readonly LinkHash[]): ChainComparison {
  const shared = Math.min(known.length, offered.length);
  for (let index = 0; index < shared; index++) if (known[index] !== offered[index]) return "different";
  if (known.length === offered.length) return "same";
  return offered.length > known.length ? "longer" : "shorter";
}

/** [G5] Nobody accepts a chain that is shorter than or different from the one known. */
export function sameOrLonger(known: readonly LinkHash[], offered: readonly LinkHash[]): boolean {
  const comparison = compareChains(known, offered);
  return comparison === "same" || comparison === "longer";
}

/**
 * Where a head that somebody names stands to a known chain [A4]: `behind` and `same` lie on it, `ahead` is further than it
 * is known (fetch, then compare again), `different` is a fork or a lie.
 */
export function compareHead(chain: { readonly hashes: readonly LinkHash[] }, named: ChainHead): "same" | "behind" | "ahead" | "different" {
  if (named.index > chain.hashes.length) return "ahead";
  if (chain.hashes[named.index - 1] !== named.hash) return "different";
  return named.index === chain.hashes.length ? "same" : "behind";
}

/**
 * [G5] Two account links after the same one: whether `known` is a device's `sign out` and `other` a link of the identity
 * key, to which it loses. Both must be valid after that one.
 */
export function isLostSignOut(known: SignedLink, other: SignedLink): boolean {
  const one = decodeBody(AccountLinkSchema, known.body);
  const two = decodeBody(AccountLinkSchema, other.body);
  if (one === undefined || two === undefined) return false;
  if (!equal(one.account, two.account) || one.index !== two.index || !equal(one.previous, two.previous)) return false;
  return one.change.case === "signOut" && two.change.case !== undefined && two.change.case !== "signOut";
}

/**
 * [H1] Whether a link proves that a chain lacks something its own identity key signed. Only the body counts: that is what the key signed,
 * while anybody can put another cosignature beside it. A `sign out` proves nothing: a device alone signs it, and it loses to what the
 * identity key signs next [G5].
 *
 * @param links all links of the chain
 */
export function isMissingFrom(chain: AccountState, links: readonly SignedLink[], link: SignedLink): boolean {
  if (!hasLinkForm(link) || links.some((shown) => equal(shown.body, link.body))) return false;
  const body = decodeBody(AccountLinkSchema, link.body);
  if (body === undefined || !equal(body.account, idBytes(chain.account))) return false;
  return verifyLink(chain.identityKey, link.signature, labels.signature.accountLink, link.body);
}
