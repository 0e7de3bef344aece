import type { Client, DeviceInfo } from "@fastchat/client";
import { ourCommand } from "../../config.ts";
import { exitCodes, Failure, usage } from "../../failure.ts";
import { safeLine } from "../../safe-text.ts";

const SHORT = 8;

/** Enough of an id to name a device by. */
export const shortIdOf = ({ device }: Pick<DeviceInfo, "device">): string => device.slice(0, SHORT);

export const deviceWords = (each: DeviceInfo): string =>
  each.name === "" ? shortIdOf(each) : `${safeLine(each.name)} (${shortIdOf(each)})`;

/** The devices whose ids begin with these words. Throws Failure. */
export async function devicesNamed(client: Client, words: readonly string[]): Promise<DeviceInfo[]> {
  const devices = await client.devices();
  const named = words.map((word) => {
    const found = devices.filter(({ device }) => device.startsWith(word.toLowerCase()));
    if (found.length > 1) throw usage(`More than one device begins with "${safeLine(word)}": write more of its id.`);
    if (found.length === 0)
      throw new Failure(
        exitCodes.refused,
        "no-such-device",
        `No device of yours begins with "${safeLine(word)}": see "${ourCommand} devices --all".`,
      );
    return found[0]!;
  });
  return [...new Set(named)];
}
