import type { ConversationSummary, DirectSummary, GroupSummary, Person } from "@fastchat/client";
import type { AccountId, ConversationId } from "@fastchat/protocol";
import { expect, test } from "vitest";
import { Failure } from "../failure.ts";
import { type Known, meaningOf, requestMeant } from "./destination.ts";

const base = {
  unread: 0,
  mentions: 0,
  head: 0,
  oldest: 1,
  readUpTo: 0,
  last: undefined,
  draft: "",
  typing: [],
  time: 0,
  blocked: "none",
  mute: "none",
  retentionSeconds: 0,
  timerSeconds: 0,
  pinnedAt: undefined,
  request: false,
} as const;

const idOf = (start: string): ConversationId => start.padEnd(64, "0") as ConversationId;

function direct(name: string): DirectSummary {
  const peer: Person = {
    name,
    account: name as AccountId,
    online: false,
    lastSeen: undefined,
    verification: "not-verified",
    contact: true,
    note: "",
    blocked: false,
  };
  return { ...base, kind: "direct", id: idOf(Buffer.from(name).toString("hex")), title: name, peer };
}

function group(name: string, id: string, isIn = true): GroupSummary {
  const overview = {
    name,
    description: "",
    memberCount: 3,
    joinRequests: 0,
    mayWrite: isIn,
    mayAdd: false,
    addedBy: "alice",
    mayChangeProfile: false,
    role: isIn ? ("member" as const) : undefined,
    ended: isIn ? undefined : { how: "left" as const, by: "alice" },
  };
  return { ...base, kind: "group", id: idOf(id), title: name, group: overview };
}

const known = (conversations: readonly ConversationSummary[], requests: readonly ConversationSummary[] = []): Known => ({
  conversations,
  requests,
});

/** What is found: the id's beginning, a person's name, or the kind of what is not found. */
function found(to: string, where: Known): string {
  const meaning = meaningOf(to, where);
  if (meaning.kind === "conversation" || meaning.kind === "group-or-contact")
    return meaning.conversation.kind === "group" ? meaning.conversation.id.slice(0, 8) : meaning.conversation.peer.name;
  return meaning.kind === "person" ? `${meaning.name}?` : meaning.kind;
}

function refused(to: string, where: Known): string {
  try {
    meaningOf(to, where);
  } catch (error) {
    if (error instanceof Failure && error.code === "ambiguous" && error.exit === 2) return error.message;
    throw error;
  }
  throw new Error(`"${to}" was not refused`);
}

test("a word means the group of that name in any letter case, else the person", () => {
  const where = known([direct("bob"), group("Chess Club", "aaaaaaaa1")]);
  expect(
    ["chess club", "CHESS CLUB", "group:Chess club", "GROUP:aaaaaaaa", "bob", "Bob", "person:BOB"].map((to) => found(to, where)),
  ).toEqual(["aaaaaaaa", "aaaaaaaa", "aaaaaaaa", "aaaaaaaa", "bob", "bob", "bob"]);
  expect(["carol", "person:Carol", "Bridge club", "group:bob", "group:aaaaaaa", "aaaaaaaa"].map((to) => found(to, where))).toEqual([
    "carol?",
    "carol?",
    "nobody",
    "no-such-group",
    "no-such-group",
    "aaaaaaaa?",
  ]);
});

test("a name that a person and a group have is refused, with what to write", () => {
  const where = known([direct("chess"), group("Chess", "aaaaaaaa")]);
  expect(refused("chess", where)).toBe('"chess" is the name of a person and of a group: write person:chess or group:chess.');
  expect(found("person:chess", where)).toBe("chess");
  expect(found("group:chess", where)).toBe("aaaaaaaa");
  expect(found("chess", known([direct("chess"), group("Chess", "aaaaaaaa", false)]))).toBe("chess");
});

test("a group by a name that a contact without a conversation could have is looked at once more", () => {
  expect(meaningOf("Chess", known([group("Chess", "aaaaaaaa")]))).toMatchObject({ kind: "group-or-contact", name: "chess" });
  expect(meaningOf("Chess club", known([group("Chess club", "aaaaaaaa")]))).toMatchObject({ kind: "conversation" });
});

test("two groups of one name are refused with ids that tell them apart", () => {
  const where = known([group("Chess", "aaaaaaaa1"), group("chess", "aaaaaaaa2")]);
  expect(refused("Chess", where)).toBe(
    '2 groups could be meant by "Chess": write group:aaaaaaaa1 (3 members) or group:aaaaaaaa2 (3 members).',
  );
  expect(refused("group:aaaaaaaa", where)).toContain("group:aaaaaaaa1");
  expect(found("group:aaaaaaaa2", where)).toBe("aaaaaaaa");
  expect(found("Chess", known([group("Chess", "aaaaaaaa"), group("Chess", "bbbbbbbb", false)]))).toBe("aaaaaaaa");
});

test("no stranger takes the place of a person or of a group by a name", () => {
  const stranger = group("Chess", "eeeeeeee");
  expect(found("chess", known([], [stranger]))).toBe("chess?");
  expect(found("chess", known([direct("chess")], [stranger]))).toBe("chess");
  expect(found("chess", known([group("Chess", "aaaaaaaa")], [stranger]))).toBe("aaaaaaaa");
  expect(found("group:chess", known([group("Chess", "aaaaaaaa")], [stranger]))).toBe("aaaaaaaa");
  expect(found("group:chess", known([], [stranger]))).toBe("eeeeeeee");
  expect(found("Chess club", known([], [group("Chess club", "eeeeeeee")]))).toBe("eeeeeeee");
  // A group that is called like the id of another.
  const trap = group("aaaaaaaa", "eeeeeeee");
  expect(refused("group:aaaaaaaa", known([group("Chess", "aaaaaaaa"), trap]))).toContain("write group:aaaaaaaa");
  expect(found(`group:${idOf("aaaaaaaa")}`, known([group("Chess", "aaaaaaaa"), group(idOf("aaaaaaaa"), "eeeeeeee")]))).toBe("aaaaaaaa");
});

test("a request is meant by who began it, or by the group's name or id", () => {
  const requests = [direct("bob"), group("Chess", "eeeeeeee"), group("bob", "ffffffff")];
  const named = (to: string): string | undefined => requestMeant(to, requests)?.id.slice(0, 8);
  expect([named("chess"), named("group:eeeeeeee"), named("group:bob"), named("person:bob"), named("carol")]).toEqual([
    "eeeeeeee",
    "eeeeeeee",
    "ffffffff",
    direct("bob").id.slice(0, 8),
    undefined,
  ]);
  expect(() => named("bob")).toThrow("write person:bob or group:bob");
});
