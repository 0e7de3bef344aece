import { signUp } from "@fastchat/client/node";
import { newPassword } from "../person.ts";

// `node sign-up.ts GATEWAY HOME NAME...`: signs people up, one profile each, and prints [name, password] pairs as JSON.

const [gateway, home, ...names] = process.argv.slice(2) as [string, string, ...string[]];
const pairs: [name: string, password: string][] = [];
for (const name of names) {
  const password = newPassword();
  const result = await signUp({ home, profile: name }, { gateway, name, password });
  if (result.kind !== "signed-up")
    throw new Error(`${name} could not sign up: ${result.kind === "refused" ? result.sentence : result.kind}`);
  pairs.push([name, password]);
}
process.stdout.write(JSON.stringify(pairs));
