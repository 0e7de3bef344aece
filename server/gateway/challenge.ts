import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { type DeviceId, deviceId, ErrorCode, FastChatError, isHash, limits } from "@fastchat/protocol";
import { type Challenge, type ChallengeRequest, ChallengeSchema } from "@fastchat/protocol/wire/gateway";
import type { StoredDevice } from "../store/accounts.ts";
import { devicesLetIn } from "../store/sessions.ts";
import type { GatewayContext } from "./context.ts";

/** A challenge with a device's signature of it. */
interface Proof {
  readonly device: Uint8Array;
  readonly challenge: Uint8Array;
  readonly signature: Uint8Array;
}

/** As verifyTicketRequest and verifyBlobPassRequest. */
type Verify = (signingKey: Uint8Array, device: DeviceId, challenge: Uint8Array, signature: Uint8Array) => Promise<boolean>;

export async function giveChallenge(gateway: GatewayContext, { device }: ChallengeRequest): Promise<Challenge> {
  if (!isHash(device)) throw new FastChatError(ErrorCode.MALFORMED);
  const content = { device: deviceId(device), nonce: randomBytes(16).toString("hex") };
  return create(ChallengeSchema, { challenge: gateway.states.seal("challenge", limits.challengeMs, content) });
}

/**
 * A device that proves by its signature that it is one of an account, and is let in.
 * Throws FastChatError MALFORMED, SIGN_IN_EXPIRED, DEVICE_UNKNOWN, SIGNATURE_INVALID, RATE_LIMITED, or why the device is not let in.
 */
export async function provenDevice(gateway: GatewayContext, proof: Proof, verify: Verify): Promise<StoredDevice> {
  if (!isHash(proof.device)) throw new FastChatError(ErrorCode.MALFORMED);
  const id = deviceId(proof.device);
  if (gateway.states.open("challenge", proof.challenge)?.["device"] !== id) throw new FastChatError(ErrorCode.SIGN_IN_EXPIRED);
  const device = await gateway.devices.find(proof.device);
  if (device === undefined) throw new FastChatError(ErrorCode.DEVICE_UNKNOWN);
  if (!(await verify(device.signingKey, id, proof.challenge, proof.signature))) throw new FastChatError(ErrorCode.SIGNATURE_INVALID);
  await mustBeLetIn(gateway, device);
  gateway.rates.ticketsByDevice.takeOrThrow(id);
  return device;
}

/** [H8] Where accounts are signed in on one device, that is the newest one: those of a time when they were on many are not asked again. */
export async function mustBeLetIn({ database, sessions }: GatewayContext, device: StoredDevice): Promise<void> {
  if (device.shutOut !== undefined) throw new FastChatError(device.shutOut);
  const isOutdated = sessions === "single" && (await devicesLetIn(database, device.account)).at(-1) !== device.device;
  if (isOutdated) throw new FastChatError(ErrorCode.SIGNED_IN_ELSEWHERE);
}
