import { limits } from "./limits.ts";

/** Why a text is no username [A3]. */
export type NameResult =
  | { readonly kind: "valid"; readonly name: string }
  | { readonly kind: "invalid"; readonly reason: "length" | "characters" };

const FORM = /^[a-z0-9](?:[._-]?[a-z0-9])*$/;

/**
 * The one form of a username: lower-case ASCII letters and digits, with single `.`, `_` or `-` between them.
 * Nothing is converted but capital ASCII letters, so that no look-alike is ever taken for the name it imitates.
 */
export function parseName(text: string): NameResult {
  const name = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  if (!FORM.test(name)) return { kind: "invalid", reason: "characters" };
  if (name.length < limits.nameMinimumLength || name.length > limits.nameMaximumLength) {
    return { kind: "invalid", reason: "length" };
  }
  return { kind: "valid", name };
}
