import { signIn } from "@fastchat/client/node";
import { askPassword } from "../ask.ts";
import { parseDuration } from "../durations.ts";
import { checkedProfile, chooseGateway, homeOf, rememberProfile, withPatience } from "../place.ts";
import { command, passwordOptions, timeoutOption } from "./command.ts";
import { refuseTakenProfile } from "./signup.ts";

export const signin = command({
  name: "signin",
  description: "Sign in to your account on this machine",
  args: {
    name: { type: "positional", required: true, description: "The username" },
    timeout: { ...timeoutOption, default: "10s" },
    ...passwordOptions,
  },
  async run({ config, output, place }, args) {
    const name = args.name.toLowerCase();
    const profile = checkedProfile(place.profile ?? config.profile ?? name);
    const home = homeOf(config, place);
    await refuseTakenProfile(home, profile);
    const gateway = await chooseGateway(config, place);
    const password = await askPassword({ fromStdin: args["password-stdin"] === true, given: config.password, twice: false });
    const result = await withPatience({ milliseconds: parseDuration(args.timeout, "timeout"), gateway }, () =>
      signIn({ home, profile }, { gateway, name, password }),
    );
    await rememberProfile(home, profile);
    const { me } = result;
    await output.print(
      { type: "signed-in", name: me.name, account: me.account, device: me.device, profile, gateway: me.gateway },
      `Welcome, ${me.name}! You are signed in at ${me.gateway}.`,
    );
  },
});
