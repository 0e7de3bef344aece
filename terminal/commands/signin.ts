import { ErrorCode, errorRow } from "@fastchat/protocol";
import { signIn } from "@fastchat/client/node";
import { withPassword } from "../ask.ts";
import { ourCommand } from "../config.ts";
import { Failure, asFailure } from "../failure.ts";
import { withPatience } from "../place.ts";
import { command, passwordOptions, timeoutOption } from "./command.ts";
import { freshPlace, signedIn } from "./entering.ts";

export const signin = command({
  name: "signin",
  description: "Sign in to your account on this machine",
  args: {
    name: { type: "positional", required: true, description: "The username" },
    timeout: { ...timeoutOption, default: "10s" },
    ...passwordOptions,
  },
  async run(context, args) {
    const { config, output } = context;
    const name = args.name.toLowerCase();
    const { home, profile, gateway, milliseconds } = await freshPlace(context, name, args.timeout);
    const source = { fromStdin: args["password-stdin"] === true, given: config.password, output };
    const { me } = await withPassword(source, ({ text: password }) =>
      withPatience({ milliseconds, gateway }, () => signIn({ home, profile }, { gateway, name, password })),
    ).catch((error: unknown) => {
      const failure = asFailure(error);
      if (failure.code !== errorRow(ErrorCode.NO_SUCH_USER).name) throw failure;
      throw new Failure(failure.exit, failure.code, `No such user: check the name, or run "${ourCommand} signup ${name}".`);
    });
    await signedIn(context, { home, profile, me }, `Welcome, ${me.name}! You are signed in at ${me.gateway}.`);
  },
});
