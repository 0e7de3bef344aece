import { expect, test } from "vitest";
import { fromHex, random, toHex, unwrapKey, type WrapPlace, type WrapPurpose, wrapKey } from "./index.ts";

const purposes: WrapPurpose[] = [
  "masterUnderExportKey",
  "masterUnderRecoveryKey",
  "identityUnderMaster",
  "accountKeyUnderMaster",
  "olderAccountKeyUnderNewer",
];
const place: WrapPlace = { account: new Uint8Array(32).fill(1), record: new Uint8Array(16).fill(2), version: 3 };

test("[P2] a wrapped key opens at its place, for its purpose, and nowhere else", () => {
  const wrappingSecret = random(64);
  const secret = random(32);
  const elsewhere: WrapPlace[] = [
    { ...place, account: new Uint8Array(32).fill(9) },
    { ...place, record: new Uint8Array(16).fill(9) },
    { ...place, version: 4 },
  ];
  for (const purpose of purposes) {
    const wrapped = wrapKey(purpose, wrappingSecret, place, secret);
    expect(wrapped.length).toBe(74);
    expect(unwrapKey(purpose, wrappingSecret, place, wrapped)).toEqual({ kind: "unwrapped", secret });
    for (const other of purposes.filter((candidate) => candidate !== purpose)) {
      expect(unwrapKey(other, wrappingSecret, place, wrapped), `${purpose} as ${other}`).toEqual({ kind: "refused" });
    }
    for (const other of elsewhere) expect(unwrapKey(purpose, wrappingSecret, other, wrapped)).toEqual({ kind: "refused" });
    expect(unwrapKey(purpose, random(64), place, wrapped)).toEqual({ kind: "refused" });
    for (let bit = 0; bit < 8 * wrapped.length; bit++) {
      const changed = wrapped.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(unwrapKey(purpose, wrappingSecret, place, changed).kind).toBe(bit < 16 ? "unknown-suite" : "refused");
    }
  }
});

test("[P2] only secrets of 32 bytes are wrapped", () => {
  for (const length of [0, 16, 31, 33]) {
    expect(() => wrapKey("identityUnderMaster", random(32), place, random(length))).toThrow(RangeError);
  }
});

test("[P2] golden bytes of a wrap", () => {
  const golden = fromHex(
    "01010707070707070707070707070707070707070707070707079fcb3611b1ecab82d33735f21a756eddde313034f41e3d4f1ae82e06dc6e84e5c893a784fda5164b414183952a7f5ae7",
  );
  const opened = unwrapKey("masterUnderExportKey", new Uint8Array(64).fill(4), place, golden);
  expect(opened.kind === "unwrapped" && toHex(opened.secret)).toBe("05".repeat(32));
});
