import { hostname } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { limits } from "@fastchat/protocol";
import { commandTyped, dataFoldersToSearch, defaultDataFolder } from "@fastchat/protocol/local";
import type { BlobPlace } from "./blobs/blob-store.ts";
import type { BusPlace, NatsLogin, NatsServer } from "./bus/bus.ts";
import { strategyNames, type StrategyName } from "./gateway/strategies.ts";

/** Who may sign up: anybody, or who brings an invitation. */
export type SignUpPolicy = "open" | "invitation";
/** Whom a search for people finds: everyone whose name contains the text, or only the exact name. */
export type PeoplePolicy = "everyone" | "exact";
/** Whether a sign-in tells "no such user" from "wrong password". */
export type SignInAnswers = "distinct" | "uniform";
/** On how many devices an account may be signed in at a time, unless it says itself that it wants one alone. */
export type Sessions = "many" | "single";

/** What is kept of files. */
export interface FileRules {
  /** Bytes of the largest one. */
  readonly largest: number;
  /** Bytes that one account's may take; 0: as many as it likes. */
  readonly quota: number;
  /** Milliseconds after which they are removed though messages still name them; 0: never. */
  readonly retentionMs: number;
}

/** What the roles have in common. */
export interface Config {
  /** Undefined: the embedded PostgreSQL, or the one that a running `up` has left word of in the data folder. */
  readonly databaseUrl: string | undefined;
  /** Absolute path; the whole state of an installation. */
  readonly dataFolder: string;
  /** Whether clients on this machine look there for a server by themselves. */
  readonly isUsualFolder: boolean;
  /** Holds the OPAQUE setup and the gateways' common key; absolute path. */
  readonly secretFile: string;
  /** Where encrypted files lie. */
  readonly blobs: BlobPlace;
  /** How servers tell each other that there is something to read. */
  readonly bus: BusPlace;
  /** Undefined: open where only this machine can connect, elsewhere by invitation. */
  readonly signUp: SignUpPolicy | undefined;
  readonly people: PeoplePolicy;
  readonly signInAnswers: SignInAnswers;
  readonly sessions: Sessions;
  readonly files: FileRules;
  /** How gateways choose chat servers, unless that was chosen while they ran. */
  readonly strategy: StrategyName;
  /** Origins (scheme, host, port) of web clients that are served from elsewhere. */
  readonly webOrigins: readonly string[];
  /** Number of trusted proxies in front of the gateway, for the addresses that rates are counted by. */
  readonly trustedProxies: number;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  /** Where gateway and chat servers listen. */
  readonly host: string;
  /** This machine's name, for the names of chat servers. */
  readonly machine: string;
  /** How our command is typed here, for sentences that name it: "npx fastchat". */
  readonly command: string;
}

/** The environment cannot be used; the message is one sentence for whoever started the process. */
export class ConfigError extends Error {
  override readonly name: string = "ConfigError";
}

/** An option of the command cannot be used. */
export class OptionError extends ConfigError {
  override readonly name = "OptionError";
}

