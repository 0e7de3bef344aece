import { ErrorCode, errorRow } from "@fastchat/protocol";
import { signIn } from "@fastchat/client/node";
import { withPassword } from "../ask.ts";
import { ourCommand } from "../config.ts";
import { parseDuration } from "../durations.ts";
import { Failure, asFailure } from "../failure.ts";
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
    const milliseconds = parseDuration(args.timeout, "timeout");
    const source = { fromStdin: args["password-stdin"] === true, given: config.password, output };
    const { me } = await withPassword(source, ({ text: password }) =>
      withPatience({ milliseconds, gateway }, () => signIn({ home, profile }, { gateway, name, password })),
    ).catch((error: unknown) => {
      const failure = asFailure(error);
      if (failure.code !== errorRow(ErrorCode.NO_SUCH_USER).name) throw failure;
      throw new Failure(failure.exit, failure.code, `No such user: check the name, or run "${ourCommand} signup ${name}".`);
    });
    await rememberProfile(home, profile);
    await output.print(
      { type: "signed-in", name: me.name, account: me.account, device: me.device, profile, gateway: me.gateway },
      `Welcome, ${me.name}! You are signed in at ${me.gateway}.`,
    );
  },
});
