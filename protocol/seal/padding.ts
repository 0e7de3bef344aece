/**
 * Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PoPETs 2019, 4):
 * the size of what is sent tells only O(log log size) bits about the size inside, for at most 12 % more bytes.
 */

const lengthPrefix = 4;
const largestPadded = 2 ** 32 - 1;

export type Unpadded =
  | { readonly kind: "unpadded"; readonly content: Uint8Array }
  /** Not exactly what `pad` makes. */
  | { readonly kind: "malformed" };

/** The padded size for a size: the next one whose last bits are zero, as many as the paper says. */
export function paddedSize(size: number): number {
  if (size < 2) return size;
  const exponent = Math.floor(Math.log2(size));
  const mantissaBits = Math.floor(Math.log2(exponent)) + 1;
  const step = 2 ** Math.max(0, exponent - mantissaBits);
  return Math.ceil(size / step) * step;
}

/** Length (4 bytes, big-endian) ‖ content ‖ zeros up to Padmé's size. @throws RangeError above 4 GiB. */
export function pad(content: Uint8Array): Uint8Array {
  const size = paddedSize(lengthPrefix + content.length);
  if (size > largestPadded) throw new RangeError("too much to pad");
  const padded = new Uint8Array(size);
  new DataView(padded.buffer).setUint32(0, content.length);
  padded.set(content, lengthPrefix);
  return padded;
}

/** Takes only what `pad` makes, so that one content has one padded form. */
export function unpad(padded: Uint8Array): Unpadded {
  if (padded.length < lengthPrefix) return { kind: "malformed" };
  const length = new DataView(padded.buffer, padded.byteOffset, padded.byteLength).getUint32(0);
  if (padded.length !== paddedSize(lengthPrefix + length)) return { kind: "malformed" };
  for (const byte of padded.subarray(lengthPrefix + length)) if (byte !== 0) return { kind: "malformed" };
  return { kind: "unpadded", content: padded.slice(lengthPrefix, lengthPrefix + length) };
}
