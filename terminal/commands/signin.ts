import { ErrorCode, errorRow } from "@fastchat/protocol";
import { signIn } from "@fastchat/client/node";
import { withPassword } from "../ask.ts";
import { ourCommand } from "../config.ts";
import { Failure, asFailure } from "../failure.ts";
import { withPatience } from "../place.ts";
import { runQuick } from "./client.ts";
import { command, passwordOptions, timeoutOption } from "./command.ts";
import { placeToEnter, inThePlaceOfOthers, replacingOptions, signedIn } from "./entering.ts";

export const signin = command({
  name: "signin",
  description: "Sign in to your account on this machine",
  args: {
    name: { type: "positional", required: true, description: "The username" },
    quick: { type: "boolean", description: "QuickChat: open the client without a profile; it brings nothing here and leaves nothing here" },
    timeout: { ...timeoutOption, default: "10s" },
    ...replacingOptions,
    ...passwordOptions,
  },
  async run(context, args) {
    if (args.quick === true) return runQuick(context, args.name);
    const { config, output } = context;
    const name = args.name.toLowerCase();
    const { home, profile, gateway, milliseconds } = await placeToEnter(context, name, args.timeout);
    const source = { fromStdin: args["password-stdin"] === true, given: config.password, output };
    const attempt = (password: string, signOutOthers: boolean) =>
      withPatience({ milliseconds, gateway }, () => signIn({ home, profile }, { gateway, name, password, signOutOthers }));
    const { password, first } = await withPassword(source, async ({ text }) => ({
      password: text,
      first: await attempt(text, args["sign-out-there"] === true),
    })).catch((error: unknown) => {
      const failure = asFailure(error);
      if (failure.code !== errorRow(ErrorCode.NO_SUCH_USER).name) throw failure;
      throw new Failure(failure.exit, failure.code, `No such user: check the name, or run "${ourCommand} signup ${name}".`);
    });
    const result = await inThePlaceOfOthers(output, first, () => attempt(password, true));
    await signedIn(context, { home, profile }, result, `Welcome, ${result.me.name}! You are signed in at ${result.me.gateway}.`);
  },
});
