/**
 * The one door through which text of other people, and of servers, reaches a terminal: after it, nothing moves the cursor, changes
 * colours, titles or the clipboard, reorders what stands beside it, or hides. What is exact, and still harmless, is `safeJson`.
 */

/** What `safeText` never gives out: C0 but newline and tab, DEL, C1, and all that reorders. */
const CONTROLS = /(?![\n\t])\p{Cc}/gu;
const LINE_ENDS = /\r\n?|[\v\f\u0085\u2028\u2029]/gu;
/** Marks, embeddings, overrides and isolates of the bidirectional algorithm (Unicode UAX #9), which rarely matter and often deceive. */
const REORDERING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
/** Invisible code points that text needs: joiners (emoji, Persian), variation selectors. */
const INVISIBLE = /(?!\p{Join_Control}|\p{Variation_Selector})\p{Default_Ignorable_Code_Point}|[\ufff9-\ufffb]/gu;
/** Flags of regions are a black flag and tags: kept, as nothing else with tags is. */
const TAG_FLAG = /\u{1f3f4}[\u{e0020}-\u{e007e}]{1,8}\u{e007f}/gu;
/** A letter wears at most this many marks: more than any language needs, fewer than paint over the lines above. */
const MARKS = /(\p{M}{8})\p{M}+/gu;
const HARMLESS = /^[\n\t\u0020-\u007e]*$/u;

const DELETE = 0x7f;
const CONTROL_PICTURES = 0x2400;
const DELETE_PICTURE = "\u2421";
const REPLACEMENT = "\ufffd";

function picture(control: string): string {
  const code = control.charCodeAt(0);
  if (code === DELETE) return DELETE_PICTURE;
  return code < 0x20 ? String.fromCharCode(CONTROL_PICTURES + code) : REPLACEMENT;
}

function withoutInvisible(text: string): string {
  let clean = "";
  let from = 0;
  for (const flag of text.matchAll(TAG_FLAG)) {
    clean += text.slice(from, flag.index).replace(INVISIBLE, "") + flag[0];
    from = flag.index + flag[0].length;
  }
  return clean + text.slice(from).replace(INVISIBLE, "");
}

/** A message's text for a terminal: newline and tab stay, other controls become pictures (ESC is ␛). Idempotent. */
export function safeText(text: string): string {
  if (HARMLESS.test(text)) return text;
  const visible = text.toWellFormed().replace(LINE_ENDS, "\n").replace(CONTROLS, picture).replace(REORDERING, "");
  return withoutInvisible(visible).replace(MARKS, "$1");
}

/** The same on one line, for previews, titles and error sentences. */
export function safeLine(text: string): string {
  return safeText(text).replace(/[\n\t]+/gu, " ");
}

const LONGEST_NAME = 64;

/** A name: usernames are ASCII, so whatever else claims to be one is spelled out as \u{…}. */
export function safeName(text: string): string {
  const spelled = text.toWellFormed().replace(/[^\u0021-\u005b\u005d-\u007e]/gu, (other) => `\\u{${other.codePointAt(0)!.toString(16)}}`);
  return spelled.length > LONGEST_NAME ? `${spelled.slice(0, LONGEST_NAME - 1)}…` : spelled;
}

/** One line of JSON that gives every text back exactly, with what a terminal could act on as \uXXXX. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
