import type { GroupPolicyChange } from "@fastchat/client";
import { usage } from "../../failure.ts";
import { type Rule, policyLines, ruleChange, ruleNames, rules } from "../../group-policy.ts";
import { placeObject } from "../shapes.ts";
import { groupCommand, infoOf } from "./group-command.ts";

const optionOf = (rule: Rule) => {
  const { means, values } = rules[rule];
  return { type: "string", valueHint: values, description: `${means.charAt(0).toUpperCase()}${means.slice(1)}` } as const;
};

const options = Object.fromEntries(ruleNames.map((rule) => [rule, optionOf(rule)])) as Record<Rule, ReturnType<typeof optionOf>>;

export const policy = groupCommand({
  name: "policy",
  description: "What members of a group may do; without options it shows that",
  example: '"Chess club" --write admins',
  args: options,
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

/** Throws Failure. */
function changeOf(given: Readonly<Record<Rule, string | undefined>>): GroupPolicyChange {
  const now = Date.now();
  let all: GroupPolicyChange = {};
  for (const rule of ruleNames) {
    const value = given[rule];
    if (value === undefined) continue;
    const change = ruleChange(rule, value, now);
    if (change === undefined) throw usage(`--${rule} is "${value}": write ${rules[rule].takes}.`);
    all = { ...all, ...change };
  }
  return all;
}