/** Reads the environment; the one place that does. `folder`: the data folder, where a command names it. Throws ConfigError. */
export function readConfig(folder?: string, environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const dataFolder = absolute(folder ?? defaultDataFolder(environment as NodeJS.ProcessEnv));
  return {
    databaseUrl: databaseUrl(environment["DATABASE_URL"]),
    dataFolder,
    isUsualFolder: dataFoldersToSearch(environment as NodeJS.ProcessEnv).includes(dataFolder),
    secretFile: absolute(environment["FASTCHAT_SECRET_FILE"] ?? join(dataFolder, "secret.json")),
    blobs: blobPlace(environment, join(dataFolder, "blobs")),
    bus: busPlace(environment),
    signUp: oneOf(environment, "FASTCHAT_SIGN_UP", ["open", "invitation"] as const, undefined),
    people: oneOf(environment, "FASTCHAT_PEOPLE", ["everyone", "exact"], "everyone"),
    signInAnswers: oneOf(environment, "FASTCHAT_SIGN_IN_ANSWERS", ["distinct", "uniform"], "distinct"),
    sessions: oneOf(environment, "FASTCHAT_SESSIONS", ["many", "single"], "many"),
    files: {
      largest: Math.min(bytes(environment, "FASTCHAT_FILE_LIMIT") ?? limits.fileBytes, limits.fileBytes),
      quota: bytes(environment, "FASTCHAT_FILE_QUOTA") ?? 0,
      retentionMs: DAY_MS * (wholeNumber("FASTCHAT_FILE_RETENTION_DAYS", environment["FASTCHAT_FILE_RETENTION_DAYS"] || undefined) ?? 0),
    },
    strategy: oneOf(environment, "FASTCHAT_STRATEGY", strategyNames, "least-connections"),
    webOrigins: (environment["FASTCHAT_WEB_ORIGINS"] ?? "").split(",").flatMap((text) => (text.trim() === "" ? [] : [origin(text.trim())])),
    trustedProxies: wholeNumber("FASTCHAT_TRUSTED_PROXIES", environment["FASTCHAT_TRUSTED_PROXIES"] || undefined) ?? 0,
    logLevel: oneOf(environment, "FASTCHAT_LOG", ["debug", "info", "warn", "error"], "info"),
    host: environment["FASTCHAT_HOST"] || "127.0.0.1",
    machine: hostname().split(".")[0] || "host",
    command: commandTyped(environment as NodeJS.ProcessEnv),
  };
}

const absolute = (path: string): string => (isAbsolute(path) ? path : resolve(path));

function databaseUrl(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  if (!URL.canParse(text) || !/^postgres(ql)?:$/.test(new URL(text).protocol)) {
    throw new ConfigError("DATABASE_URL must look like postgres://user:password@host:5432/database.");
  }
  return text;
}

/** Only the keys of a bucket stand in variables of their own: an address may be shown, and these are the names that S3's own programs read. */
function blobPlace(environment: Readonly<Record<string, string | undefined>>, byDefault: string): BlobPlace {
  const text = environment["BLOB_URL"] || byDefault;
  if (text.startsWith("file://") && URL.canParse(text) && new URL(text).host === "") return { kind: "folder", path: fileURLToPath(text) };
  if (isAbsolute(text)) return { kind: "folder", path: text };
  const url = text.startsWith("s3://") && URL.canParse(text) ? new URL(text) : undefined;
  const prefix = url?.pathname.replaceAll(/^\/+|\/+$/g, "") ?? "";
  const options = [...(url?.searchParams.keys() ?? [])];
  if (
    url === undefined ||
    !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(url.host) ||
    url.username !== "" ||
    !/^([A-Za-z0-9_-][A-Za-z0-9._-]*(\/(?!$)|$))*$/.test(prefix) ||
    !options.every((name) => name === "endpoint" || name === "region")
  ) {
    throw new ConfigError(
      "BLOB_URL must be a folder such as /srv/blobs, or look like s3://bucket/prefix?endpoint=https://s3.example.org&region=us-east-1.",
    );
  }
  const region = url.searchParams.get("region") || "us-east-1";
  const endpoint = url.searchParams.get("endpoint") || `https://s3.${region}.amazonaws.com`;
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol) || new URL(endpoint).search !== "") {
    throw new ConfigError(`The endpoint in BLOB_URL is "${endpoint}"; it must be an address such as https://s3.example.org.`);
  }
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = environment;
  if (!accessKeyId || !secretAccessKey)
    throw new ConfigError("BLOB_URL names a bucket: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, too.");
  const credentials = { accessKeyId, secretAccessKey, sessionToken: sessionToken || undefined };
  return { kind: "bucket", bucket: url.host, prefix: prefix === "" ? "" : `${prefix}/`, endpoint, region, credentials };
}

const NATS_LOOK = "NATS_URL must look like nats://user:password@host:4222 or tls://host:4222; several servers are separated by commas.";

