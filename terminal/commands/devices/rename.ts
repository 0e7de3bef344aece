import { usage } from "../../failure.ts";
import { needOnline } from "../../place.ts";
import { safeLine } from "../../safe-text.ts";
import { signedInCommand } from "../signed-in-command.ts";
import { deviceObject } from "./list.ts";
import { devicesNamed, shortIdOf } from "./named.ts";

export const rename = signedInCommand({
  name: "rename",
  description: "Call a device of yours something else, on all your devices",
  example: "3f2a91bc Kitchen",
  args: {
    id: { type: "positional", required: true, description: "Which device, by the beginning of its id" },
    name: { type: "positional", required: true, description: "What to call it" },
  },
  waitsFor: "nothing",
  async run({ client, output, patience }, args) {
    const name = args.name.trim();
    if (name === "") throw usage("Say what to call it: the name is empty.");
    await needOnline(client, patience);
    const [found] = await devicesNamed(client, [args.id]);
    await client.nameDevice(found!.device, name);
    await output.print(deviceObject({ ...found!, name }), `${shortIdOf(found!)} is called ${safeLine(name)} now.`);
  },
});
