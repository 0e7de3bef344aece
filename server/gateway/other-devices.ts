import { create } from "@bufbuild/protobuf";
import { type AccountId, deviceId, ErrorCode, FastChatError, isHash, limits } from "@fastchat/protocol";
import { DeviceTimesSchema } from "@fastchat/protocol/wire/frames";
import { type OtherDevices, type OtherDevicesRequest, OtherDevicesSchema } from "@fastchat/protocol/wire/gateway";
import { readDeviceTimes } from "../store/accounts.ts";
import { devicesLetIn } from "../store/sessions.ts";
import { readVaultSlots } from "../store/vault.ts";
import type { GatewayContext } from "./context.ts";
import { mustHaveRecord } from "./sign-in.ts";

/**
 * [H8] What a person who is signed in already is told of the other devices, before one more is added. Which slots of the vault hold their names
 * says only who has the account's keys; whatever else is asked for comes as sealed as it lies there.
 */
export async function otherDevices(gateway: GatewayContext, { grant, slots }: OtherDevicesRequest): Promise<OtherDevices> {
  const { database, states } = gateway;
  if (slots.length > limits.deviceNotesPerRequest) throw new FastChatError(ErrorCode.TOO_LARGE);
  if (!slots.every((slot) => isHash(slot))) throw new FastChatError(ErrorCode.MALFORMED);
  const opened = states.open("grant", grant);
  if (opened === undefined) throw new FastChatError(ErrorCode.SIGN_IN_EXPIRED);
  const account = opened["account"] as AccountId;
  await mustHaveRecord(gateway, account, opened["record"]);
  const letIn = new Set(await devicesLetIn(database, account));
  const times = (await readDeviceTimes(database, account)).filter(({ device }) => letIn.has(deviceId(device)));
  return create(OtherDevicesSchema, {
    notes: await readVaultSlots(database, account, slots),
    times: times.map(({ device, added, lastSeen }) =>
      create(DeviceTimesSchema, { device, added: BigInt(added), lastSeen: BigInt(lastSeen) }),
    ),
  });
}
