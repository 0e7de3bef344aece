import type { ConversationId } from "@fastchat/protocol";
import type { Files } from "./api-files.ts";
import type { GroupInfo } from "./api-groups.ts";
import type { BroadcastList, ChatItem, DeviceInfo, Me, Person } from "./api.ts";
import type { StandingConversation } from "./standing.ts";

/** What an export is made of: the same for the process that holds a profile and for one beside it. */
export interface ExportSource {
  readonly me: Me;
  /** All that are here, whatever their standing; newest first. */
  conversations(): Promise<readonly StandingConversation[]>;
  requestsNotRead(): Promise<number>;
  group(id: ConversationId): Promise<GroupInfo | undefined>;
  contacts(): Promise<readonly Person[]>;
  /** Undefined: nobody can be asked now. */
  devices(): Promise<readonly DeviceInfo[] | undefined>;
  broadcastLists(): Promise<readonly BroadcastList[]>;
  /** The places of a log that are here, both included; none where `low` is above `high`. */
  placesHere(id: ConversationId): Promise<{ readonly low: number; readonly high: number }>;
  /** Makes a log available here down to this place. False: it cannot be had now. */
  fetchDownTo(id: ConversationId, sequence: number): Promise<boolean>;
  /** At these places, ascending. */
  itemsAt(id: ConversationId, sequences: readonly number[]): Promise<readonly ChatItem[]>;
  readonly fetchFile: Files["fetch"];
  /** What waits to be sent. */
  outgoing(id: ConversationId): Promise<readonly ChatItem[]>;
}
