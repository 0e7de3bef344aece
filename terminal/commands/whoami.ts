import { parseDuration } from "../durations.ts";
import { openSignedIn, untilOnline } from "../place.ts";
import { command, timeoutOption } from "./command.ts";

export const whoami = command({
  name: "whoami",
  description: "Who is signed in, and at which chat server",
  args: { timeout: { ...timeoutOption, default: "3s" } },
  async run({ config, output, place }, args) {
    const patience = parseDuration(args.timeout, "timeout");
    const { client, profile } = await openSignedIn(config, place);
    await using _ = client;
    await untilOnline(client, patience);
    const { me, role, connection } = client;
    const server = connection.kind === "online" ? connection.server : null;
    await output.print(
      {
        type: "account",
        name: me.name,
        account: me.account,
        device: me.device,
        profile,
        gateway: me.gateway,
        server,
        connection: connection.kind,
        role,
      },
      `${me.name} at ${me.gateway}, ${server === null ? "not connected" : `connected to ${server}`}`,
    );
  },
});
