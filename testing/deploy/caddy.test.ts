import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { create, toBinary } from "@bufbuild/protobuf";
import { limits } from "@fastchat/protocol";
import { SignInStartSchema } from "@fastchat/protocol/wire/gateway";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type CommandOptions, fastchat, fastchatJson, startFastchat } from "../fastchat.ts";
import { newPassword } from "../person.ts";
import { startSystem, type System } from "../system.ts";
import { Caddy } from "./caddy.ts";

const isInstalled = Caddy.isInstalled();
if (!isInstalled) console.warn("!!! Caddy is not installed: the tests of deploy/caddy were LEFT OUT (apt-get install caddy) !!!");

const MIB = 2 ** 20;

describe.skipIf(!isInstalled)("behind Caddy, with one host name and TLS", () => {
  const owned = new AsyncDisposableStack();
  let caddy: Caddy;
  let system: System;
  let ca: Buffer;
  let command: CommandOptions;

  beforeAll(async () => {
    caddy = owned.use(await Caddy.create());
    const environment = { FASTCHAT_TRUSTED_PROXIES: "1", FASTCHAT_SIGN_UP: "open" };
    const advertise = (index: number) => `wss://localhost:${caddy.port}/${index}`;
    system = owned.use(await startSystem({ people: "none", servers: 2, gateways: 2, environment, advertise }));
    await caddy.start({
      CHAT_SERVER_1: `127.0.0.1:${system.servers[0]!.port}`,
      CHAT_SERVER_2: `127.0.0.1:${system.servers[1]!.port}`,
      GATEWAYS: system.gateways.map(({ url }) => new URL(url).host).join(" "),
    });
    ca = readFileSync(caddy.rootFile);
    command = { gateway: caddy.url, environment: { NODE_EXTRA_CA_CERTS: caddy.rootFile }, withinMs: 60_000 };
    for (const name of ["alice", "bob"]) {
      const args = ["signup", name, "--profile", name, "--password-stdin"];
      expect(await fastchat(system, args, { ...command, input: `${newPassword()}\n` })).toMatchObject({ code: 0 });
    }
  }, 180_000);

  afterAll(() => owned.disposeAsync());

  test("two people at the two chat servers, each behind its path, hear each other", async () => {
    await using alice = startFastchat(system, ["tail", "--json", "--profile", "alice"], command);
    await using bob = startFastchat(system, ["tail", "--json", "--profile", "bob"], command);
    const where = async () => {
      const rows = await system.query("SELECT DISTINCT url FROM presence JOIN chat_server USING (run) ORDER BY 1");
      return rows.map(({ url }) => url);
    };
    await expect.poll(where).toEqual([1, 2].map((path) => `wss://localhost:${caddy.port}/${path}`));
    await fastchatJson(system, ["send", "bob", "over the first path", "--profile", "alice"], command);
    await fastchatJson(system, ["accept", "alice", "--profile", "bob"], command);
    await fastchatJson(system, ["send", "alice", "over the second path", "--profile", "bob"], command);
    await expect.poll(() => alice.objects.map(({ text }) => text)).toContain("over the second path");
    await fastchatJson(system, ["send", "bob", "and live", "--profile", "alice"], command);
    await expect.poll(() => bob.objects.map(({ text }) => text)).toContain("and live");
  });

  test("a file of several pieces comes through as it was", { timeout: 180_000 }, async () => {
    const file = join(system.folder, "film.bin");
    const content = randomBytes(2 * limits.blobPieceBytes + 3 * MIB);
    writeFileSync(file, content);
    await fastchatJson(system, ["send", "bob", "--file", file, "--profile", "alice"], { ...command, withinMs: 150_000 });
    const target = join(system.folder, "saved");
    mkdirSync(target);
    await fastchatJson(system, ["save", "alice", "--to", target, "--profile", "bob"], { ...command, withinMs: 150_000 });
    const hash = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
    expect(hash(readFileSync(join(target, "film.bin")))).toBe(hash(content));
  });

  /** One request to Caddy from an address of this machine, with an X-Forwarded-For of the client's own making. */
  async function ask(
    path: string,
    options: { readonly from?: string; readonly body?: Uint8Array; readonly says?: string } = {},
  ): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const sent = request({
      host: "127.0.0.1",
      port: caddy.port,
      servername: "localhost",
      ca,
      localAddress: options.from ?? "127.0.0.1",
      agent: false,
      path,
      method: options.body === undefined ? "GET" : "POST",
      headers: {
        host: `localhost:${caddy.port}`,
        "content-type": "application/x-protobuf",
        "x-forwarded-for": options.says ?? "203.0.113.1",
      },
    });
    sent.once("error", reject).once("response", (response) => {
      buffer(response).then(() => resolve(response.statusCode ?? 0), reject);
    });
    sent.end(options.body);
    return promise;
  }

  test("[W5] rates count the address that a client has, whatever it says of itself", async () => {
    const body = toBinary(SignInStartSchema, create(SignInStartSchema, { name: "nobody" }));
    const signIn = (from: string, says: string) => ask("/v1/sign-in/start", { from, says, body });
    const statuses: number[] = [];
    // Each of the two gateways counts by itself.
    while (statuses.filter((status) => status === 429).length < 5 && statuses.length < 10 * limits.signInsPerMinutePerNameAndAddress) {
      statuses.push(await signIn("127.0.0.2", `203.0.113.${statuses.length}`));
    }
    expect(statuses.length).toBeGreaterThan(limits.signInsPerMinutePerNameAndAddress);
    expect(new Set(statuses)).toEqual(new Set([404, 429]));
    for (let each = 0; each < 4; each++) expect(await signIn("127.0.0.3", "127.0.0.2")).toBe(404);
  });

  test("strangers read no metrics", async () => {
    expect(await ask("/readyz")).toBe(200);
    expect(await ask("/metrics")).toBe(404);
  });

  test("pages of the same host may open a socket, and others may not", async () => {
    const opens = async (origin: string): Promise<boolean> => {
      const socket = new WebSocket(`${caddy.url.replace("https", "wss")}/1`, { ca, origin });
      const { promise, resolve } = Promise.withResolvers<boolean>();
      socket.once("open", () => resolve(true)).on("error", () => resolve(false));
      const opened = await promise;
      socket.terminate();
      return opened;
    };
    expect(await opens(caddy.url)).toBe(true);
    expect(await opens("https://evil.example")).toBe(false);
  });

  test("a gateway that dies is not missed while there is another", async () => {
    await system.gateways[1]!.process.kill();
    for (let each = 0; each < 12; each++) expect(await ask("/v1/info")).toBe(200);
    expect(await fastchat(system, ["send", "bob", "still here", "--profile", "alice"], command)).toMatchObject({ code: 0 });
  });
});
