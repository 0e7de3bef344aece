/** Common file systems keep names of 255 bytes; some are left for " (2)" and for what a file is called until it is whole. */
const NAME_BYTES = 230;
const EXTENSION_LENGTH = 16;

/** Controls (escape sequences begin with one), whatever cannot be seen, and whatever reorders or breaks the line it stands in. */
const UNSEEN = /[\p{Cc}\p{Default_Ignorable_Code_Point}\u2028\u2029\ufff9-\ufffb]/gu;
/** Wide gaps push what matters, the extension, out of sight; the pattern of no dots of Braille looks like one. */
const SPACES = /[\p{Zs}\u2800]+/gu;
/** A letter wears at most this many marks: more than any language needs, fewer than paint over the lines above. */
const MARKS = /(\p{M}{8})\p{M}+/gu;
/** What Windows has a meaning for within a name. */
const RESERVED_CHARACTERS = /[<>:"|?*]/gu;
/** Names that are devices on Windows, whatever extension follows. */
const RESERVED_NAMES = /^(?:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]) *(?:\.|$)/iu;

const encoder = new TextEncoder();
const sizeOf = (text: string): number => encoder.encode(text).length;

/**
 * A name under which a file can be kept in a folder on Linux, macOS and Windows, and be shown: one part of a path, visible as it is. The
 * extension stays, for it says what will open the file; nothing here makes that harmless. Idempotent.
 */
export function safeFileName(name: string): string {
  const composed = name.toWellFormed().replace(UNSEEN, "").normalize("NFC");
  const last = composed
    .replace(MARKS, "$1")
    .replace(SPACES, " ")
    .split(/[/\\]/u)
    .map((part) => part.replace(/^[A-Za-z]:/u, "").replace(/^ +|[. ]+$/gu, ""))
    .findLast((part) => part !== "");
  if (last === undefined) return "file";
  // A leading dot would hide the file; a dash makes it an option of whatever is run on all files of a folder, and a tilde somebody's home.
  const visible = last.replace(RESERVED_CHARACTERS, "_").replace(/^[-.~]/u, "_");
  return shortened(RESERVED_NAMES.test(visible) ? `_${visible}` : visible);
}

function shortened(name: string): string {
  if (sizeOf(name) <= NAME_BYTES) return name;
  const { stem, extension } = partsOf(name);
  let bytes = NAME_BYTES - sizeOf(extension);
  let kept = "";
  for (const character of stem) {
    bytes -= sizeOf(character);
    if (bytes < 0) break;
    kept += character;
  }
  return `${kept.replace(/[. ]+$/u, "")}${extension}`;
}

function partsOf(name: string): { stem: string; extension: string } {
  const dot = name.lastIndexOf(".");
  return dot > 0 && name.length - dot <= EXTENSION_LENGTH
    ? { stem: name.slice(0, dot), extension: name.slice(dot) }
    : { stem: name, extension: "" };
}

const extensions: Readonly<Record<string, RegExp>> = {
  "image/jpeg": /^\.jpe?g$/iu,
  "image/webp": /^\.webp$/iu,
  "image/png": /^\.png$/iu,
};

/** A picture that was made anew may be of another type than the one it was made of: its name says the new one. */
export function nameForPicture(name: string, mediaType: string): string {
  const safe = safeFileName(name);
  const { stem, extension } = partsOf(safe);
  if (extensions[mediaType]?.test(extension) !== false) return safe;
  return safeFileName(`${stem}.${mediaType === "image/jpeg" ? "jpg" : mediaType.slice("image/".length)}`);
}
