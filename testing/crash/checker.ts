/** One message as a profile shows it. */
export interface Shown {
  readonly sequence: number;
  readonly id: string;
  /** Name of the author. */
  readonly from: string;
  readonly text: string;
}

/** What one side of a conversation saw and did, over all lives of its process. */
export interface SideLog {
  readonly name: string;
  /** Messages that the client took (its `send` resolved), in this order. */
  readonly accepted: readonly { readonly id: string; readonly text: string }[];
  /** Acknowledgements that reached the program, in this order. */
  readonly acknowledged: readonly { readonly id: string; readonly sequence: number }[];
  /** Messages of the other side as they reached the program, in this order. */
  readonly arrived: readonly { readonly id: string; readonly sequence: number }[];
  /** The conversation as the profile shows it at the end. */
  readonly shown: readonly Shown[];
  /** Messages at the end that are still queued or were given up. */
  readonly unsent: readonly { readonly id: string; readonly status: string }[];
  /** Notices at the end that say something is missing, unreadable or contradictory. */
  readonly complaints: readonly string[];
}

export type Fault =
  /** Taken or acknowledged, and not shown by this side. */
  | { readonly kind: "lost"; readonly at: string; readonly id: string; readonly from: string }
  | { readonly kind: "doubled"; readonly at: string; readonly id: string; readonly text: string }
  /** Shown, and nobody wrote it. */
  | { readonly kind: "invented"; readonly at: string; readonly id: string }
  | { readonly kind: "changed"; readonly at: string; readonly id: string }
  /** Not in the order in which its author wrote. */
  | { readonly kind: "disordered"; readonly at: string; readonly from: string; readonly id: string }
  /** The two sides show something else at the same place. */
  | { readonly kind: "different"; readonly place: number }
  /** Acknowledged for one place, shown at another. */
  | { readonly kind: "moved"; readonly at: string; readonly id: string; readonly acknowledged: number; readonly shown: number | undefined }
  | { readonly kind: "arrived-out-of-order"; readonly at: string; readonly sequence: number; readonly after: number }
  | { readonly kind: "arrived-twice"; readonly at: string; readonly id: string }
  | { readonly kind: "unsent"; readonly at: string; readonly id: string; readonly status: string }
  | { readonly kind: "complaint"; readonly at: string; readonly text: string };

/**
 * Judges a conversation after everything has calmed down: each message that was taken is shown exactly once by both sides, in the
 * order of its author, at one place on which both agree, which is the acknowledged one; it arrived once and in order; nothing is
 * unreadable, missing or invented.
 */
export function checkConversation(one: SideLog, other: SideLog): Fault[] {
  const authors = [one, other];
  const written = new Map(authors.flatMap((author) => author.accepted.map(({ id, text }) => [id, { from: author.name, text }] as const)));
  const faults: Fault[] = [];
  for (const side of authors) {
    faults.push(...checkShown(side, authors, written));
    faults.push(...checkArrivals(side));
    for (const { id, status } of side.unsent) faults.push({ kind: "unsent", at: side.name, id, status });
    for (const text of side.complaints) faults.push({ kind: "complaint", at: side.name, text });
  }
  const places = Math.max(one.shown.length, other.shown.length);
  for (let place = 0; place < places; place++) {
    const [left, right] = [one.shown[place], other.shown[place]];
    if (left?.id !== right?.id || left?.sequence !== right?.sequence || left?.from !== right?.from || left?.text !== right?.text) {
      faults.push({ kind: "different", place });
      break;
    }
  }
  return faults;
}

function checkShown(
  side: SideLog,
  authors: readonly SideLog[],
  written: ReadonlyMap<string, { readonly from: string; readonly text: string }>,
): Fault[] {
  const faults: Fault[] = [];
  const at = side.name;
  const places = new Map<string, number>();
  const texts = new Set<string>();
  let highest = 0;
  for (const { id, sequence, from, text } of side.shown) {
    // A second copy under a new id is a double all the same: every text of a run is different.
    if (places.has(id) || texts.has(text)) faults.push({ kind: "doubled", at, id, text });
    const known = written.get(id);
    if (known === undefined) faults.push({ kind: "invented", at, id });
    else if (known.from !== from || known.text !== text) faults.push({ kind: "changed", at, id });
    if (sequence <= highest) faults.push({ kind: "disordered", at, from, id });
    highest = Math.max(highest, sequence);
    if (!places.has(id)) places.set(id, sequence);
    texts.add(text);
  }
  for (const author of authors) {
    let last = 0;
    for (const { id } of author.accepted) {
      const place = places.get(id);
      if (place === undefined) faults.push({ kind: "lost", at, id, from: author.name });
      else if (place < last) faults.push({ kind: "disordered", at, from: author.name, id });
      last = Math.max(last, place ?? 0);
    }
    for (const { id, sequence } of author.acknowledged) {
      const shown = places.get(id);
      if (shown !== sequence) faults.push({ kind: "moved", at, id, acknowledged: sequence, shown });
    }
  }
  return faults;
}

function checkArrivals(side: SideLog): Fault[] {
  const faults: Fault[] = [];
  const seen = new Set<string>();
  let after = 0;
  for (const { id, sequence } of side.arrived) {
    if (seen.has(id)) faults.push({ kind: "arrived-twice", at: side.name, id });
    else if (sequence <= after) faults.push({ kind: "arrived-out-of-order", at: side.name, sequence, after });
    seen.add(id);
    after = Math.max(after, sequence);
  }
  return faults;
}

/** Faults by kind, for a report. */
export function countFaults(faults: readonly Fault[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of faults) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
