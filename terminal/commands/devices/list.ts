import type { DeviceInfo } from "@fastchat/client";
import { needOnline } from "../../place.ts";
import { safeLine } from "../../safe-text.ts";
import { stampWords } from "../../time.ts";
import type { JsonObject } from "../shapes.ts";
import { signedInCommand } from "../signed-in-command.ts";
import { column } from "../words.ts";
import { shortIdOf } from "./named.ts";
import { policyWords } from "./policy.ts";

export const list = signedInCommand({
  name: "list",
  description: "The devices that are signed in to your account",
  args: { all: { type: "boolean", description: "Also those that were signed out or revoked" } },
  waitsFor: "nothing",
  async run({ client, output, patience }, args) {
    await needOnline(client, patience);
    const devices = await client.devices();
    const shown = devices.filter(({ state }) => args.all === true || state === "active");
    for (const each of shown) await output.print(deviceObject(each), deviceLine(each));
    // What was asked for is shown, whatever comes of this.
    const policy = await client.sessionPolicy().catch(() => undefined);
    if (policy?.account === "single" || policy?.server === "single") output.tell(policyWords(policy));
  },
});

export const deviceObject = ({ device, name, state, me, quick, added, lastSeen }: DeviceInfo): JsonObject => {
  const time = (milliseconds: number | undefined) => (milliseconds === undefined ? null : new Date(milliseconds).toISOString());
  return { type: "device", device, name, state, me, quick, added: time(added), lastSeen: time(lastSeen) };
};

function deviceLine(each: DeviceInfo): string {
  const added = each.added === undefined ? "" : `added ${stampWords(each.added)}`;
  const seen = each.me ? "this one" : each.lastSeen === undefined ? "" : `seen ${stampWords(each.lastSeen)}`;
  const ended = { active: "", "signed-out": "signed out", revoked: "revoked" }[each.state];
  const cells = [column(shortIdOf(each), 8), column(safeLine(each.name) || "(no name)", 28), column(added, 22), column(seen, 21), ended];
  return cells.join("  ").trimEnd();
}
