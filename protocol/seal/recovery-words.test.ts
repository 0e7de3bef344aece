import * as fc from "fast-check";
import { expect, test } from "vitest";
import { equal, fromHex, generateRecoveryEntropy, parseRecoveryWords, recoveryKeyOf, recoveryWordsOf, toHex } from "./index.ts";

// BIP 39's own vectors of 128 bits (trezor/python-mnemonic, vectors.json, named by the BIP).
const published: [string, string][] = [
  ["00000000000000000000000000000000", "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"],
  ["7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f", "legal winner thank year wave sausage worth useful legal winner thank yellow"],
  ["80808080808080808080808080808080", "letter advice cage absurd amount doctor acoustic avoid letter advice cage above"],
  ["ffffffffffffffffffffffffffffffff", "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong"],
  ["9e885d952ad362caeb4efe34a8e91bd2", "ozone drill grab fiber curtain grace pudding thank cruise elder eight picnic"],
  ["c0ba5a8e914111210f2bd131f3d5e08d", "scheme spot photo card baby mountain device kick cradle pact join borrow"],
  ["23db8160a31d3e0dca3688ed941adbf3", "cat swing flag economy stadium alone churn speed unique patch report train"],
  ["f30f8c1da665478f49b001d94c5fc452", "vessel ladder alter error federal sibling chat ability sun glass valve picture"],
];

test("[P2] BIP 39's vectors, both ways", () => {
  for (const [entropy, words] of published) {
    expect(recoveryWordsOf(fromHex(entropy)).join(" ")).toBe(words);
    expect(parseRecoveryWords(words)).toEqual({ kind: "entropy", entropy: fromHex(entropy) });
  }
});

test("[P2] words are read however they were typed", () => {
  const separators = fc.constantFrom(" ", "  ", "\n", "\t", ", ", " \r\n", "\u00a0", "\u3000");
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.array(separators, { minLength: 13, maxLength: 13 }),
      fc.boolean(),
      (entropy, between, loud) => {
        const text =
          between[12]! +
          recoveryWordsOf(entropy)
            .map((word, index) => word + between[index]!)
            .join("");
        expect(parseRecoveryWords(loud ? text.toUpperCase() : text)).toEqual({ kind: "entropy", entropy });
      },
    ),
  );
  const numbered = published[4]![1].split(" ").map((word, index) => `${index + 1}. ${word}`);
  expect(parseRecoveryWords(numbered.join("\n")).kind).toBe("entropy");
});

test("[P2] wrong words: which, or how many, or that they do not fit together", () => {
  const words = published[4]![1].split(" ");
  expect(parseRecoveryWords(words.with(2, "grabb").with(11, "__proto__").join(" "))).toEqual({ kind: "unknown-words", places: [3, 12] });
  expect(parseRecoveryWords(words.slice(1).join(" "))).toEqual({ kind: "wrong-count", count: 11 });
  expect(parseRecoveryWords(words.concat("zoo").join(" "))).toEqual({ kind: "wrong-count", count: 13 });
  expect(parseRecoveryWords("")).toEqual({ kind: "wrong-count", count: 0 });
  expect(parseRecoveryWords(words.with(0, "drill").with(1, "ozone").join(" "))).toEqual({ kind: "wrong-checksum" });
  expect(() => recoveryWordsOf(new Uint8Array(32))).toThrow(RangeError);
  expect(() => recoveryKeyOf(new Uint8Array(32))).toThrow(RangeError);
});

test("[P2] the two keys differ from each other and for every entropy", () => {
  const [one, other] = [recoveryKeyOf(generateRecoveryEntropy()), recoveryKeyOf(generateRecoveryEntropy())];
  expect(equal(one.wrapSecret, one.signing.seed)).toBe(false);
  expect(equal(one.wrapSecret, other.wrapSecret)).toBe(false);
  expect(equal(one.signing.publicKey, other.signing.publicKey)).toBe(false);
});

test("[P2] golden bytes of the recovery key", () => {
  const key = recoveryKeyOf(fromHex(published[4]![0]));
  expect(toHex(key.wrapSecret)).toBe("7cc12fd67003fa7765b97e70bd0209f9aa2c4a18b42cb94322ef6888a38d8186");
  expect(toHex(key.signing.publicKey)).toBe("070ba6eb5d6ecd0ec5923fed15b4ec3c74f284d9f3a83a4c8d43959121d55ba1");
});
