import type { Client } from "@fastchat/client";
import { listCalled } from "../broadcast-lists.ts";
import { lifetimeLimits, timerSentence } from "../lifetimes.ts";
import { safeName } from "../safe-text.ts";
import { fewWords, plural } from "../words.ts";
import { changeGroup } from "./group-change.ts";
import type { Action, ConversationId, Effect } from "./state.ts";

/** What concerns groups, strangers, and several people at once. */
export type GroupEffect = Extract<
  Effect,
  {
    readonly kind:
      | "create-group"
      | "change-group"
      | "invite"
      | "join"
      | "find-groups"
      | "list-devices"
      | "set-timer"
      | "set-retention"
      | "set-mute"
      | "set-pinned"
      | "set-blocked"
      | "accept-request"
      | "decline-request"
      | "broadcast"
      | "broadcast-lists"
      | "set-broadcast-list";
  }
>;

export interface Performing {
  readonly client: Client;
  readonly dispatch: (action: Action) => void;
  readonly say: (text: string, tone?: "plain" | "error") => void;
}

/** Carries out an effect; rejects with what the person should hear. */
export async function performGroups({ client, dispatch, say }: Performing, effect: GroupEffect): Promise<void> {
  const opened = async (id: ConversationId): Promise<void> => {
    const conversation = await client.conversation(id);
    if (conversation !== undefined) dispatch({ kind: "opened", conversation });
  };
  const changed = async (id: ConversationId): Promise<void> => {
    const conversation = await client.conversation(id);
    if (conversation !== undefined) dispatch({ kind: "conversation", conversation });
  };
  switch (effect.kind) {
    case "create-group":
      return opened(await client.groups.create({ name: effect.name, members: effect.members }));
    case "change-group": {
      const { id, change } = effect;
      const sentence = await changeGroup(client.groups, id, change);
      if (sentence !== undefined) say(sentence);
      return changed(id);
    }
    case "invite": {
      const { id, uses, days } = effect;
      const { link, ...invitation } = await client.groups.invite(id, {
        ...(uses !== undefined && { uses }),
        ...(days !== undefined && { days }),
      });
      return dispatch({ kind: "invitation", id, invitation, link });
    }
    case "join": {
      const { kind, conversation } = await client.groups.join(effect.to);
      if (kind === "joined") return opened(conversation);
      return dispatch({ kind: "asked-to-join", id: conversation, now: Date.now() });
    }
    case "find-groups": {
      const { text } = effect;
      return dispatch({ kind: "found-groups", text, groups: await client.groups.find(text), now: Date.now() });
    }
    case "list-devices":
      return dispatch({ kind: "devices", devices: await client.devices(), now: Date.now() });
    case "set-timer": {
      const { id, seconds } = effect;
      await client.setTimer(id, seconds);
      say(seconds === 0 ? "What you write here is kept as long as all else here." : `${timerSentence(seconds)} ${lifetimeLimits}`);
      return changed(id);
    }
    case "set-retention": {
      await client.setRetention(effect.id, effect.seconds);
      return changed(effect.id);
    }
    case "set-mute": {
      await client.setMute(effect.id, effect.mute);
      const words = {
        none: "You get news from here again.",
        "except-mentions": "No news from here, but when you are mentioned.",
        all: "No news from here any more. /unmute ends it.",
      };
      say(words[effect.mute]);
      return changed(effect.id);
    }
    case "set-pinned":
      await client.setPinned(effect.id, effect.pinned);
      say(effect.pinned ? "Pinned: it stays at the top of the list." : "Not pinned any more.");
      return changed(effect.id);
    case "set-blocked": {
      const { name, blocked } = effect;
      await client.setBlocked(name, blocked);
      return say(
        blocked
          ? `${safeName(name)} is blocked: nothing more of what they write to you alone is shown. /unblock ${safeName(name)} ends it.`
          : `${safeName(name)} is not blocked any more.`,
      );
    }
    case "accept-request":
      await client.accept(effect.id);
      return changed(effect.id);
    case "decline-request":
      await client.decline(effect.id);
      return dispatch({ kind: "declined", id: effect.id });
    case "broadcast": {
      const list = listCalled(await client.broadcastLists(), effect.to);
      const names = list?.people.map(({ name }) => name) ?? effect.to.split(",").filter((name) => name !== "");
      await client.broadcast(names, effect.text);
      return say(`Sent to ${fewWords(names.map(safeName), 5)}, each by themselves.`);
    }
    case "broadcast-lists": {
      const lists = await client.broadcastLists();
      if (lists.length === 0) return say("No lists yet: /broadcast make LIST NAME… makes one. Without: /broadcast bob,carol TEXT.");
      const words = lists.map(({ name, people }) => `${name} (${plural(people.length, "person", "people")})`);
      return say(`Lists: ${fewWords(words, 5)}. /broadcast LIST TEXT writes to one.`);
    }
    case "set-broadcast-list": {
      const { name, people } = effect;
      if (people.length > 0) {
        await client.setBroadcastList(name, people);
        return say(`${name}: ${fewWords(people.map(safeName), 5)}. Each hears from you alone, and not who else does.`);
      }
      const list = listCalled(await client.broadcastLists(), name);
      if (list === undefined) throw new Error(`There is no list "${name}": /broadcast alone names yours.`);
      await client.setBroadcastList(list.name, []);
      return say(`${list.name} is gone.`);
    }
    default:
      return effect satisfies never;
  }
}
