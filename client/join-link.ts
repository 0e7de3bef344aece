import { conversationId, type ConversationId, idBytes } from "@fastchat/protocol";
import { concat } from "@fastchat/protocol/seal";
import { fromBase64Url, toBase64Url } from "./base64.ts";

/** Version of what stands in the fragment of an invitation's link. */
const VERSION = 1;
const ID_BYTES = 32;
const SEED_BYTES = 32;

/** What an invitation's link carries [C7]. */
export interface JoinLink {
  readonly conversation: ConversationId;
  /** Of the invitation's key, 32 bytes. */
  readonly seed: Uint8Array;
}

/** As found in a text. */
export interface FoundLink extends JoinLink {
  /** Of the server that it names; undefined: none. */
  readonly origin: string | undefined;
}

/** The secret stands in the fragment, which no browser sends to anybody. */
export function joinLinkText(gateway: string, { conversation, seed }: JoinLink): string {
  const code = concat(Uint8Array.of(VERSION), idBytes(conversation), seed);
  return `${gateway.replace(/\/+$/, "")}/join#${toBase64Url(code)}`;
}

/** Reads a link, or what stands behind its `#`; undefined for what is none. */
export function parseJoinLink(text: string): FoundLink | undefined {
  const link = text.trim().replaceAll(/^<|[>.,)]+$/g, "");
  const code = codeIn(link.replace(/^[^#]*#/, ""));
  if (code?.length !== 1 + ID_BYTES + SEED_BYTES || code[0] !== VERSION) return undefined;
  const origin = originOf(link);
  return { conversation: conversationId(code.slice(1, 1 + ID_BYTES)), seed: code.slice(1 + ID_BYTES), origin };
}

/** Undefined for what is no address of a page. */
export const originOf = (url: string): string | undefined => (/^https?:/i.test(url) && URL.canParse(url) ? new URL(url).origin : undefined);

function codeIn(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return undefined;
  try {
    return fromBase64Url(text);
  } catch {
    return undefined;
  }
}
