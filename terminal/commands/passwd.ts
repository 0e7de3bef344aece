import type { Client } from "@fastchat/client";
import { weakPassword, withSecrets } from "../ask.ts";
import { ourCommand } from "../config.ts";
import { exitCodes, Failure, refusedWith } from "../failure.ts";
import { type Output, wrapped } from "../output.ts";
import { needOnline } from "../place.ts";
import { recoveryNotice, recoveryRows } from "../words.ts";
import { passwordOptions } from "./command.ts";
import { signedInCommand } from "./signed-in-command.ts";

export const passwd = signedInCommand({
  name: "passwd",
  description: "Change your password; no message is lost, and your devices stay signed in",
  args: {
    "somebody-knows": {
      type: "boolean",
      description: "Somebody may know your password: replace every key and the recovery words too, and put out all devices but this one",
    },
    ...passwordOptions,
  },
  waitsFor: "nothing",
  timeout: "15s",
  async run({ client, config, output, patience }, args) {
    const isKnown = args["somebody-knows"] === true;
    await needOnline(client, patience);
    const questions = [
      { words: "Current password: ", given: config.password },
      { words: "New password: ", given: config.newPassword, again: true },
    ];
    const source = { fromStdin: args["password-stdin"] === true, output };
    const recoveryWords = await withSecrets(questions, source, async ([old = "", fresh = ""]) => {
      if (old.normalize("NFKC") === fresh.normalize("NFKC"))
        throw new Failure(exitCodes.refused, "same-password", "The new password is the current one: choose another.");
      const result = await (isKnown ? client.succeed(old, fresh) : client.changePassword(old, fresh));
      if (result.kind === "weak-password") throw weakPassword(result.suggestion);
      if (result.kind === "refused") throw refusedWith(result);
      return result.kind === "succeeded" ? result.recoveryWords : undefined;
    });
    if (recoveryWords !== undefined) return tellSuccession(client, recoveryWords, output);
    await output.print({ type: "password-changed", name: client.me.name }, "Your password is changed.");
    output.remark(
      `The old one signs nobody in any more. Who signed in with it before keeps what it opened, and with an old copy of the server's data it still opens the account: if somebody may know it, run "${ourCommand} passwd --somebody-knows".`,
    );
  },
});

/** What is said when everything that opened the account was replaced. */
async function tellSuccession({ me: { name } }: Client, recoveryWords: readonly string[], output: Output): Promise<void> {
  const sentences = [
    wrapped(
      "Your account has a new password, new keys and new recovery words. This is its only device: sign in anew on your others. Nothing is lost.",
    ),
    "",
    wrapped(recoveryNotice(name)),
    "",
    ...recoveryRows(recoveryWords),
  ];
  await output.print({ type: "account-succeeded", name, recoveryWords }, sentences.join("\n"));
  output.remark(
    "The old password and the old recovery words open nothing that is written from now on. Whom you chat with sees that your keys were replaced, and that the old ones signed it.",
  );
}