/** The names are those that the programs of NATS read. No sentence quotes the address: it may hold a password. */
function busPlace(environment: Readonly<Record<string, string | undefined>>): BusPlace {
  const text = environment["NATS_URL"];
  if (text === undefined || text === "") return { kind: "notify" };
  const path = (name: string) => (environment[name] ? absolute(environment[name]) : undefined);
  const files = {
    credentials: path("NATS_CREDS"),
    nkey: path("NATS_NKEY"),
    ca: path("NATS_CA"),
    certificate: path("NATS_CERT"),
    key: path("NATS_KEY"),
  };
  const read = text.split(",").map((each) => natsServer(each.trim()));
  const schemes = new Set(read.map(({ scheme }) => scheme));
  if (schemes.size > 1) throw new ConfigError("NATS_URL names servers with nats:// and with tls://; it must be one of them for all.");
  const login = read.find(({ server }) => server.login !== undefined)?.server.login;
  if ([login, files.credentials, files.nkey].filter((each) => each !== undefined).length > 1) {
    throw new ConfigError("Of a user or token in NATS_URL, NATS_CREDS and NATS_NKEY set one alone: each says who this server is.");
  }
  if ((files.certificate === undefined) !== (files.key === undefined)) {
    throw new ConfigError("NATS_CERT and NATS_KEY belong together: set both, or none of them.");
  }
  const mustHaveTls = schemes.has("tls:") || files.ca !== undefined || files.certificate !== undefined;
  // One user for all of a cluster is written once.
  return { kind: "nats", servers: read.map(({ server }) => ({ ...server, login: server.login ?? login })), mustHaveTls, files };
}

function natsServer(text: string): { readonly server: NatsServer; readonly scheme: string } {
  const url = /^(nats|tls):\/\//.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === "" || !/^\/?$/.test(url.pathname) || url.search !== "" || url.hash !== "")
    throw new ConfigError(NATS_LOOK);
  const host = url.hostname.replaceAll(/^\[|\]$/g, "");
  return { server: { host, port: Number(url.port || NATS_PORT), login: natsLogin(url) }, scheme: url.protocol };
}

function natsLogin({ username, password }: URL): NatsLogin | undefined {
  try {
    const [user, secret] = [decodeURIComponent(username), decodeURIComponent(password)];
    if (user === "" && secret === "") return undefined;
    return secret === "" ? { kind: "token", token: user } : { kind: "user", user, password: secret };
  } catch {
    throw new ConfigError("NATS_URL holds a password with a % that stands for nothing: write it as %25.");
  }
}

function origin(text: string): string {
  if (!URL.canParse(text) || new URL(text).origin === "null") {
    throw new ConfigError(`FASTCHAT_WEB_ORIGINS holds "${text}", which is no origin such as https://chat.example.org.`);
  }
  return new URL(text).origin;
}

function oneOf<const Value extends string, const Default extends NoInfer<Value> | undefined>(
  environment: Readonly<Record<string, string | undefined>>,
  name: string,
  values: readonly Value[],
  byDefault: Default,
): Value | Default {
  const text = environment[name];
  if (text === undefined || text === "") return byDefault;
  const value = values.find((each) => each === text);
  if (value === undefined) throw new ConfigError(`${name} is "${text}"; it can be ${values.join(" or ")}.`);
  return value;
}

/** `name`: of the variable or option, for the sentence. Throws `Fault` for anything but up to five digits. */
export function wholeNumber(name: string, text: string | undefined, Fault: typeof ConfigError = ConfigError): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,5}$/.test(text)) throw new Fault(`${name} is "${text}"; it must be a whole number.`);
  return Number(text);
}

const DAY_MS = 86_400_000;
const NATS_PORT = 4_222;
const sizes = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;

/** As "500M" or "2G"; undefined: not said. */
function bytes(environment: Readonly<Record<string, string | undefined>>, name: string): number | undefined {
  const text = environment[name];
  if (text === undefined || text === "") return undefined;
  const [, count, size] = /^(\d{1,16})([KMGT]?)$/.exec(text) ?? [];
  const number = Number(count) * sizes[size as keyof typeof sizes];
  if (!Number.isSafeInteger(number)) throw new ConfigError(`${name} is "${text}"; it must be a number of bytes such as 500M or 2G.`);
  return number;
}

/** Whether only this machine can reach a server that listens on this host. */
export const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
