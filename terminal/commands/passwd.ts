import { type ErrorCode, errorRow, FastChatError } from "@fastchat/protocol";
import { weakPassword, withSecrets } from "../ask.ts";
import { ourCommand } from "../config.ts";
import { needOnline } from "../place.ts";
import { passwordOptions } from "./command.ts";
import { signedInCommand } from "./signed-in-command.ts";

export const passwd = signedInCommand({
  name: "passwd",
  description: "Change your password; no message is lost, and your devices stay signed in",
  args: { ...passwordOptions },
  waitsFor: "nothing",
  timeout: "15s",
  async run({ client, config, output, patience }, args) {
    await needOnline(client, patience);
    const questions = [
      { words: "Current password: ", given: config.password },
      { words: "New password: ", given: config.newPassword, again: true },
    ];
    await withSecrets(questions, { fromStdin: args["password-stdin"] === true, output }, async ([old = "", fresh = ""]) => {
      const result = await client.changePassword(old, fresh);
      if (result.kind === "weak-password") throw weakPassword(result.suggestion);
      if (result.kind === "refused") throw refusedWith(result);
    });
    await output.print({ type: "password-changed", name: client.me.name }, "Your password is changed.");
    output.remark(
      `The old one signs nobody in any more. Who signed in with it before keeps what it opened: if that was somebody else, look at "${ourCommand} devices" and revoke what is not yours.`,
    );
  },
});

/** What was refused, in the words that came with it. */
export const refusedWith = ({ code, sentence }: { readonly code: ErrorCode; readonly sentence: string }): FastChatError =>
  new FastChatError(code, sentence === errorRow(code).sentence ? {} : { sentence });
