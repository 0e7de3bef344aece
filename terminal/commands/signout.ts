import { wrapped } from "../output.ts";
import { needOnline, openSignedIn } from "../place.ts";
import { command, passwordOptions } from "./command.ts";
import { revokeWithPassword } from "./devices/revoke.ts";
import { showWarnings } from "./warnings.ts";

const ONLINE_MS = 10_000;

export const signout = command({
  name: "signout",
  description: "Sign this device out and erase its messages here; the account keeps them",
  args: {
    everywhere: { type: "boolean", description: "Revoke all other devices first; asks for your password" },
    ...passwordOptions,
  },
  async run({ config, output, place }, args) {
    const { client } = await openSignedIn(config, place);
    await using _ = client;
    await using _warnings = await showWarnings(client, output);
    const { name } = client.me;
    let others = 0;
    if (args.everywhere === true) {
      await needOnline(client, ONLINE_MS);
      const rest = (await client.devices()).filter(({ me, state }) => !me && state !== "revoked");
      others = rest.length;
      if (others > 0)
        await revokeWithPassword(client, rest, { fromStdin: args["password-stdin"] === true, given: config.password, output });
    }
    const { server } = await client.signOut();
    const told =
      server === "told"
        ? ""
        : " The server could not be reached: end this device's session from another device, or sign in and out again later.";
    const everywhere = args.everywhere === true;
    await output.print(
      { type: "signed-out", name, server, ...(everywhere && { revoked: others }) },
      wrapped(`${name} is signed out ${everywhere ? "everywhere" : "here"}.${told}`),
    );
  },
});
