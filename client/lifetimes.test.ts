import { create, toBinary } from "@bufbuild/protobuf";
import { limits } from "@fastchat/protocol";
import { MessageContentSchema } from "@fastchat/protocol/wire/conversation";
import { expect, test } from "vitest";
import { StoredEntrySchema } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { checkedLifetime, endOf, erase, isErasable, lifetimeOf } from "./lifetimes.ts";
import { identityOf } from "./log-page.ts";

const sent = { sequence: 7, time: 1_000_000, lifetime: 60, mine: false };
const nobodyKnows = { from: 0, at: 0 };
const now = 9_000_000;

test("[H4] its sender counts from the time of the message, a reader from when it was read", () => {
  expect(endOf({ ...sent, mine: true }, { upTo: 0, moment: nobodyKnows, now })).toBe(1_060_000);
  expect(endOf(sent, { upTo: 6, moment: nobodyKnows, now })).toBe(0);
  expect(endOf(sent, { upTo: 7, moment: { from: 6, at: 5_000_000 }, now })).toBe(5_060_000);
});

test("[H4] who does not know when it was read keeps it no longer than anybody", () => {
  expect(endOf(sent, { upTo: 9, moment: nobodyKnows, now })).toBe(1_060_000);
  // Only what is newer than 7 was read then; this one was before, whenever that was.
  expect(endOf(sent, { upTo: 9, moment: { from: 7, at: 5_000_000 }, now })).toBe(1_060_000);
  // Nobody read it before it was sent, nor will have tomorrow.
  expect(endOf(sent, { upTo: 9, moment: { from: 6, at: 5 }, now })).toBe(1_060_000);
  expect(endOf(sent, { upTo: 9, moment: { from: 6, at: now + 86_400_000 }, now })).toBe(now + 60_000);
});

test("[H4] a lifetime that a member made up is a year at most, and one that a program asks for is refused", () => {
  expect([0, 1, 4_294_967_295].map((expiresAfter) => lifetimeOf({ expiresAfter }))).toEqual([0, 1, limits.messageLifetimeSeconds]);
  for (const wrong of [-1, 0.5, Number.NaN, limits.messageLifetimeSeconds + 1]) expect(() => checkedLifetime(wrong)).toThrow(RangeError);
});

test("[S2] [H4] what is deleted leaves nothing but by what it is known again, and warnings about the log", () => {
  const secret = "only for a minute";
  const content = (text: string) => create(MessageContentSchema, { counter: 3, kind: { case: "text", value: { text } } });
  const id = new Uint8Array(16).fill(9);
  const message = (text: string) => ({
    case: "message" as const,
    value: { clientMessageId: id, epoch: 1, content: toBinary(MessageContentSchema, content(text)), doubt: "none" },
  });
  const entry = create(StoredEntrySchema, {
    body: message(secret),
    notices: [
      { kind: "contradiction", text: "something was dropped" },
      { kind: "unreadable", text: "cannot be read" },
    ],
    others: [create(StoredEntrySchema, { body: message(secret) })],
  });
  erase(entry);
  expect(Buffer.from(toBinary(StoredEntrySchema, entry)).includes(secret)).toBe(false);
  expect(identityOf(entry)).toEqual({ id, counter: 3 });
  expect(entry.notices.map(({ kind }) => kind)).toEqual(["contradiction"]);
});

test("[H6] [H4] what a server lost is deleted beside a change of the conversation, which stays", () => {
  const content = toBinary(MessageContentSchema, create(MessageContentSchema, { counter: 1 }));
  const lost = create(StoredEntrySchema, { body: { case: "message", value: { content } } });
  const link = create(StoredEntrySchema, { body: { case: "link", value: {} }, others: [lost] });
  expect(isErasable(link)).toBe(true);
  erase(link);
  expect([link.body.case, link.others[0]!.body.case, isErasable(link)]).toEqual(["link", "erased", false]);
});
