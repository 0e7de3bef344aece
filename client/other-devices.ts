import { deviceId, type DeviceId, ErrorCode, FastChatError, isHash } from "@fastchat/protocol";
import { activeDevices } from "@fastchat/protocol/chain";
import { openVaultEntry, toHex, vaultKeysOf, vaultSlot } from "@fastchat/protocol/seal";
import type { VaultEntry } from "@fastchat/protocol/wire/vault";
import { KnownAccounts } from "./accounts.ts";
import type { AlreadySignedIn, SignedIn } from "./api.ts";
import { Connection, ConnectionLost, defaultAgent } from "./connection.ts";
import { deviceNotePlace, knownTime, shownName } from "./devices.ts";
import { type Gateway, GatewayUnreachable } from "./gateway.ts";
import { OwnAccount } from "./own-account.ts";
import { eraseAll, loadProfile, type LocalProfile } from "./profile.ts";
import { mustBeEmpty, type OpenedKeys } from "./sign-in.ts";
import type { Storage } from "./storage.ts";
import { Vault } from "./vault.ts";

// [H8] What somebody who signs in has to do with the devices that are signed in already.

/** What they are called says the vault, when they were seen the server. Throws FastChatError. */
export async function alreadySignedIn(gateway: Gateway, account: OpenedKeys): Promise<AlreadySignedIn> {
  const vaultKeys = vaultKeysOf(account.accountKeys.at(-1)!);
  const active = activeDevices(account.state);
  const slotsOf = (device: DeviceId) => (["owner", "itself"] as const).map((by) => vaultSlot(vaultKeys, deviceNotePlace(device, by)));
  const { notes, times } = await gateway.otherDevices({ grant: account.grant, slots: active.flatMap(slotsOf) });
  const bySlot = new Map(notes.map((note) => [toHex(note.slot), note]));
  const byDevice = new Map(times.flatMap((each) => (isHash(each.device) ? [[deviceId(each.device), each]] : [])));
  // A name that the server holds back, or that is not as it must be [P4], is none: the times are its word anyhow.
  const nameIn = async (note: VaultEntry | undefined): Promise<string> => {
    const { state } = account;
    const opened = note && (await openVaultEntry(vaultKeys, state.account, note, (device) => state.devices.get(device)?.signingKey));
    return opened?.kind === "opened" && opened.content.kind.case === "deviceNote" ? shownName(opened.content.kind.value.name) : "";
  };
  const devices = active.toReversed().flatMap((device) => {
    const known = byDevice.get(device);
    if (known === undefined) return [];
    const named = Promise.all(slotsOf(device).map((slot) => nameIn(bySlot.get(toHex(slot)))));
    return [named.then((names) => ({ device, name: names.find((name) => name !== "") ?? "", known }))];
  });
  return {
    kind: "already-signed-in",
    devices: (await Promise.all(devices)).map(({ device, name, known }) => ({
      device,
      name,
      added: knownTime(known.added),
      lastSeen: knownTime(known.lastSeen),
    })),
  };
}

/**
 * [H3] Revokes all other devices, by the device that has just been added in their place and with the account that it opened. The server lets
 * none of them in any more since it was added: whatever ends this here, nobody is signed in twice.
 *
 * @param account with that device
 * @throws FastChatError SIGNED_IN_ELSEWHERE when another one came meanwhile in the place of this one, whose profile is empty again then
 */
export async function revokeOthers(storage: Storage, gateway: Gateway, account: OpenedKeys): Promise<NonNullable<SignedIn["others"]>> {
  const profile = (await loadProfile(storage))!;
  const others = activeDevices(account.state).filter((device) => device !== profile.me.device);
  if (others.length === 0) return "none";
  try {
    await revoke(storage, gateway, { account, profile, others });
    return "revoked";
  } catch (error) {
    if (!(error instanceof FastChatError || error instanceof ConnectionLost)) throw error;
    if (!(await isPutOut(gateway, profile))) return "shut-out";
    await storage.commit(await eraseAll(storage));
    throw new FastChatError(ErrorCode.SIGNED_IN_ELSEWHERE, { cause: error });
  }
}

interface Revoking {
  readonly account: OpenedKeys;
  readonly profile: LocalProfile;
  readonly others: readonly DeviceId[];
}

/** As much of a session as that takes; what it learns is in the profile for the next one. */
async function revoke(storage: Storage, gateway: Gateway, { account, profile, others }: Revoking): Promise<void> {
  const { me, signingSeed } = profile;
  const closing = new AbortController();
  const connection = new Connection(
    { gateway, device: me.device, signingSeed, agent: defaultAgent, onWake: () => () => undefined },
    {
      onState: () => undefined,
      onOnline: () => undefined,
      isBeginning: () => false,
      onUnknown: () => ownAccount.putBack(),
      onPush: () => undefined,
      onTime: () => undefined,
    },
  );
  const fetch: ConstructorParameters<typeof KnownAccounts>[1] = (request) =>
    connection.request({ case: "fetchAccount", value: request }, "account");
  const accounts = new KnownAccounts(storage, fetch, () => undefined);
  const ownAccount = new OwnAccount({
    storage,
    profile,
    accounts,
    connection,
    gateway,
    vault: () => vault,
    closing: closing.signal,
    told: { upTo: 0, tell: () => Promise.resolve() },
    onNewKeys: () => undefined,
  });
  const vault = new Vault({
    storage,
    author: { account: me.account, device: me.device, signingSeed },
    accounts,
    connection,
    vaultKeys: () => ownAccount.vaultKeys,
    renewKeys: () => ownAccount.renewKeys(),
    onChanged: () => undefined,
    onWrong: () => undefined,
    onUnexpected: () => undefined,
  });
  connection.start();
  try {
    await connection.online();
    await vault.refresh();
    await ownAccount.revokeWith(account, others);
  } finally {
    closing.abort();
    await vault.close();
    await connection.close();
  }
}

/** Nobody is signed in there; or this person was, by a device that is let in no more, whose place can be taken. Throws Error. */
export async function mustBeFree(storage: Storage, gateway: Gateway, name: string): Promise<void> {
  const profile = await loadProfile(storage);
  const isOver = profile?.me.name === name && (await isPutOut(gateway, profile));
  if (!isOver) await mustBeEmpty(storage);
}

/** Whether the server lets this device in no more. */
async function isPutOut(gateway: Gateway, { me, signingSeed }: LocalProfile): Promise<boolean> {
  try {
    await gateway.ticket(me.device, signingSeed, []);
    return false;
  } catch (error) {
    if (error instanceof GatewayUnreachable) return false;
    if (!(error instanceof FastChatError)) throw error;
    return error.code === ErrorCode.SIGNED_IN_ELSEWHERE || error.code === ErrorCode.DEVICE_REVOKED;
  }
}
