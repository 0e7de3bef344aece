import { ErrorCode, FastChatError, parseName } from "@fastchat/protocol";
import { openClient, signUp } from "@fastchat/client/node";
import { weakPassword, withPassword } from "../ask.ts";
import { ourCommand } from "../config.ts";
import { parseDuration } from "../durations.ts";
import { Failure, exitCodes, failureOf } from "../failure.ts";
import { checkedProfile, chooseGateway, homeOf, rememberProfile, thisProgram, withPatience } from "../place.ts";
import { recoveryNotice } from "../words.ts";
import { command, passwordOptions, timeoutOption } from "./command.ts";

export const signup = command({
  name: "signup",
  description: "Make an account, and sign in",
  args: {
    name: { type: "positional", required: true, description: "The username" },
    invitation: { type: "string", valueHint: "CODE", description: "Where sign-up needs one" },
    timeout: { ...timeoutOption, default: "10s" },
    ...passwordOptions,
  },
  async run({ config, output, place }, args) {
    const parsed = parseName(args.name);
    if (parsed.kind === "invalid") throw failureOf(new FastChatError(ErrorCode.NAME_INVALID));
    const { name } = parsed;
    const profile = checkedProfile(place.profile ?? config.profile ?? name);
    const home = homeOf(config, place);
    await refuseTakenProfile(home, profile);
    const gateway = await chooseGateway(config, place);
    const milliseconds = parseDuration(args.timeout, "timeout");
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
        recoveryNotice(me.name),
        "",
        ...[0, 4, 8].map((at) =>
          `    ${recoveryWords
            .slice(at, at + 4)
            .map((word, index) => `${String(at + index + 1).padStart(2)} ${word.padEnd(10)}`)
            .join(" ")}`.trimEnd(),
        ),
        "",
        `Next: "${ourCommand}" opens the client; "${ourCommand} send NAME TEXT" sends a message.`,
      ].join("\n"),
    );
  },
});

/** Throws Failure when somebody is signed in with this profile already. */
export async function refuseTakenProfile(home: string, profile: string): Promise<void> {
  const client = await openClient({ home, profile }, { ...thisProgram, offline: true });
  if (client === undefined) return;
  const { name } = client.me;
  await client.close();
  throw new Failure(
    exitCodes.refused,
    "profile-in-use",
    `${name} is signed in with the profile ${profile} already: use another with --profile, or "${ourCommand} signout --profile ${profile}" first.`,
  );
}
