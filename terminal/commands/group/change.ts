import type { GroupContext } from "./group-command.ts";
import { placeObject } from "../shapes.ts";

export type GroupChange =
  | "added"
  | "removed"
  | "promoted"
  | "demoted"
  | "renamed"
  | "described"
  | "picture"
  | "left"
  | "approved"
  | "rejected"
  | "invitation-revoked";

/** Says what was changed; `people`: who it is about. */
export async function printChange(
  { output, group }: Pick<GroupContext, "output" | "group">,
  change: GroupChange,
  sentence: string,
  people: readonly string[] = [],
): Promise<void> {
  await output.print({ type: "group-changed", change, ...placeObject(group), people }, sentence);
}
