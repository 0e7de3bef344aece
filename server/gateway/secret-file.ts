import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { ready, server } from "@serenity-kit/opaque";
import { ConfigError } from "../config.ts";
import type { Log } from "../events.ts";

/** What the gateways of an installation share and the database must not know [P1]. */
export interface Secrets {
  /** OPAQUE setup for new accounts. */
  readonly setup: OpaqueSetup;
  /** By the id that stands beside each sign-in record; an old setup stays until its last account moved. */
  readonly setups: ReadonlyMap<string, OpaqueSetup>;
  /** AES-256 key for what a gateway hands out to get back: every gateway can read it. */
  readonly key: Uint8Array;
}

export interface OpaqueSetup {
  readonly id: string;
  /** Base64url, as the library makes it. */
  readonly setup: string;
}

/**
 * Reads the file, or makes it, readable for its owner alone. Two gateways that start at once get the same one: the file appears whole, under its name,
 * once. Throws ConfigError for a file that is none.
 */
export async function readSecrets(path: string, log: Log): Promise<Secrets> {
  await ready;
  const text = (await readIfThere(path)) ?? (await make(path, log));
  let read: { setups?: unknown; key?: unknown };
  try {
    read = JSON.parse(text) as typeof read;
  } catch {
    throw new ConfigError(`${path} is damaged: put the secret file from your backup there.`);
  }
  const setups = Array.isArray(read.setups) ? read.setups.filter(isSetup) : [];
  const setup = setups.at(-1);
  const key = typeof read.key === "string" ? Buffer.from(read.key, "base64url") : Buffer.alloc(0);
  if (setup === undefined || key.length !== 32)
    throw new ConfigError(`${path} is no secret file of FastChat: put the one from your backup there.`);
  return { setup, setups: new Map(setups.map((each) => [each.id, each])), key };
}

function isSetup(value: unknown): value is OpaqueSetup {
  const { id, setup } = (value ?? {}) as Partial<Record<keyof OpaqueSetup, unknown>>;
  return typeof id === "string" && typeof setup === "string";
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function make(path: string, log: Log): Promise<string> {
  const secrets = {
    setups: [{ id: randomBytes(8).toString("hex"), setup: server.createSetup() }],
    key: randomBytes(32).toString("base64url"),
  };
  await mkdir(dirname(path), { recursive: true });
  const partial = `${path}.${randomBytes(6).toString("hex")}`;
  const file = await open(partial, "wx", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(secrets, undefined, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    // Unlike a rename a link never replaces what another gateway made meanwhile.
    await link(partial, path);
    log.event("info", "secret-made", { path });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(partial);
  }
  return readFile(path, "utf8");
}
