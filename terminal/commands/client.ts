import { ourCommand } from "../config.ts";
import { Failure, exitCodes } from "../failure.ts";
import { chooseGateway, chooseProfile, homeOf } from "../place.ts";
import { command } from "./command.ts";

/** Without a command: the terminal client. Loads Ink and React, as nothing else does. */
export const client = command({
  name: "fastchat",
  description: "The terminal client",
  args: {},
  async run({ config, output, place }) {
    if (output.json || !process.stdin.isTTY || !process.stdout.isTTY) {
      throw new Failure(
        exitCodes.usage,
        "usage",
        `The client needs a terminal: for scripts there are commands, see "${ourCommand} --help".`,
      );
    }
    const profile = await chooseProfile(config, place);
    const home = homeOf(config, place);
    const { runClient } = await import("../ui/run.tsx");
    return runClient({
      config,
      home,
      profile,
      fixedProfile: place.profile ?? config.profile,
      gateway: () => chooseGateway(config, place),
      givenGateway: place.gateway ?? config.gateway,
    });
  },
});
