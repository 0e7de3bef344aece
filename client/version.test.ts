import { ErrorCode, errorRow } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { changedClientFrame, FrameProxy, person, type Script, startSystem, type System } from "../testing/index.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

const ways: readonly (readonly [string, string, Script])[] = [
  [
    "an answer",
    "alice",
    {
      toServer: (frame, connection) => {
        if (frame.body.case !== "hello") return frame;
        connection.answer(frame, { case: "error", value: { code: ErrorCode.VERSION_TOO_OLD } });
        return undefined;
      },
    },
  ],
  [
    "a server that knows none of its versions",
    "bob",
    {
      toServer: (frame) =>
        frame.body.case === "hello" ? changedClientFrame(frame, { case: "hello", value: { ...frame.body.value, versions: [0] } }) : frame,
    },
  ],
];

test.each(ways)("[W2] a client that is told by %s that it is too old says to update, and tries no more", async (_way, name, script) => {
  let hellos = 0;
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  proxy.script = {
    ...script,
    toServer: (frame, connection) => {
      if (frame.body.case === "hello") hellos++;
      return script.toServer!(frame, connection);
    },
  };
  await using somebody = await person(system, name);
  await somebody.reopen(proxy.url);
  await expect.poll(() => somebody.client.connection.kind).toBe("ended");
  const { sentence } = errorRow(ErrorCode.VERSION_TOO_OLD);
  expect(sentence).toMatch(/update FastChat/);
  expect(somebody.client.connection).toEqual({ kind: "ended", code: ErrorCode.VERSION_TOO_OLD, sentence });
  expect(hellos).toBe(1);
});
