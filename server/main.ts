import { parseArgs } from "node:util";
import { ConfigError } from "./config.ts";
import { PostgresStartError } from "./postgres/index.ts";
import { runGateway, runServer } from "./up/roles.ts";
import { runUp } from "./up/up.ts";

// `node server/main.ts up|gateway|server [--port N] [--data DIR] [--servers N] [--url URL] [--name NAME]`: what the `fastchat` command runs, and what
// `up` starts its children with.

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      port: { type: "string" },
      data: { type: "string" },
      servers: { type: "string" },
      url: { type: "string" },
      name: { type: "string" },
    },
  });
  const { data, url, name } = values;
  const port = wholeNumber("port", values.port);
  switch (positionals[0]) {
    case "up":
      return runUp({ port, data, servers: wholeNumber("servers", values.servers) });
    case "gateway":
      return runGateway({ port, data });
    case "server":
      return runServer({ port, data, url, name });
    case undefined:
    default:
      throw new ConfigError("Say which role to run: up, gateway or server.");
  }
}

function wholeNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,5}$/.test(text)) throw new ConfigError(`--${option} is "${text}"; it must be a whole number.`);
  return Number(text);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof PostgresStartError)) throw error;
    process.stderr.write(`fastchat: ${error.message}\n`);
    process.exitCode = 1;
  }
  // A child's channel to its parent would keep it alive.
  if (process.connected) process.disconnect?.();
}
