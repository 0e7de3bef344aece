import type { Workload } from "./workloads.ts";

/** Who writes to whom. */
export interface Layout {
  readonly conversations: readonly { readonly kind: "direct" | "group"; readonly members: readonly number[] }[];
  /** Numbers of those who do not connect at the beginning. */
  readonly away: ReadonlySet<number>;
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

/** Every second one with the one before; who is left over talks with the first. */
const pairsOf = (people: number): Layout["conversations"] =>
  numbers(0, Math.ceil(people / 2)).map((pair) => ({
    kind: "direct",
    members: 2 * pair + 1 < people ? [2 * pair, 2 * pair + 1] : [2 * pair, 0],
  }));

/** As many whole groups as there are people for, one at least; who is left over belongs to the last. */
function groupsOf(people: number, size: number): Layout["conversations"] {
  const count = Math.max(1, Math.floor(people / size));
  return numbers(0, count).map((group) => ({
    kind: "group",
    members: numbers(group * size, group === count - 1 ? people : (group + 1) * size),
  }));
}

/** The conversations of a workload for so many people. */
export function layoutOf(workload: Workload, people: number, groupSize: number): Layout {
  const nobody = new Set<number>();
  switch (workload) {
    case "pairs":
    case "pictures":
    case "churn":
    case "reconnect":
      return { conversations: pairsOf(people), away: nobody };
    case "all-to-one":
      return { conversations: numbers(1, people).map((other) => ({ kind: "direct", members: [other, 0] })), away: nobody };
    case "all-to-all":
      return { conversations: groupsOf(people, groupSize), away: nobody };
    case "mix":
      return { conversations: [...pairsOf(people), ...groupsOf(people, groupSize)], away: nobody };
    case "offline":
      return { conversations: pairsOf(people), away: new Set(numbers(0, people).filter((number) => number % 2 === 1)) };
    case "sign-ins":
      return { conversations: [], away: nobody };
    case "idle":
      return { conversations: [], away: new Set(numbers(0, people)) };
    default:
      return workload satisfies never;
  }
}

/** To whom each writes: to all they are in, but for the one who is written to by all. */
export function writesTo(
  workload: Workload,
  conversations: readonly { readonly members: readonly number[] }[],
  people: number,
): readonly (readonly number[])[] {
  const places: number[][] = numbers(0, people).map(() => []);
  for (const [place, { members }] of conversations.entries())
    for (const member of workload === "all-to-one" ? members.slice(0, 1) : members) places[member]!.push(place);
  return places;
}
