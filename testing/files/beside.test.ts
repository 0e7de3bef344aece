import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { UploadProgress } from "@fastchat/client";
import { fileSource, openClient } from "@fastchat/client/node";
import { limits } from "@fastchat/protocol";
import { sealedFileSize } from "@fastchat/protocol/seal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fastchat, objectsIn } from "../fastchat.ts";
import { type Person, person } from "../person.ts";
import { startSystem, type System } from "../system.ts";
import { CountedGateway } from "./counted-gateway.ts";

/** A command that sends files while another process of the profile, as the screen, does the uploading: it knows what becomes of them. */

const LIMIT = 30 * 1_048_576;

let system: System;
let alice: Person;
let bob: Person;

beforeAll(async () => {
  system = await startSystem({ servers: 1, people: "none", environment: { FASTCHAT_FILE_LIMIT: "30M" } });
  [alice, bob] = [await person(system, "alice"), await person(system, "bob")];
  await alice.say("bob", "before");
  await bob.hears("alice", "before");
}, 180_000);
afterAll(async () => {
  for (const each of [alice, bob]) await each?.client.close();
  await system?.[Symbol.asyncDispose]();
});

function fileOf(bytes: number): string {
  const path = join(system.folder, `${bytes}.bin`);
  writeFileSync(path, randomBytes(bytes));
  return path;
}

test("[S6] [S7] what the server refuses is said beside the process that uploads, with the reason", { timeout: 60_000 }, async () => {
  const refused = await fastchat(system, ["send", "bob", "--file", fileOf(LIMIT + 1), "--profile", "alice", "--json"]);
  expect(refused.code).toBe(4);
  expect(objectsIn(refused.output)).toMatchObject([{ type: "error", code: "file-too-large" }]);
  expect(await bob.texts("alice")).toEqual(["before"]);
});

test("[S6] [S7] how far an upload is, is told beside the process that uploads, and why it waits", { timeout: 60_000 }, async () => {
  await using gateway = await CountedGateway.before(system.gatewayUrl);
  await alice.reopen(gateway.url);
  await using beside = (await openClient(alice, { gateway: gateway.url }))!;
  expect(beside.role).toBe("beside");
  const conversation = await beside.openDirect("bob");
  const told: UploadProgress[] = [];
  beside.subscribe((event) => {
    if (event.kind !== "items") return;
    for (const item of event.items) if (item.kind === "message" && item.upload !== undefined) told.push(item.upload);
  });
  // In the third piece nothing comes through any more.
  gateway.when("up", limits.blobPieceBytes * 2 + 1_000_000, () => gateway.silence());
  const size = sealedFileSize(LIMIT - 1);
  const id = await beside.files.send(conversation, [{ source: await fileSource(fileOf(LIMIT - 1)) }]);
  await expect.poll(() => told.at(-1), { timeout: 10_000 }).toMatchObject({ sent: limits.blobPieceBytes * 2, size });
  const { items } = await beside.items(conversation, { limit: 1 });
  expect(items).toMatchObject([{ id, status: "queued", upload: { sent: limits.blobPieceBytes * 2, size } }]);
  expect(await beside.files.cancel(id)).toBe(true);
});
