import { toBinary, create } from "@bufbuild/protobuf";
import { ErrorCode } from "@fastchat/protocol";
import { SignInStartSchema } from "@fastchat/protocol/wire/gateway";
import { expect, test } from "vitest";
import { codeOf } from "../test-client.ts";
import { readBody } from "./body.ts";

test("of a body only the fields that are known are kept", () => {
  const known = toBinary(SignInStartSchema, create(SignInStartSchema, { name: "alice" }));
  // Field 15, a number, which takes two bytes and would become an object.
  const unknown = Buffer.alloc(2_000).map((_, index) => (index % 2 === 0 ? 15 << 3 : 1));
  const body = readBody(SignInStartSchema, Buffer.concat([known, unknown]));
  expect(body.name).toBe("alice");
  expect(body.$unknown).toBe(undefined);
});

test("what is no message of the schema, or no bytes at all, is malformed", async () => {
  for (const body of [undefined, "text", Buffer.from([0x0a, 0xff])]) {
    expect(await codeOf((async () => readBody(SignInStartSchema, body))())).toBe(ErrorCode.MALFORMED);
  }
});
