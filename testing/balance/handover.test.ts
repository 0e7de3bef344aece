import { setTimeout as wait } from "node:timers/promises";
import { type ConversationId, ErrorCode } from "@fastchat/protocol";
import type { ServerFrame } from "@fastchat/protocol/wire/frames";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FrameProxy, type Person, person, type ProxiedConnection, startSystem, type System } from "../index.ts";

// What can come between while a client goes from one server to another; client/connection.ts tells the dance.

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 2 });
});
afterAll(() => system[Symbol.asyncDispose]());

interface Stage extends AsyncDisposable {
  readonly proxy: FrameProxy;
  /** Her frames pass the proxy. */
  readonly moved: Person;
  readonly other: Person;
  readonly conversation: ConversationId;
  /** What her connection became since it was staged. */
  readonly path: () => string[];
  /** Her socket at the beginning. */
  readonly old: ProxiedConnection;
}

async function stage(at: System, names: readonly [string, string]): Promise<Stage> {
  await using stack = new AsyncDisposableStack();
  const proxy = stack.use(await FrameProxy.start(at.gatewayUrl));
  const moved = stack.use(await person(at, names[0], { gateway: proxy.url }));
  const other = stack.use(await person(at, names[1]));
  const conversation = await moved.say(names[1], "first");
  await other.hears(names[0], "first");
  await other.say(names[0], "second");
  await moved.hears(names[1], "second");
  const since = moved.events.length;
  const path = () =>
    moved.events
      .slice(since)
      .flatMap((event) => (event.kind !== "connection" ? [] : event.connection.kind === "online" ? "online" : event.connection.kind));
  const [old] = proxy.connections;
  const owned = stack.move();
  return { proxy, moved, other, conversation, path, old: old!, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

const move = (connection: ProxiedConnection): void => connection.push({ case: "move", value: { avoid: [] } });
const others = async ({ other, moved }: Stage): Promise<string[]> =>
  (await other.texts(moved.name)).filter((text) => text.startsWith("number"));

/** Resolves with the first frame from the server for which this holds, which passes all the same. */
function passing(
  { proxy }: Stage,
  holds: (frame: ServerFrame, connection: ProxiedConnection) => boolean,
  keeps: (frame: ServerFrame, connection: ProxiedConnection) => boolean = () => false,
): Promise<ProxiedConnection> {
  return new Promise((resolve) => {
    proxy.script = {
      toClient: (frame, connection) => {
        // Behind the frame itself.
        if (holds(frame, connection)) setImmediate(resolve, connection);
        return keeps(frame, connection) ? undefined : frame;
      },
    };
  });
}

const isWelcome = ({ body }: ServerFrame): boolean => body.case === "welcome";

test("[D12] a client that is asked to move is welcomed elsewhere first, and closes the socket that it had", async () => {
  await using it = await stage(system, ["alice", "bob"]);
  const before = it.moved.client.connection;
  const welcomed = passing(it, isWelcome);
  move(it.old);
  await welcomed;
  await expect.poll(() => it.old.open).toBe(false);
  expect(it.path()).not.toContain("offline");
  expect(it.path().at(-1)).toBe("online");
  expect(it.moved.client.connection).not.toMatchObject({ server: (before as { server: string }).server });
  await it.other.say("alice", "number one");
  await it.moved.hears("bob", "number one");
});

test("[D12] where the gateway knows of no other server a client that is asked to move stays", async () => {
  await using alone = await startSystem({ servers: 1 });
  await using it = await stage(alone, ["alice", "bob"]);
  let tickets = 0;
  it.proxy.script = {
    posts: {
      "/v1/ticket": (ticket) => {
        tickets++;
        return ticket;
      },
    },
  };
  move(it.old);
  await expect.poll(() => tickets).toBe(1);
  await it.other.say("alice", "number one");
  await it.moved.hears("bob", "number one");
  expect([it.path(), it.proxy.connections.size, it.old.open]).toEqual([[], 1, true]);
  await alone.startServer();
  move(it.old);
  await expect.poll(() => it.old.open).toBe(false);
  expect(it.path()).not.toContain("offline");
  expect(it.path().at(-1)).toBe("online");
});

test("[D2] [D12] an answer that does not come in time is not waited for: what it was asked for is sent again, and stands there once", async () => {
  await using it = await stage(system, ["carol", "dave"]);
  const welcomed = passing(
    it,
    isWelcome,
    // The old server has it, and cannot say so.
    (frame, connection) => connection === it.old && (frame.body.case === "sent" || frame.body.case === "entries"),
  );
  await it.moved.client.send(it.conversation, "number one");
  await expect.poll(() => others(it)).toEqual(["number one"]);
  move(it.old);
  await welcomed;
  await it.moved.client.send(it.conversation, "number two");
  await it.moved.client.sent(it.conversation, AbortSignal.timeout(30_000));
  await expect.poll(() => others(it)).toEqual(["number one", "number two"]);
  expect(it.path()).toEqual(["connecting", "online"]);
});

test("[D3] [D12] what was refused on the old socket is not overtaken on the new one by what waited", async () => {
  await using it = await stage(system, ["erin", "frank"]);
  const refused = Promise.withResolvers<() => void>();
  const welcomed = Promise.withResolvers<void>();
  it.proxy.script = {
    toServer: (frame, connection) => {
      if (connection !== it.old || frame.body.case !== "send") return frame;
      refused.resolve(() =>
        connection.answer(frame, { case: "error", value: { code: ErrorCode.STALE_EPOCH, detail: "", retryAfterMs: 0 } }),
      );
      return undefined;
    },
    toClient: (frame, connection) => {
      if (connection !== it.old && isWelcome(frame)) setImmediate(welcomed.resolve);
      return frame;
    },
  };
  await it.moved.client.send(it.conversation, "number one");
  const refuse = await refused.promise;
  move(it.old);
  await welcomed.promise;
  await it.moved.client.sendAll(it.conversation, ["number two", "number three"]);
  // They come to wait for their turn meanwhile; should they not, the order is the same.
  await wait(100);
  refuse();
  await it.moved.client.sent(it.conversation, AbortSignal.timeout(30_000));
  await expect.poll(() => others(it)).toEqual(["number one", "number two", "number three"]);
  expect(it.path()).not.toContain("offline");
});

test("[D12] a server that ends in the middle of the handover leaves the client where it was, and it tries again", async () => {
  await using it = await stage(system, ["grace", "heidi"]);
  let held: (() => void) | undefined;
  let welcomes = 0;
  it.proxy.script = {
    toClient: (frame, connection) => {
      if (connection === it.old && frame.body.case === "sent" && held === undefined) {
        held = () => connection.pass(frame);
        return undefined;
      }
      if (connection !== it.old && isWelcome(frame) && ++welcomes === 1) setTimeout(() => connection.close(), 20);
      return frame;
    },
  };
  await it.moved.client.send(it.conversation, "number one");
  await expect.poll(() => held).toBeDefined();
  move(it.old);
  await expect.poll(() => welcomes).toBe(1);
  await it.moved.client.send(it.conversation, "number two");
  await expect.poll(() => welcomes).toBe(2);
  held!();
  await it.moved.client.sent(it.conversation, AbortSignal.timeout(30_000));
  await expect.poll(() => others(it)).toEqual(["number one", "number two"]);
  await expect.poll(() => it.old.open).toBe(false);
  expect(it.path()).not.toContain("offline");
});
