import { parseArgs } from "node:util";
import { ConfigError, OptionError } from "./config.ts";
import { reasonOf } from "./events.ts";
import { PostgresStartError } from "./postgres/index.ts";
import { runRole } from "./up/run-role.ts";

// `node server/main.ts up|gateway|server [--port N] [--data DIR] [--servers N] [--url URL] [--name NAME]`: what the `fastchat` command runs, and what
// `up` starts its children with.

async function main(): Promise<void> {
  const { values, positionals } = readWords();
  const [role] = positionals;
  if (role !== "up" && role !== "gateway" && role !== "server") throw new ConfigError("Say which role to run: up, gateway or server.");
  await runRole(role, values);
}

function readWords() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        port: { type: "string" },
        data: { type: "string" },
        servers: { type: "string" },
        url: { type: "string" },
        name: { type: "string" },
      },
    });
  } catch (error) {
    // Node's own sentence goes on for several; what it is about is the option that it names.
    const option = /--?[\w-]+/.exec(reasonOf(error))?.[0];
    throw new OptionError(
      `${option} needs a value or is no option: there are --port N, --data DIR, --servers N, --url URL and --name NAME.`,
    );
  }
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
