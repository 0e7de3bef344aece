import { ourCommand } from "../config.ts";
import { type ExitCode, usage } from "../failure.ts";
import { chooseGateway, chooseProfile, homeOf } from "../place.ts";
import type { ClientOptions } from "../ui/run.tsx";
import { type CommandContext, command } from "./command.ts";

/** Without a command: the terminal client. Loads Ink and React, as nothing else does. */
export const client = command({
  name: "fastchat",
  description: "The terminal client",
  args: {
    quick: { type: "boolean", description: "QuickChat: bring nothing here, leave nothing here, and sign out at the end" },
    name: { type: "positional", required: false, description: "With --quick: your username" },
  },
  async run(context, { quick = false, name }) {
    if (quick) return runQuick(context, name);
    const { config, output, place } = context;
    needTerminal(output);
    const profile = await chooseProfile(config, place);
    return runAt(context, { profile, fixedProfile: place.profile ?? config.profile, quick: undefined });
  },
});

/** [H5] `fastchat --quick` and `signin --quick`. Throws Failure. */
export async function runQuick(context: CommandContext, name = ""): Promise<ExitCode> {
  const { output, place } = context;
  needTerminal(output);
  if (place.profile !== undefined) throw usage("QuickChat uses no profile: leave out --profile, or --quick.");
  return runAt(context, { profile: undefined, fixedProfile: undefined, quick: { name: name.toLowerCase() } });
}

async function runAt({ config, place }: CommandContext, who: Pick<ClientOptions, "profile" | "fixedProfile" | "quick">): Promise<ExitCode> {
  const { runClient } = await import("../ui/run.tsx");
  return runClient({
    ...who,
    config,
    home: homeOf(config, place),
    gateway: () => chooseGateway(config, place),
    givenGateway: place.gateway ?? config.gateway,
  });
}

function needTerminal(output: CommandContext["output"]): void {
  if (!output.json && process.stdin.isTTY && process.stdout.isTTY) return;
  throw usage(`The client needs a terminal: for scripts there are commands, see "${ourCommand} --help".`);
}
