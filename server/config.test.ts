import { expect, test } from "vitest";
import { ConfigError, isLoopback, readConfig } from "./config.ts";

test("without any environment everything has a default, and loopback is what is listened on", () => {
  const config = readConfig(undefined, { HOME: "/home/somebody" });
  expect(config.host).toBe("127.0.0.1");
  expect(config.isUsualFolder).toBe(true);
  expect(config.signUp).toBe(undefined);
  expect(config.people).toBe("everyone");
  expect(config.secretFile).toBe(`${config.dataFolder}/secret.json`);
});

test("a folder that is named wins over the environment, and the secret file can lie elsewhere", () => {
  const config = readConfig("/srv/two", { FASTCHAT_DATA: "/srv/one", FASTCHAT_SECRET_FILE: "/etc/fastchat/secret.json" });
  expect(config.dataFolder).toBe("/srv/two");
  expect(config.isUsualFolder).toBe(false);
  expect(config.secretFile).toBe("/etc/fastchat/secret.json");
});

test.each([
  ["FASTCHAT_SIGN_UP", "maybe", /open or invitation/],
  ["FASTCHAT_PEOPLE", "nobody", /everyone or exact/],
  ["DATABASE_URL", "mysql://host/db", /postgres:/],
  ["FASTCHAT_WEB_ORIGINS", "https://good.example, nonsense", /no origin/],
  ["FASTCHAT_TRUSTED_PROXIES", "-1", /whole number/],
  ["BLOB_URL", "blobs", /a folder such as/],
  ["BLOB_URL", "file://server/share", /a folder such as/],
  ["BLOB_URL", "s3://key:secret@bucket", /a folder such as/],
  ["BLOB_URL", "s3://bucket?retries=7", /a folder such as/],
  ["BLOB_URL", "s3://bucket?endpoint=s3.example.org", /endpoint in BLOB_URL/],
  ["BLOB_URL", "s3://bucket", /AWS_SECRET_ACCESS_KEY/],
  ["NATS_URL", "chat.example.org", /nats:\/\/user:password@host:4222/],
  ["NATS_URL", "http://chat.example.org", /nats:\/\/user:password@host:4222/],
  ["NATS_URL", "nats://", /nats:\/\/user:password@host:4222/],
  ["NATS_URL", "nats://a:4222,", /separated by commas/],
  ["NATS_URL", "nats://a/subject", /nats:\/\/user:password@host:4222/],
  ["NATS_URL", "nats://a:99999", /nats:\/\/user:password@host:4222/],
  ["NATS_URL", "nats://a,tls://b", /one of them for all/],
  ["NATS_URL", "nats://chat:50%off@a", /%25/],
])("%s=%s is refused with a sentence that names it", (name, value, sentence) => {
  expect(() => readConfig(undefined, { [name]: value })).toThrow(ConfigError);
  expect(() => readConfig(undefined, { [name]: value })).toThrow(sentence);
});

test.each([
  ["", 0],
  ["0", 0],
  ["104857600", 104_857_600],
  ["500M", 524_288_000],
  ["2G", 2_147_483_648],
])("a size can be %s", (text, quota) => {
  expect(readConfig(undefined, { FASTCHAT_FILE_QUOTA: text }).files.quota).toBe(quota);
});

test.each(["much", "-1", "1.5G", "2g", "2GB", "9007199254740993", "9999999999999T"])("%s is no size", (text) => {
  expect(() => readConfig(undefined, { FASTCHAT_FILE_QUOTA: text })).toThrow(
    `FASTCHAT_FILE_QUOTA is "${text}"; it must be a number of bytes such as 500M or 2G.`,
  );
});

test("files lie in the data folder, in the folder that BLOB_URL names, or in its bucket", () => {
  const keys = { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret" };
  const credentials = { accessKeyId: "key", secretAccessKey: "secret", sessionToken: undefined };
  const place = (url: string) => readConfig("/srv/chat", { ...keys, BLOB_URL: url }).blobs;
  expect(place("")).toEqual({ kind: "folder", path: "/srv/chat/blobs" });
  expect(place("/srv/files")).toEqual({ kind: "folder", path: "/srv/files" });
  expect(place("file:///srv/my%20files")).toEqual({ kind: "folder", path: "/srv/my files" });
  const bucket = { kind: "bucket", bucket: "chat", region: "us-east-1", credentials };
  expect(place("s3://chat")).toEqual({ ...bucket, prefix: "", endpoint: "https://s3.us-east-1.amazonaws.com" });
  expect(place("s3://chat/some/where/?endpoint=http://[::1]:9000&region=garage")).toEqual({
    ...bucket,
    prefix: "some/where/",
    endpoint: "http://[::1]:9000",
    region: "garage",
  });
});

test("hints go through the database, or a NATS with whatever proves who asks", () => {
  const bus = (environment: Record<string, string>) => readConfig(undefined, environment).bus;
  const none = { credentials: undefined, nkey: undefined, ca: undefined, certificate: undefined, key: undefined };
  const user = { kind: "user", user: "chat", password: "p@ss:w/ord" };
  expect(bus({ NATS_URL: "" })).toEqual({ kind: "notify" });
  expect(bus({ NATS_URL: "nats://nats.example.org" })).toEqual({
    kind: "nats",
    servers: [{ host: "nats.example.org", port: 4_222, login: undefined }],
    mustHaveTls: false,
    files: none,
  });
  expect(bus({ NATS_URL: "tls://chat:p%40ss%3Aw%2Ford@one:4223, tls://[::1]/", NATS_CA: "/ca.pem" })).toEqual({
    kind: "nats",
    servers: [
      { host: "one", port: 4_223, login: user },
      { host: "::1", port: 4_222, login: user },
    ],
    mustHaveTls: true,
    files: { ...none, ca: "/ca.pem" },
  });
  expect(bus({ NATS_URL: "nats://s3cret@one" })).toMatchObject({ servers: [{ login: { kind: "token", token: "s3cret" } }] });
  expect(bus({ NATS_URL: "nats://one", NATS_CERT: "/c.pem", NATS_KEY: "/k.pem" })).toMatchObject({ mustHaveTls: true });
  expect(() => bus({ NATS_URL: "nats://one", NATS_CERT: "/c.pem" })).toThrow(/NATS_KEY belong together/);
  expect(() => bus({ NATS_URL: "nats://a:b@one", NATS_CREDS: "/c.creds" })).toThrow(/one alone/);
  expect(() => bus({ NATS_URL: "nats://one", NATS_NKEY: "/c.nk", NATS_CREDS: "/c.creds" })).toThrow(/one alone/);
});

test.each(["nats://chat:hunter2@", "nats://chat:hunter2@a/b", "nats://chat:hunter2@a,tls://b", "nats://chat:hunter2%@a"])(
  "a password in an address that cannot be used is not shown (%#)",
  (url) => {
    expect(() => readConfig(undefined, { NATS_URL: url })).toThrow(ConfigError);
    expect(() => readConfig(undefined, { NATS_URL: url })).not.toThrow(/hunter2/);
  },
);

test("only addresses of this machine are loopback", () => {
  expect(["127.0.0.1", "127.9.9.9", "localhost", "::1"].map(isLoopback)).toEqual([true, true, true, true]);
  expect(["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.evil.example", "localhost.evil.example"].some(isLoopback)).toBe(false);
});
