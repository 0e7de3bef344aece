import { recover as recoverAt } from "@fastchat/client/node";
import { weakPassword, withSecrets } from "../ask.ts";
import { ourCommand } from "../config.ts";
import { parseDuration } from "../durations.ts";
import { checkedProfile, chooseGateway, homeOf, rememberProfile, withPatience } from "../place.ts";
import { command, passwordOptions, timeoutOption } from "./command.ts";
import { refusedWith } from "./passwd.ts";
import { refuseTakenProfile } from "./signup.ts";

export const recover = command({
  name: "recover",
  description: "Sign in with your recovery words, and set a new password",
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
    const questions = [
      { words: "Your twelve recovery words: ", given: config.recoveryWords },
      { words: "New password: ", given: config.newPassword, again: true },
    ];
    const source = { fromStdin: args["password-stdin"] === true, output };
    const me = await withSecrets(questions, source, async ([words = "", password = ""]) => {
      const attempt = async () => {
        const result = await recoverAt({ home, profile }, { gateway, name, words, password });
        if (result.kind === "refused") throw refusedWith(result);
        return result;
      };
      const result = await withPatience({ milliseconds, gateway }, attempt);
      if (result.kind === "weak-password") throw weakPassword(result.suggestion);
      return result.me;
    });
    await rememberProfile(home, profile);
    await output.print(
      { type: "signed-in", name: me.name, account: me.account, device: me.device, profile, gateway: me.gateway },
      `Welcome back, ${me.name}! Your password is changed, and you are signed in at ${me.gateway}. The recovery words stay the same; devices that were signed in still are: see "${ourCommand} devices".`,
    );
  },
});
