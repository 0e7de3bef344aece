import { create, toBinary } from "@bufbuild/protobuf";
import type { ConversationId } from "@fastchat/protocol";
import { random, toHex } from "@fastchat/protocol/seal";
import { MessageContentSchema } from "@fastchat/protocol/wire/conversation";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TemporaryFolder } from "../testing/index.ts";
import { ConversationSchema, type StoredEntry, StoredEntrySchema } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { LogCheck, type LogDraft } from "./log-check.ts";
import { keys, put, schemas } from "./records.ts";
import { openSqliteStorage } from "./storage-sqlite.ts";
import type { Storage } from "./storage.ts";

const device = random(32);

const messageWith = (counter: number, id = random(16)): StoredEntry =>
  create(StoredEntrySchema, {
    account: random(32),
    device,
    body: {
      case: "message",
      value: { clientMessageId: id, epoch: 1, content: toBinary(MessageContentSchema, create(MessageContentSchema, { counter })) },
    },
  });

const draftOf = (stored: ReadonlyMap<number, StoredEntry>, record: LogDraft["record"]): LogDraft => ({
  record,
  stored: new Map(stored),
  changes: [],
  places: [],
  links: new Map(),
  keys: new Map(),
  done: [],
  evidence: new Map(),
  ownIds: [],
  withdrawn: [],
});

test("[S2] quadratic reading: the log is looked through once for a device that writes under one counter, and its notices stay right", async () => {
  using folder = new TemporaryFolder();
  const storage = openSqliteStorage(join(folder.path, "profile"));
  let looks = 0;
  const counted: Storage = new Proxy(storage, {
    get: (target, name) => {
      if (name === "range") looks++;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  try {
    const conversation = toHex(random(32)) as ConversationId;
    const check = new LogCheck(counted, conversation, toHex(random(32)) as never, () => Promise.resolve("mallory"));
    const record = create(ConversationSchema, { low: 1 });
    const repeated = random(16);
    const kinds: string[] = [];
    for (let sequence = 1; sequence <= 60; sequence++) {
      const id = sequence === 5 || sequence === 50 ? repeated : random(16);
      const draft = draftOf(new Map([[sequence, messageWith(sequence === 40 ? 7 : 1, id)]]), record);
      await check.counters(draft, [sequence], "forward");
      const entry = draft.stored.get(sequence)!;
      kinds.push(entry.notices[0]?.kind ?? entry.body.case ?? "");
      await storage.commit([put(keys.entry(conversation, sequence), schemas.entry, entry)]);
    }
    expect(looks).toBe(1);
    expect([kinds[0], kinds[1], kinds[39], kinds[49]]).toEqual(["message", "device-runs-twice", "message", "duplicate"]);
    expect(new Set(kinds.slice(1, 39))).toEqual(new Set(["device-runs-twice"]));
  } finally {
    await storage.close();
  }
});
