import type { GroupPolicyChange } from "@fastchat/client";
import { parseDuration, readMoment } from "../../durations.ts";
import { usage } from "../../failure.ts";
import { placeObject } from "../shapes.ts";
import { groupCommand, infoOf, oneOf } from "./group-command.ts";
import { policyLines } from "./policy-words.ts";

const who = { type: "string", valueHint: "admins|members" } as const;

export const policy = groupCommand({
  name: "policy",
  description: "What members of a group may do; without options it shows that",
  example: '"Chess club" --write admins',
  args: {
    add: { ...who, description: "Who adds members" },
    write: { ...who, description: "Who writes" },
    edit: { ...who, description: "Who changes name, description and picture" },
    newcomers: { type: "string", valueHint: "nothing|everything|now|TIME", description: "What who is added reads of the time before" },
    retention: { type: "string", valueHint: "TIME|never", description: "After which time messages are deleted, as 30d" },
    public: { type: "string", valueHint: "NAME|none", description: "A name that everybody on this server can read and ask to join by" },
    joining: { type: "string", valueHint: "at-once|asks", description: "What becomes of who comes with an invitation" },
  },
  async run(context, args) {
    const { client, output, group } = context;
    const change = changeOf(args);
    if (Object.keys(change).length > 0) await client.groups.setPolicy(group.id, change);
    if (change.publicName !== undefined && change.publicName !== "") {
      output.remark(
        `The public name "${change.publicName}" can be read by the server and by everybody on it; the group's own name still cannot.`,
      );
    }
    const found = (await infoOf(context)).policy;
    await output.print({ type: "group-policy", ...placeObject(group), ...found }, policyLines(found).join("\n"));
  },
});

interface Given {
  readonly add?: string | undefined;
  readonly write?: string | undefined;
  readonly edit?: string | undefined;
  readonly newcomers?: string | undefined;
  readonly retention?: string | undefined;
  readonly public?: string | undefined;
  readonly joining?: string | undefined;
}

const WHO = ["admins", "members"] as const;

function changeOf({ add, write, edit, newcomers, retention, public: publicName, joining }: Given): GroupPolicyChange {
  return {
    ...(add !== undefined && { mayAdd: oneOf(add, "add", WHO) }),
    ...(write !== undefined && { mayWrite: oneOf(write, "write", WHO) }),
    ...(edit !== undefined && { mayChangeProfile: oneOf(edit, "edit", WHO) }),
    ...(newcomers !== undefined && { newcomersRead: newcomersRead(newcomers) }),
    ...(retention !== undefined && { retentionSeconds: retentionSeconds(retention) }),
    ...(publicName !== undefined && { publicName: publicName === "none" ? "" : publicName }),
    ...(joining !== undefined && { joining: oneOf(joining, "joining", ["at-once", "asks"]) }),
  };
}

function newcomersRead(text: string): NonNullable<GroupPolicyChange["newcomersRead"]> {
  if (text === "nothing") return "nothing-older";
  if (text === "everything" || text === "now") return text;
  const now = Date.now();
  const since = readMoment(text, now);
  if (since === undefined) throw usage(`--newcomers is "${text}": write nothing, everything, now, or a time as 2026-11-20 or 2h.`);
  if (since > now) throw usage(`--newcomers is "${text}", which has not come yet: write an earlier time, or now.`);
  return { since };
}

/** The largest that the policy can hold. */
const LONGEST_RETENTION_SECONDS = 0xffff_ffff;

function retentionSeconds(text: string): number {
  if (text === "never") return 0;
  const seconds = Math.round(parseDuration(text, "retention") / 1_000);
  if (seconds < 1 || seconds > LONGEST_RETENTION_SECONDS)
    throw usage(`--retention is "${text}": write a time from 1s on, as 30d, or never.`);
  return seconds;
}
