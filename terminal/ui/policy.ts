import { parseName } from "@fastchat/protocol";
import type { GroupPolicy, GroupPolicyChange } from "@fastchat/client";
import { lengthWords, readMoment } from "../durations.ts";
import { safeLine } from "../safe-text.ts";

// A group's rules as people read and set them: "/policy write admins".

export const rules = {
  add: { values: "admins | members", means: "who may add members" },
  write: { values: "admins | members", means: "who may write" },
  edit: { values: "admins | members", means: "who may rename and describe it" },
  newcomers: { values: "nothing | everything | now | TIME", means: "what they see of the past" },
  retention: { values: "TIME | never", means: "when messages are deleted" },
  public: { values: "none | NAME (as a username: a to z, digits, . _ -)", means: "name others here find it by" },
  joining: { values: "at-once | asks", means: "what an invitation does" },
} as const;

export type Rule = keyof typeof rules;

export const isRule = (word: string): word is Rule => Object.hasOwn(rules, word);

/** How a rule stands. */
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
      if (typeof newcomersRead === "object") return `since key ${newcomersRead.sinceEpoch}`;
      return newcomersRead === "everything" ? "everything" : "nothing";
    }
    case "retention":
      return policy.retentionSeconds === 0 ? "never" : `after ${lengthWords(policy.retentionSeconds)}`;
    case "public":
      return policy.publicName === "" ? "none" : safeLine(policy.publicName);
    case "joining":
      return policy.joining === "at-once" ? "at-once" : "asks";
    default:
      return rule satisfies never;
  }
}

const isWho = (value: string): value is "admins" | "members" => value === "admins" || value === "members";

/** What setting a rule to a value changes; undefined: it has no such value. */
export function ruleChange(rule: Rule, value: string, now: number): GroupPolicyChange | undefined {
  switch (rule) {
    case "add":
      return isWho(value) ? { mayAdd: value } : undefined;
    case "write":
      return isWho(value) ? { mayWrite: value } : undefined;
    case "edit":
      return isWho(value) ? { mayChangeProfile: value } : undefined;
    case "newcomers": {
      if (value === "nothing") return { newcomersRead: "nothing-older" };
      if (value === "everything" || value === "now") return { newcomersRead: value };
      const since = readMoment(value, now);
      return since === undefined ? undefined : { newcomersRead: { since } };
    }
    case "retention": {
      if (value === "never") return { retentionSeconds: 0 };
      const since = /[a-z]$/u.test(value) ? readMoment(value, now) : undefined;
      const seconds = since === undefined ? 0 : Math.round((now - since) / 1_000);
      return seconds > 0 ? { retentionSeconds: seconds } : undefined;
    }
    case "public": {
      if (value === "none") return { publicName: "" };
      const parsed = parseName(value);
      return parsed.kind === "valid" ? { publicName: parsed.name } : undefined;
    }
    case "joining":
      return value === "at-once" || value === "asks" ? { joining: value } : undefined;
    default:
      return rule satisfies never;
  }
}
