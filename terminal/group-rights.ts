import { type GroupOverview, refusalOf } from "@fastchat/client";
import { ErrorCode, errorRow } from "@fastchat/protocol";

/** What not everybody may do in every group. `turn-down`: who asks to be let in. */
export type Right = "add" | "remove" | "role" | "profile" | "policy" | "invite" | "turn-down";

export function mayDo(group: GroupOverview, right: Right): boolean {
  if (group.ended !== undefined) return false;
  if (right === "add") return group.mayAdd;
  if (right === "profile") return group.mayChangeProfile;
  return group.role === "admin";
}

/** Why one may not do it; undefined: one may. */
export function refusal(group: GroupOverview, right: Right): string | undefined {
  if (mayDo(group, right)) return undefined;
  if (group.ended !== undefined) return errorRow(ErrorCode.NOT_A_MEMBER).sentence;
  if (right === "turn-down") return "Only an admin can turn down who asks to join.";
  return refusalOf(right === "invite" ? "policy" : right, group.mayAdd);
}
