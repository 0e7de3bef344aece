import type { ConversationId } from "@fastchat/protocol";
import type { Household, OwnedDevice, Owner } from "./household.ts";

/** A text that was given to a device to send. */
export interface Said {
  readonly conversation: ConversationId;
  readonly owner: Owner;
  readonly device: OwnedDevice;
  /** It was not taken to be sent, or the device was taken back to an older copy since, which may not know of it. */
  mayBeForgotten: boolean;
}

/** What happened in a household. */
export interface Played {
  readonly household: Household;
  readonly group: ConversationId;
  /** One for each pair. */
  readonly directs: readonly { readonly id: ConversationId; readonly owners: readonly [Owner, Owner] }[];
  readonly texts: Map<string, Said>;
  /** Line by line, for who must find out why something diverged. */
  readonly history: string[];
  restored: boolean;
}

export const living = ({ devices }: Pick<Household, "devices">): OwnedDevice[] => devices.filter(({ ended }) => !ended);

/** Somebody may have replaced their identity: who writes to them says that it is all right. */
export async function prepareToSend({ directs }: Played, { person: { me, client } }: OwnedDevice, id: ConversationId): Promise<void> {
  const peer = directs.find((direct) => direct.id === id)?.owners.find(({ account }) => account !== me.account);
  if (peer === undefined) return;
  await client.openDirect(peer.name);
  if ((await client.conversation(id))?.blocked === "identity-changed") await client.acceptIdentity(peer.name);
}
