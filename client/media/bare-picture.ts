import { sniff } from "./kinds.ts";

/**
 * [S6] A picture that was just encoded without whatever its encoder wrote beside the pixels: browsers add the colour profile of the canvas,
 * which is sRGB, as everything without a profile is. Bytes of other types, or not of their type's form, are given back as they are.
 */
export function barePicture(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    switch (sniff(bytes).mediaType) {
      case "image/jpeg":
        return joined(jpegParts(view));
      case "image/webp":
        return bareWebp(view);
      case "image/png":
        return joined(pngParts(view));
      default:
        return bytes;
    }
  } catch (error) {
    if (error instanceof RangeError) return bytes;
    throw error;
  }
}

/** Never beyond the view: its buffer may be others' as well. */
const part = (view: DataView, from: number, to = view.byteLength): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength).subarray(from, to);

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const each of parts) {
    all.set(each, at);
    at += each.length;
  }
  return all;
}

const START_OF_SCAN = 0xda;
/** It says which colours the components are. */
const ADOBE = 0xee;

function jpegParts(view: DataView): Uint8Array[] {
  const parts = [part(view, 0, 2)];
  let at = 2;
  for (;;) {
    const marker = view.getUint16(at) & 0xff;
    if (marker === START_OF_SCAN) return [...parts, part(view, at)];
    const end = at + 2 + view.getUint16(at + 2);
    const isSaid = (marker >= 0xe1 && marker <= 0xef && marker !== ADOBE) || marker === 0xfe;
    if (!isSaid) parts.push(part(view, at, end));
    at = end;
  }
}

const fourCharacters = (view: DataView, at: number): string => String.fromCharCode(...part(view, at, at + 4));

/** RFC 9649, section 2.7: chunks, and in the first one flags that say which are there. */
function bareWebp(view: DataView): Uint8Array {
  const said = new Set(["ICCP", "EXIF", "XMP "]);
  const parts: Uint8Array[] = [part(view, 0, 12)];
  for (let at = 12; at + 8 <= view.byteLength;) {
    const size = view.getUint32(at + 4, true);
    const end = at + 8 + size + (size & 1);
    if (!said.has(fourCharacters(view, at))) parts.push(part(view, at, end));
    at = end;
  }
  const bare = joined(parts);
  const bareView = new DataView(bare.buffer);
  bareView.setUint32(4, bare.length - 8, true);
  const FLAGS_OF_SAID = 0x20 | 0x08 | 0x04;
  if (fourCharacters(bareView, 12) === "VP8X") bare[20]! &= ~FLAGS_OF_SAID;
  return bare;
}

/** Critical chunks begin with a capital letter (PNG, section 5.4); of the others transparency alone is part of the picture. */
function pngParts(view: DataView): Uint8Array[] {
  const parts = [part(view, 0, 8)];
  for (let at = 8; at + 12 <= view.byteLength;) {
    const end = at + 12 + view.getUint32(at);
    const name = fourCharacters(view, at + 4);
    if (name === "tRNS" || name[0]! < "a") parts.push(part(view, at, end));
    at = end;
  }
  return parts;
}
