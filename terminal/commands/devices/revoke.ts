import type { Client, DeviceInfo } from "@fastchat/client";
import { type PasswordSource, withPassword } from "../../ask.ts";
import { ourCommand } from "../../config.ts";
import { exitCodes, Failure, usage } from "../../failure.ts";
import { needOnline } from "../../place.ts";
import { passwordOptions } from "../command.ts";
import { signedInCommand } from "../signed-in-command.ts";
import { deviceObject } from "./list.ts";
import { devicesNamed, deviceWords } from "./named.ts";

export const revoke = signedInCommand({
  name: "revoke",
  description: "Take all rights from devices that are lost, stolen or foreign; asks for your password",
  example: "3f2a91bc",
  args: {
    "id…": { type: "positional", required: true, description: "Which devices, by the beginning of their ids" },
    ...passwordOptions,
  },
  manyWords: true,
  waitsFor: "nothing",
  timeout: "15s",
  async run({ client, config, output, patience, words }, args) {
    await needOnline(client, patience);
    const devices = await devicesNamed(client, words);
    const wrong = devices.find(({ me, state }) => me || state === "revoked");
    if (wrong?.me === true) throw usage(`${deviceWords(wrong)} is the device you are on: run "${ourCommand} signout" to leave it.`);
    if (wrong !== undefined) throw new Failure(exitCodes.refused, "already-revoked", `${deviceWords(wrong)} was revoked already.`);
    await revokeWithPassword(client, devices, { fromStdin: args["password-stdin"] === true, given: config.password, output });
    for (const each of devices)
      await output.print(deviceObject({ ...each, state: "revoked" }), `${deviceWords(each)} has no rights any more.`);
    output.remark(
      `Everything that is written from now on has new keys. If somebody may know your password, run "${ourCommand} passwd --somebody-knows", and look at "${ourCommand} devices" once more.`,
    );
  },
});

export function revokeWithPassword(client: Client, devices: readonly DeviceInfo[], source: PasswordSource): Promise<void> {
  return withPassword(source, ({ text }) =>
    client.revokeDevices(
      text,
      devices.map(({ device }) => device),
    ),
  );
}
