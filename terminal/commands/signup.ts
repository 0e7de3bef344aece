import { ErrorCode, FastChatError, parseName } from "@fastchat/protocol";
import { signUp } from "@fastchat/client/node";
import { weakPassword, withPassword } from "../ask.ts";
import { ourCommand } from "../config.ts";
import { failureOf } from "../failure.ts";
import { wrapped } from "../output.ts";
import { rememberProfile, withPatience } from "../place.ts";
import { recoveryNotice, recoveryRows } from "../words.ts";
import { command, passwordOptions, timeoutOption } from "./command.ts";
import { freshPlace, introduce } from "./entering.ts";

export const signup = command({
  name: "signup",
  description: "Make an account, and sign in",
  args: {
    name: { type: "positional", required: true, description: "The username" },
    invitation: { type: "string", valueHint: "CODE", description: "Where sign-up needs one" },
    timeout: { ...timeoutOption, default: "10s" },
    ...passwordOptions,
  },
  async run(context, args) {
    const { config, output } = context;
    const parsed = parseName(args.name);
    if (parsed.kind === "invalid") throw failureOf(new FastChatError(ErrorCode.NAME_INVALID));
    const { name } = parsed;
    const { home, profile, gateway, milliseconds } = await freshPlace(context, name, args.timeout);
    const invitation = args.invitation === undefined ? {} : { invitation: args.invitation };
    const source = { fromStdin: args["password-stdin"] === true, given: config.password, output };
    const { me, recoveryWords } = await withPassword(source, async ({ text: password, confirm }) => {
      const result = await withPatience({ milliseconds, gateway }, (restart) =>
        signUp({ home, profile }, { gateway, name, password, confirm: () => confirm().finally(restart), ...invitation }),
      );
      if (result.kind === "signed-up") return result;
      throw weakPassword(result.suggestion);
    });
    await rememberProfile(home, profile);
    await output.print(
      { type: "signed-up", name: me.name, account: me.account, device: me.device, profile, gateway: me.gateway, recoveryWords },
      [
        `Welcome, ${me.name}! You are signed up and signed in at ${me.gateway}.`,
        "",
        wrapped(recoveryNotice(me.name)),
        "",
        ...recoveryRows(recoveryWords),
        "",
        wrapped(`Next: "${ourCommand}" opens the client; "${ourCommand} send NAME TEXT" sends a message.`),
      ].join("\n"),
    );
    await introduce({ home, profile });
  },
});
