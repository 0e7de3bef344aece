import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { type Authenticator, credsAuthenticator, nkeyAuthenticator, type TlsOptions } from "@nats-io/transport-node";
import { ConfigError } from "../config.ts";
import { reasonOf } from "../events.ts";
import type { NatsLogin, NatsPlace } from "./bus.ts";

/** What the files of a NatsPlace hold, checked. */
export interface NatsFiles {
  readonly authenticator: Authenticator | undefined;
  /** Undefined: as the server likes. */
  readonly tls: TlsOptions | undefined;
}

/** Throws ConfigError, which names the variable, for a file that cannot be read or is something else. */
export async function readNatsFiles({ files, mustHaveTls }: NatsPlace): Promise<NatsFiles> {
  const credentials = await read("NATS_CREDS", files.credentials);
  const nkey = await read("NATS_NKEY", files.nkey);
  const ca = await read("NATS_CA", files.ca);
  const cert = await read("NATS_CERT", files.certificate);
  const key = await read("NATS_KEY", files.key);
  let authenticator: Authenticator | undefined;
  if (credentials !== undefined) authenticator = checked("NATS_CREDS", "credentials", credsAuthenticator(credentials));
  if (nkey !== undefined) authenticator = checked("NATS_NKEY", "the seed of an nkey", nkeyAuthenticator(trimmed(nkey)));
  if (ca !== undefined) mustBe("NATS_CA", "a certificate in PEM", () => new X509Certificate(ca));
  if (cert !== undefined && key !== undefined) {
    mustBe("NATS_CERT and NATS_KEY", "a certificate and its key in PEM", () => createSecureContext({ cert, key }));
  }
  return {
    authenticator,
    tls: mustHaveTls
      ? {
          ...(ca !== undefined && { ca: ca.toString("utf8") }),
          ...(cert !== undefined && { cert: cert.toString("utf8") }),
          ...(key !== undefined && { key: key.toString("utf8") }),
        }
      : undefined,
  };
}

/** For `connect`. */
export function loginOptions({ authenticator }: NatsFiles, login: NatsLogin | undefined) {
  if (authenticator !== undefined) return { authenticator };
  switch (login?.kind) {
    case undefined:
      return {};
    case "user":
      return { user: login.user, pass: login.password };
    case "token":
      return { token: login.token };
    default:
      return login satisfies never;
  }
}

async function read(variable: string, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (error) {
    throw new ConfigError(`${variable} names a file that cannot be read: ${reasonOf(error)}.`);
  }
}

/** The library reads what it was given when a server asks; here at once. */
function checked(variable: string, what: string, authenticator: Authenticator): Authenticator {
  mustBe(variable, what, () => authenticator("nonce"));
  return authenticator;
}

/** What the error says is left out: it may quote the file. */
function mustBe(variable: string, what: string, look: () => unknown): void {
  try {
    look();
  } catch {
    throw new ConfigError(`What ${variable} names is not ${what}.`);
  }
}

const trimmed = (bytes: Buffer): Uint8Array => Buffer.from(bytes.toString("latin1").trim(), "latin1");
