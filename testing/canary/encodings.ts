import { Buffer } from "node:buffer";

/** One way in which a text can stand in a file, a memory or a frame. */
export interface Pattern {
  /** What the searcher calls the text: "password", "draft". */
  readonly canary: string;
  readonly encoding: string;
  readonly bytes: Buffer;
}

/**
 * All forms in which a text is searched: UTF-8, UTF-16 of both byte orders, hex in both cases, base64 at its three alignments in
 * both alphabets. Characters of base64 that also depend on the neighbours of the text are left off.
 */
export function patternsOf(canary: string, text: string): Pattern[] {
  const utf8 = Buffer.from(text, "utf8");
  const utf16 = Buffer.from(text, "utf16le");
  const forms: [encoding: string, bytes: Buffer][] = [
    ["utf-8", utf8],
    ["utf-16le", utf16],
    ["utf-16be", Buffer.from(utf16).swap16()],
    ["hex", Buffer.from(utf8.toString("hex"), "latin1")],
    ["HEX", Buffer.from(utf8.toString("hex").toUpperCase(), "latin1")],
  ];
  for (const before of [0, 1, 2]) {
    for (const alphabet of ["base64", "base64url"] as const) {
      const whole = Buffer.concat([Buffer.alloc(before), utf8])
        .toString(alphabet)
        .replaceAll("=", "");
      // Each character holds six bits: those before the text's first and after its last whole six bits are its neighbours'.
      const from = Math.ceil((before * 8) / 6);
      const to = Math.floor(((before + utf8.length) * 8) / 6);
      forms.push([`${alphabet}+${before}`, Buffer.from(whole.slice(from, to), "latin1")]);
    }
  }
  const seen = new Set<string>();
  return forms
    .filter(([, bytes]) => {
      const hex = bytes.toString("hex");
      return !seen.has(hex) && seen.add(hex);
    })
    .map(([encoding, bytes]) => ({ canary, encoding, bytes }));
}
