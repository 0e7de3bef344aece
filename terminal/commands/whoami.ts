import { signedInCommand } from "./signed-in-command.ts";

export const whoami = signedInCommand({
  name: "whoami",
  description: "Who is signed in, and at which chat server",
  args: {},
  waitsFor: "server",
  timeout: "3s",
  async run({ client, profile, output }) {
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
