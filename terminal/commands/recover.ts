import { recover as recoverAt } from "@fastchat/client/node";
import { weakPassword, withSecrets } from "../ask.ts";
import { ourCommand } from "../config.ts";
import { withPatience } from "../place.ts";
import { command, passwordOptions, timeoutOption } from "./command.ts";
import { placeToEnter, inThePlaceOfOthers, replacingOptions, signedIn } from "./entering.ts";

export const recover = command({
  name: "recover",
  description: "Sign in with your recovery words, and set a new password",
  args: {
    name: { type: "positional", required: true, description: "The username" },
    timeout: { ...timeoutOption, default: "10s" },
    ...replacingOptions,
    ...passwordOptions,
  },
  async run(context, args) {
    const { config, output } = context;
    const name = args.name.toLowerCase();
    const { home, profile, gateway, milliseconds } = await placeToEnter(context, name, args.timeout);
    const questions = [
      { words: "Your twelve recovery words: ", given: config.recoveryWords },
      { words: "New password: ", given: config.newPassword, again: true },
    ];
    const source = { fromStdin: args["password-stdin"] === true, output };
    const attempt = async (words: string, password: string, signOutOthers: boolean) => {
      const result = await withPatience({ milliseconds, gateway }, () =>
        recoverAt({ home, profile }, { gateway, name, words, password, signOutOthers }),
      );
      if (result.kind === "weak-password") throw weakPassword(result.suggestion);
      return result;
    };
    const { first, again } = await withSecrets(questions, source, async ([words = "", password = ""]) => ({
      first: await attempt(words, password, args["sign-out-there"] === true),
      again: () => attempt(words, password, true),
    }));
    const result = await inThePlaceOfOthers(output, first, again);
    const { me, others } = result;
    const stay =
      others === undefined ? `devices that were signed in still are: see "${ourCommand} devices"` : "other devices are signed out";
    const sentence = `Welcome back, ${me.name}! Your password is changed, and you are signed in at ${me.gateway}. The recovery words stay the same; ${stay}.`;
    await signedIn(context, { home, profile }, result, sentence);
  },
});
