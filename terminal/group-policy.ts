import { parseName } from "@fastchat/protocol";
import type { GroupPolicy, GroupPolicyChange } from "@fastchat/client";
import { lengthWords, readMoment } from "./durations.ts";
import { lifetimeValues, longestRetention, readLifetime } from "./lifetimes.ts";
import { safeLine } from "./safe-text.ts";

// A group's rules as people read and set them: `group policy --write admins`, and `/policy write admins`.

interface RuleWords {
  /** What it is about. */
  readonly means: string;
  /** What can be written for it, between bars; `takes`: the same for a sentence. */
  readonly values: string;
  readonly takes: string;
}

const who = { values: "admins|members", takes: "admins or members" } as const;

const entries = {
  add: { ...who, means: "who may add members" },
  write: { ...who, means: "who may write" },
  edit: { ...who, means: "who may change name, description and picture" },
  newcomers: {
    values: "nothing|everything|now|TIME",
    takes: "nothing, everything, now, or a time that has come, as 2026-11-20 or 2h",
    means: "what who is added reads of the time before",
  },
  retention: {
    values: "TIME|never",
    takes: lifetimeValues(longestRetention),
    means: "after which time messages are deleted",
  },
  public: {
    values: "NAME|none",
    takes: "a name as usernames are (a to z, digits, and single . _ - between them), or none",
    means: "a name that everybody on this server can read and ask to join by",
  },
  joining: { values: "at-once|asks", takes: "at-once or asks", means: "what becomes of who comes with an invitation" },
} as const satisfies Readonly<Record<string, RuleWords>>;

export type Rule = keyof typeof entries;

export const rules: Readonly<Record<Rule, RuleWords>> = entries;

export const isRule = (word: string): word is Rule => Object.hasOwn(rules, word);

export const ruleNames: readonly Rule[] = Object.keys(rules).filter(isRule);

/** How a rule stands, in a word or two. */
export function ruleWords(policy: GroupPolicy, rule: Rule): string {
  switch (rule) {
    case "add":
      return policy.mayAdd;
    case "write":
      return policy.mayWrite;
    case "edit":
      return policy.mayChangeProfile;
    case "newcomers": {
      const { newcomersRead } = policy;
      if (typeof newcomersRead === "object") return `since epoch ${newcomersRead.sinceEpoch}`;
      return newcomersRead === "everything" ? "everything" : "nothing";
    }
    case "retention":
      return policy.retentionSeconds === 0 ? "never" : `after ${lengthWords(policy.retentionSeconds)}`;
    case "public":
      return policy.publicName === "" ? "none" : safeLine(policy.publicName);
    case "joining":
      return policy.joining;
    default:
      return rule satisfies never;
  }
}

const isWho = (word: string): word is "admins" | "members" => word === "admins" || word === "members";

/** What setting a rule to a value changes, in any letter case; undefined: it does not take that (`takes` says what it does). */
export function ruleChange(rule: Rule, value: string, now: number): GroupPolicyChange | undefined {
  const word = value.toLowerCase();
  switch (rule) {
    case "add":
      return isWho(word) ? { mayAdd: word } : undefined;
    case "write":
      return isWho(word) ? { mayWrite: word } : undefined;
    case "edit":
      return isWho(word) ? { mayChangeProfile: word } : undefined;
    case "newcomers": {
      if (word === "nothing") return { newcomersRead: "nothing-older" };
      if (word === "everything" || word === "now") return { newcomersRead: word };
      const since = readMoment(word, now);
      return since === undefined || since > now ? undefined : { newcomersRead: { since } };
    }
    case "retention": {
      const retentionSeconds = readLifetime(word, longestRetention);
      return retentionSeconds === undefined ? undefined : { retentionSeconds };
    }
    case "public": {
      if (word === "none") return { publicName: "" };
      const parsed = parseName(value);
      return parsed.kind === "valid" ? { publicName: parsed.name } : undefined;
    }
    case "joining":
      return word === "at-once" || word === "asks" ? { joining: word } : undefined;
    default:
      return rule satisfies never;
  }
}

/** What a policy allows: a sentence for each rule. */
export function policyLines(policy: GroupPolicy): readonly string[] {
  const { mayAdd, mayWrite, mayChangeProfile, retentionSeconds, publicName, joining } = policy;
  return [
    mayAdd === "admins" ? "Only admins add members." : "Every member adds others; only admins remove them.",
    mayWrite === "admins" ? "Only admins write." : "Every member writes.",
    `${mayChangeProfile === "admins" ? "Only admins change" : "Every member changes"} name, description and picture.`,
    `Newcomers read ${newcomersWords(policy)}.`,
    retentionSeconds === 0 ? "Messages are kept." : `Messages are deleted after ${lengthWords(retentionSeconds)}.`,
    publicName === ""
      ? "No public name: only who has an invitation can ask to join."
      : `Public name "${safeLine(publicName)}": everybody on this server can find it and ask to join.`,
    `Who comes with an invitation is ${joining === "at-once" ? "let in at once" : "let in when an admin approves"}.`,
  ];
}

function newcomersWords({ newcomersRead }: GroupPolicy): string {
  if (newcomersRead === "nothing-older") return "nothing that was written before them";
  if (newcomersRead === "everything") return "everything that was written before them";
  return `what was written since epoch ${newcomersRead.sinceEpoch}`;
}
