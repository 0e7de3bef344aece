import { openSignedIn } from "../place.ts";
import { command } from "./command.ts";

export const signout = command({
  name: "signout",
  description: "Sign this device out and erase its messages here; the account keeps them",
  args: {},
  async run({ config, output, place }) {
    const { client } = await openSignedIn(config, place);
    await using _ = client;
    const { name } = client.me;
    const { server } = await client.signOut();
    const told =
      server === "told"
        ? ""
        : " The server could not be reached: end this device's session from another device, or sign in and out again later.";
    await output.print({ type: "signed-out", name, server }, `${name} is signed out here.${told}`);
  },
});
