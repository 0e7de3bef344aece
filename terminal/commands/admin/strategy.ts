import { ourCommand } from "../../config.ts";
import { usage } from "../../failure.ts";
import { openStrategyAdmin } from "../../roles.ts";
import { safeLine } from "../../safe-text.ts";
import { plural, sizeWords } from "../../words.ts";
import { command, type CommandContext } from "../command.ts";
import { column } from "../words.ts";

type Admin = Awaited<ReturnType<typeof openStrategyAdmin>>;
type Report = Awaited<ReturnType<Admin["look"]>>;

export const strategy = command({
  name: "strategy",
  description: "How gateways choose a chat server, and the load of each; what is chosen here comes before FASTCHAT_STRATEGY",
  example: "round-robin",
  isOperators: true,
  args: {
    strategy: {
      type: "positional",
      required: false,
      valueHint: "NAME",
      description: "Choose this one, while all runs; without it the one that counts is shown",
    },
    data: { type: "string", valueHint: "DIR", description: "Folder that holds the whole state" },
    forget: { type: "boolean", description: "Choose none: FASTCHAT_STRATEGY of the gateways counts again" },
  },
  async run({ output }, args) {
    const { strategy: name } = args;
    if (name !== undefined && args.forget === true) throw usage("NAME and --forget exclude each other: choose one.");
    await using admin = await openStrategyAdmin(args.data);
    if (args.forget === true) await admin.forget();
    if (name !== undefined) await choose(admin, name);
    const report = await admin.look();
    const changed = name !== undefined || args.forget === true;
    await output.print(strategyObject(report), changed ? changedWords(report) : strategyWords(report));
    if (!changed) for (const server of report.servers) await printServer(output, server);
  },
});

async function choose(admin: Admin, name: string): Promise<void> {
  if (await admin.choose(name)) return;
  const { meanings } = await admin.look();
  throw usage(`"${safeLine(name)}" is no strategy: write one of ${meanings.map((each) => each.name).join(", ")}.`);
}

const strategyObject = ({ strategy: name, by, environment, servers }: Report) => ({
  type: "strategy",
  strategy: name,
  by,
  environment,
  servers: servers.length,
});

function byWords({ by, environment }: Report): string {
  if (by === "environment")
    return "as FASTCHAT_STRATEGY has it here, or its default; nothing was chosen by this command, which would come first";
  return `as it was chosen by this command, which comes before FASTCHAT_STRATEGY (here ${environment}); "${ourCommand} admin strategy --forget" takes that back`;
}

const changedWords = (report: Report): string =>
  `From now on gateways choose by ${report.strategy}${report.by === "environment" ? ", or what their own FASTCHAT_STRATEGY says" : ""}. Who is connected stays where they are.`;

function strategyWords(report: Report): string {
  const { meanings, servers } = report;
  return [
    `Gateways choose by ${report.strategy}, ${byWords(report)}.`,
    ...meanings.map(({ name, meaning }) => `  ${name === report.strategy ? "*" : " "} ${column(name, 17)}  ${meaning}`),
    servers.length === 0 ? "No chat server runs." : `${plural(servers.length, "chat server")}:`,
  ].join("\n");
}

function printServer(output: CommandContext["output"], server: Report["servers"][number]): Promise<void> {
  const { name, url, connections, bytesPerSecond, draining, offered, ageMs } = server;
  const state = offered ? "" : draining ? "  drains" : "  gone, as it seems: it is not offered";
  const seconds = `heartbeat ${(ageMs / 1_000).toFixed(1)} s ago`;
  return output.print(
    { type: "chat-server", name, url, connections, bytesPerSecond, draining, offered, heartbeatMs: Math.round(ageMs) },
    `  ${column(safeLine(name), 24)}  ${column(plural(connections, "socket"), 14)}  ${column(`${sizeWords(bytesPerSecond)}/s`, 12)}  ${seconds}${state}`,
  );
}
