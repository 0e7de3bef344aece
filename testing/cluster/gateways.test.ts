import { createHash, randomBytes } from "node:crypto";
import { clientMessageId, ErrorCode, idBytes, limits } from "@fastchat/protocol";
import { signTicketRequest, toHex } from "@fastchat/protocol/seal";
import * as wire from "@fastchat/protocol/wire/gateway";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  addDeviceBy,
  buildRevocation,
  codeOf,
  getBlobPass,
  getChallenge,
  getTicket,
  post,
  signIn,
  signUp,
  TestConversation,
  TestSocket,
} from "../../server/test-client.ts";
import { anotherDevice, person } from "../person.ts";
import { startSystem, type System } from "../system.ts";

// Two gateways of one installation, in processes of their own: whatever one began, the other goes on with.

let system: System;
let one: string;
let other: string;
beforeAll(async () => {
  // Without a secret file: of two that start at once one makes it.
  system = await startSystem({ people: "none", gateways: 2 });
  [one, other] = system.gateways.map(({ url }) => url) as [string, string];
});
afterAll(() => system[Symbol.asyncDispose]());

test("who signed up through one and who signed up through the other talk, and go on when one is killed", async () => {
  await using alice = await person(system, "alice", { gateway: one });
  await using bob = await person(system, "bob", { gateway: other });
  await using again = await anotherDevice(system, alice, { profile: "alice-2", gateway: other });
  await alice.say("bob", "hello");
  await bob.hears("alice", "hello");
  await expect.poll(() => again.texts("bob")).toEqual(["hello"]);
  const [{ process: killed }] = system.gateways as [System["gateways"][number]];
  await killed.kill();
  try {
    // Connections last without it; a new one finds the other gateway.
    await bob.say("alice", "still here");
    await alice.hears("bob", "still here");
    await alice.reopen(other);
    await alice.say("bob", "by the other one");
    await bob.hears("alice", "by the other one");
  } finally {
    await killed.start();
  }
});

test("[P1] [W6] a sign-in, a challenge, a grant and a ticket of one are good at the other, and at any chat server", async () => {
  const carol = await signUp(one, "carol");
  const signedIn = await signIn(one, "carol", carol.password, {}, other);
  if (signedIn === "wrong-password") throw new Error(signedIn);
  const second = await addDeviceBy(one, carol, signedIn.grant);
  expect(await codeOf(addDeviceBy(other, carol, signedIn.grant))).toBe(ErrorCode.SIGN_IN_EXPIRED);
  const servers = new Set<string>();
  for (const avoid of [["chat-1"], ["chat-2"]]) {
    const challenge = await getChallenge(one, second.device);
    const signature = await signTicketRequest(second.signingSeed, second.device, challenge);
    const asked = { device: idBytes(second.device), challenge, signature, avoid };
    const ticket = await post(other, "/v1/ticket", wire.TicketRequestSchema, wire.TicketSchema, asked);
    await using socket = await TestSocket.open(ticket.url);
    await socket.hello(ticket.ticket);
    await socket.until(({ body }) => body.case === "welcome");
    servers.add(ticket.server);
  }
  expect(servers).toEqual(new Set(["chat-1", "chat-2"]));
});

test("[H3] a device that is revoked is known to be so at both", async () => {
  const dave = await signUp(other, "dave");
  const signedIn = await signIn(other, "dave", dave.password);
  if (signedIn === "wrong-password") throw new Error(signedIn);
  const lost = await addDeviceBy(other, dave, signedIn.grant);
  for (const each of [one, other]) expect(await codeOf(getTicket(each, lost))).toBe(0);
  await using socket = await TestSocket.welcome(one, dave.devices[0]!);
  await socket.ask({ case: "appendAccountLink", value: await buildRevocation(dave, lost) }, "appended");
  for (const each of [one, other]) {
    expect(await codeOf(getTicket(each, lost))).toBe(ErrorCode.DEVICE_REVOKED);
    expect(await codeOf(getBlobPass(each, lost))).toBe(ErrorCode.DEVICE_REVOKED);
    expect(await codeOf(getTicket(each, dave.devices[0]!))).toBe(0);
  }
});

test("[S6] a file goes up through one and the other by turns with one pass, and down through either", async () => {
  const [erin, frank] = [await signUp(one, "erin"), await signUp(other, "frank")];
  const conversation = new TestConversation(erin, frank);
  await using socket = await TestSocket.welcome(one, erin.devices[0]!);
  await conversation.open(socket, erin);
  const bytes = randomBytes(2 * limits.blobPieceBytes + 1_000);
  const blob = createHash("sha256").update(bytes).digest();
  const id = clientMessageId(randomBytes(16));
  const pass = await getBlobPass(one, erin.devices[0]!);
  const begun = { pass, blob, conversation: idBytes(conversation.id), clientMessageId: idBytes(id), size: BigInt(bytes.length) };
  await post(other, "/v1/blobs/begin", wire.BeginBlobSchema, wire.BlobBegunSchema, begun);
  const bearer = (held: Uint8Array) => ({ authorization: `Bearer ${Buffer.from(held).toString("base64url")}` });
  for (let offset = 0, at = one; offset < bytes.length; offset += limits.blobPieceBytes, at = at === one ? other : one) {
    const piece = bytes.subarray(offset, offset + limits.blobPieceBytes);
    const headers = {
      ...bearer(pass),
      "content-type": "application/offset+octet-stream",
      "content-digest": `sha-256=:${createHash("sha256").update(piece).digest("base64")}:`,
      "upload-offset": String(offset),
    };
    expect((await fetch(`${at}/v1/blobs/${toHex(blob)}`, { method: "PATCH", body: piece, headers })).status).toBeLessThan(300);
  }
  const message = await conversation.message("see", erin, { id });
  message.blobs = [blob];
  await socket.ask(conversation.send(message), "sent");
  const his = await getBlobPass(other, frank.devices[0]!);
  for (const each of [one, other]) {
    const response = await fetch(`${each}/v1/blobs/${toHex(blob)}`, { headers: bearer(his) });
    expect(bytes.equals(Buffer.from(await response.arrayBuffer()))).toBe(true);
  }
});

test("[W5] guesses at a password are counted by both together", async () => {
  const grace = await signUp(one, "grace");
  const guess = (at: string) => codeOf(signIn(at, "grace", "a guess"));
  const codes: number[] = [];
  for (let tries = 0; tries < limits.signInsPerMinutePerNameAndAddress; tries++) codes.push(await guess(one), await guess(other));
  expect(codes.filter((code) => code === 0).length).toBeLessThan(1.5 * limits.signInsPerMinutePerNameAndAddress);
  expect(codes.slice(-2)).toContain(ErrorCode.RATE_LIMITED);
  // Devices that are signed in go on.
  for (const each of [one, other]) expect(await codeOf(getTicket(each, grace.devices[0]!))).toBe(0);
});
