import { limits } from "@fastchat/protocol";
import { random, utf8 } from "@fastchat/protocol/seal";
import { knownPhrases } from "./known-phrases.ts";

export type PasswordVerdict =
  | { readonly kind: "strong"; readonly bits: number }
  /** `suggestion`: random words that would do. */
  | { readonly kind: "weak"; readonly bits: number; readonly suggestion: string };

/** Words of a suggestion: 5 of 7,776 make 64.6 bits. */
const SUGGESTED_WORDS = 5;

let loaded: ReturnType<typeof loadEstimator> | undefined;

/** Where they could not be loaded, the next who asks tries again. */
function forget(error: unknown): never {
  loaded = undefined;
  throw error;
}

/** The dictionaries are large: only who signs up loads them, and sorts them once. */
async function loadEstimator() {
  const [{ ZxcvbnFactory }, common, english] = await Promise.all([
    import("@zxcvbn-ts/core"),
    import("@zxcvbn-ts/language-common"),
    import("@zxcvbn-ts/language-en"),
  ]);
  const dictionary = { ...common.dictionary, ...english.dictionary, knownPhrases };
  return { estimator: new ZxcvbnFactory({ dictionary, graphs: common.adjacencyGraphs }), words: common.dictionary["diceware-common"] };
}

/**
 * How many guesses a password stands, as bits, by zxcvbn [P1].
 *
 * @param about what an attacker tries first: the person's name, the server's
 */
export async function judgePassword(password: string, about: readonly string[]): Promise<PasswordVerdict> {
  const { estimator, words } = await (loaded ??= loadEstimator().catch(forget));
  const suggestion = () => suggest(words);
  // Judging takes long for long texts; one that cannot be used is not judged.
  if (utf8(password.toWellFormed()).length > limits.passwordMaximumBytes) return { kind: "weak", bits: 0, suggestion: suggestion() };
  const { guessesLog10 } = estimator.check(password, [...about]);
  const bits = Math.floor(guessesLog10 * Math.log2(10));
  return bits >= limits.passwordMinimumBits ? { kind: "strong", bits } : { kind: "weak", bits, suggestion: suggestion() };
}

/** What a new password of an account is refused for; undefined: nothing. */
export async function weaknessOf(password: string, name: string) {
  const verdict = await judgePassword(password, [name, "fastchat"]);
  if (verdict.kind === "strong") return undefined;
  return { kind: "weak-password", bits: verdict.bits, suggestion: verdict.suggestion } as const;
}

function suggest(words: readonly string[]): string {
  return Array.from({ length: SUGGESTED_WORDS }, () => words[below(words.length)]).join(" ");
}

/** A random whole number in [0, end), without bias. */
function below(end: number): number {
  const largest = Math.floor(2 ** 32 / end) * end;
  for (;;) {
    const value = new DataView(random(4).buffer).getUint32(0);
    if (value < largest) return value % end;
  }
}
