import type { ArgsDef } from "citty";
import type { GroupInfo, GroupSummary } from "@fastchat/client";
import { ErrorCode, FastChatError } from "@fastchat/protocol";
import { Failure, exitCodes } from "../../failure.ts";
import { type Right, refusal } from "../../group-rights.ts";
import { needOnline } from "../../place.ts";
import { safeLine } from "../../safe-text.ts";
import { catchUp } from "../catch-up.ts";
import type { Command, Definition } from "../command.ts";
import { groupWith } from "../destination.ts";
import { showSealing } from "../sealing.ts";
import { type SignedInContext, signedInCommand } from "../signed-in-command.ts";
import { nameList } from "../words.ts";

export interface GroupContext extends SignedInContext {
  readonly group: GroupSummary;
  /** Of the group, made safe. */
  readonly title: string;
  /** The words behind the group's name. */
  readonly rest: readonly string[];
}

const groupArgument = { group: { type: "positional", required: true, description: "Which group" } } as const;

interface More {
  /** How long to wait, unless it is said; "10s". */
  readonly timeout?: string;
}

/** A command that needs a connection. */
export function connectedCommand<const Args extends ArgsDef>({ run, ...definition }: Definition<Args, SignedInContext> & More): Command {
  return signedInCommand({
    timeout: "10s",
    ...definition,
    waitsFor: "nothing",
    async run(context, given) {
      const { client, patience } = context;
      await needOnline(client, patience);
      using _ = showSealing(client);
      return await run(context, given);
    },
  });
}

/** A command about one group, whose name is its first word. */
export function groupCommand<const Args extends ArgsDef>({ args, run, ...definition }: Definition<Args, GroupContext> & More): Command {
  return connectedCommand({
    ...definition,
    args: { ...groupArgument, ...args },
    async run(context, given) {
      const { client, patience, output, words } = context;
      await catchUp(client, patience, output);
      const group = await groupWith(client, words[0]!);
      const more = { group, title: safeLine(group.title), rest: words.slice(1) };
      return run({ ...context, ...more }, given as unknown as Parameters<typeof run>[1]);
    },
  });
}

/** NAME…, each once. */
export const namesIn = (words: readonly string[]): readonly string[] => [...new Set(words.map((word) => word.toLowerCase()))];

/** Throws Failure when the group is known by no more than its name. */
export async function infoOf({ client, group }: Pick<GroupContext, "client" | "group">): Promise<GroupInfo> {
  const info = await client.groups.info(group.id);
  if (info === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
  return info;
}

/** Throws Failure when somebody of them is not in the group. */
export async function needMembers(context: Pick<GroupContext, "client" | "group" | "title">, names: readonly string[]): Promise<void> {
  const { members } = await infoOf(context);
  const known = new Set(members.map(({ person }) => person.name));
  const strange = names.filter((name) => !known.has(name));
  if (strange.length === 0) return;
  const are = strange.length === 1 ? "is" : "are";
  throw new Failure(exitCodes.refused, "not-in-group", `${nameList(strange)} ${are} not in ${context.title}: nothing was changed.`);
}

/** Throws FastChatError when the policy or one's role does not allow it. */
export function needRight({ group: { group } }: Pick<GroupContext, "group">, right: Right): void {
  if (group.ended !== undefined) throw new FastChatError(ErrorCode.NOT_A_MEMBER);
  const sentence = refusal(group, right);
  if (sentence !== undefined) throw new FastChatError(ErrorCode.FORBIDDEN, { sentence });
}
