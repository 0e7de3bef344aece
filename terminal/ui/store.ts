import { ErrorCode, FastChatError, limits } from "@fastchat/protocol";
import type { Client, Warning } from "@fastchat/client";
import type { WantedPixels } from "../files/pixels.ts";
import { mayDo } from "../group-rights.ts";
import { kittyForget, kittyPlace, kittySend, throughTmux } from "../pictures/kitty.ts";
import type { Pixels } from "../pictures/pixels.ts";
import { safeName } from "../safe-text.ts";
import { acceptedWords } from "../words.ts";
import { atMostOnce } from "./again.ts";
import { performFiles, sendFiles } from "./perform-files.ts";
import { performGroups } from "./perform-groups.ts";
import { changesWithTime } from "./remaining.ts";
import { type Action, type Effect, type State, type TellPicture, initialState } from "./state.ts";
import { Transfers } from "./transfers.ts";
import { update } from "./update.ts";

/** The state of a running terminal client, and what carries out its effects. */
export interface Store {
  readonly state: () => State;
  readonly subscribe: (listener: () => void) => () => void;
  readonly dispatch: (action: Action) => void;
  /** The screen shows this account: its warnings are seen now. Returns the function that ends that. */
  readonly appear: () => () => void;
  /** Resolves when the person quits or the session ends. */
  readonly ended: Promise<Ending>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

export type Ending = { readonly kind: "quit" } | { readonly kind: "signed-out"; readonly server: "told" | "not-reached" };

export interface StoreOptions extends Pick<State, "columns" | "rows" | "colour" | "keymap" | "pictureTerminal"> {
  /** Sends text to the terminal's clipboard. */
  readonly copy: (text: string) => void;
  readonly redraw: () => void;
  /** Writes a control sequence to the terminal, between two frames. */
  readonly write: (sequence: string) => void;
  /** A picture that a message brings, upright, in its own aspect ratio. Fails where it cannot be had. */
  readonly decode: (client: Client, wanted: WantedPixels, signal: AbortSignal) => Promise<Pixels>;
  /** The profile's; undefined: of a QuickChat session, which has none. */
  readonly profileFolder: string | undefined;
  /** Shows another account, or (undefined) lets the person sign in to one. */
  readonly switchTo: (profile: string | undefined) => void;
}

const TICK_MS = 500;
/** The client waits a moment, too, before it tells other devices. */
const DRAFT_MS = 200;
/** Nobody is told of what is there sooner. */
const SLOW_MS = 200;
const WATCH_MS = 200;
const LAST_DRAFTS_MS = 1_000;

export function sentenceOf(error: unknown): string {
  if (error instanceof FastChatError) return error.row.sentence;
  return error instanceof Error ? error.message : String(error);
}

function sequenceOf(tell: TellPicture): string {
  switch (tell.kind) {
    case "send":
      return kittySend(tell.id, tell.pixels);
    case "place":
      return kittyPlace(tell.id, tell.cells);
    case "forget":
      return kittyForget(tell.id);
    default:
      return tell satisfies never;
  }
}

export function startStore(client: Client, options: StoreOptions): Store {
  const { copy, redraw, write, decode, profileFolder, switchTo, ...view } = options;
  let state = initialState(client, { ...view, now: Date.now() });
  const listeners = new Set<() => void>();
  let isAnnounced = false;
  let isShown = false;
  /** The client is being closed: what fails now is no news. */
  const over = new AbortController();
  const catchingUp = new AbortController();
  let viewing = new AbortController();
  const ending = Promise.withResolvers<Ending>();
  let watching: NodeJS.Timeout | undefined;
  const drafts = new Map<string, { readonly timer: NodeJS.Timeout; readonly save: () => Promise<void> }>();

  const announce = (): void => {
    isAnnounced = false;
    for (const listener of listeners) listener();
  };

  const dispatch = (action: Action): void => {
    const { state: next, effects } = update(state, action);
    const changed = next !== state;
    state = next;
    for (const effect of effects) start(effect);
    if (!changed) return;
    // A key shows at once; whatever comes in meanwhile is shown together, so that a flood of messages never holds keys up.
    if (action.kind === "key" || action.kind === "paste") announce();
    else if (!isAnnounced) {
      isAnnounced = true;
      setImmediate(announce);
    }
  };

  const say = (text: string, tone: "plain" | "error" = "plain"): void => dispatch({ kind: "said", text, tone, now: Date.now() });

  const transfers = new Transfers(dispatch, over.signal);
  const files = { client, dispatch, say, transfers, profileFolder };

  const start = (effect: Effect): void => {
    perform(effect).catch((error: unknown) => {
      if (over.signal.aborted) return;
      if (effect.kind === "send")
        dispatch({
          kind: "not-sent",
          id: effect.id,
          text: effect.line ?? effect.text,
          files: effect.files ?? [],
          sentence: sentenceOf(error),
          now: Date.now(),
        });
      else if ("line" in effect && effect.line !== undefined)
        dispatch({ kind: "refused", line: effect.line, sentence: sentenceOf(error), now: Date.now() });
      else say(sentenceOf(error), "error");
    });
  };

  const tell = (what: TellPicture): void => {
    const sequence = sequenceOf(what);
    write(state.pictureTerminal.inTmux ? throughTmux(sequence) : sequence);
  };

  /** Of people, and before them of the members who show. */
  const watch = async (): Promise<void> => {
    const accounts = new Set([...state.watched, ...state.people.map(({ account }) => account)]);
    await client.watchPresence([...accounts].slice(0, limits.watchedPresences));
  };
  const loadGroup = atMostOnce(async () => {
    const id = state.open;
    const info = id === undefined ? undefined : await client.groups.info(id);
    if (info === undefined) return;
    // The members show also while nobody can be asked who else wants to be one.
    const asked = info.joinRequests > 0 && mayDo(info, "add") ? client.groups.joinRequests(info.id).catch(() => []) : [];
    const askers = await asked;
    dispatch({ kind: "group", group: { info, askers } });
  });
  const loadRequests = atMostOnce(async () => dispatch({ kind: "requests", requests: await client.requests() }));

  const perform = async (effect: Effect): Promise<void> => {
    switch (effect.kind) {
      case "load-conversation": {
        const conversation = await client.conversation(effect.id);
        const { news } = effect;
        if (conversation !== undefined) dispatch({ kind: "conversation", conversation, ...(news !== undefined && { news }) });
        return;
      }
      case "load-group":
        return loadGroup();
      case "load-requests":
        return loadRequests();
      case "load-receipts": {
        const { conversation, id } = effect.message;
        dispatch({ kind: "receipts", message: id, receipts: await client.receipts(conversation) });
        return;
      }
      case "watch-members":
        // Whoever scrolls through a thousand members asks for those only where they stop.
        clearTimeout(watching);
        watching = setTimeout(() => void watch().catch(() => undefined), WATCH_MS);
        return;
      case "load-people": {
        const people = await client.people(effect.text === "" ? undefined : effect.text);
        const known = new Map(state.people.map((person) => [person.account, person]));
        for (const person of people) known.set(person.account, person);
        dispatch({ kind: "people", people: [...known.values()] });
        await watch();
        return;
      }
      case "load-items": {
        const { before, limit } = effect;
        const slow = setTimeout(() => dispatch({ kind: "slow", id: effect.id }), SLOW_MS);
        try {
          const { items, more } = await client.items(effect.id, before === undefined ? { limit } : { before, limit });
          dispatch({ kind: "items", id: effect.id, items, more, newest: before === undefined });
        } finally {
          clearTimeout(slow);
        }
        return;
      }
      case "open-direct": {
        const { orGroup } = effect;
        const name = effect.name.toLowerCase();
        const requests = state.requests.count === 0 ? [] : (await client.requests()).conversations;
        const id = await client.openDirect(name).catch((error: unknown) => {
          if (orGroup === undefined || !(error instanceof FastChatError) || error.code !== ErrorCode.NO_SUCH_USER) throw error;
          return orGroup;
        });
        const conversation = await client.conversation(id);
        if (conversation === undefined) return;
        dispatch({ kind: "opened", conversation });
        if (!conversation.request && requests.some((request) => request.id === id)) say(acceptedWords(safeName(name)));
        return;
      }
      case "send": {
        if (effect.files !== undefined) return sendFiles(files, effect);
        const { expiresAfter } = effect;
        await client.send(effect.id, effect.text, expiresAfter === undefined ? {} : { expiresAfter });
        return;
      }
      case "retry":
        await client.retry(effect.message);
        return;
      case "mark-read":
        await client.markRead(effect.id, effect.sequence);
        return;
      case "delete-message": {
        if (client.connection.kind !== "online") say("It is deleted as soon as there is a connection.");
        await client.deleteMessages(effect.id, [effect.message]);
        return say("Deleted for everybody.");
      }
      case "draft": {
        const { id, text } = effect;
        clearTimeout(drafts.get(id)?.timer);
        const save = async (): Promise<void> => {
          drafts.delete(id);
          await client.setDraft(id, text).catch((error: unknown) => say(sentenceOf(error), "error"));
        };
        drafts.set(id, { timer: setTimeout(() => void save(), text === "" ? 0 : DRAFT_MS), save });
        return;
      }
      case "typing":
        await client.setTyping(effect.id, effect.active);
        return;
      case "safety-number":
        dispatch({ kind: "safety-number", name: effect.name, number: await client.safetyNumber(effect.name) });
        return;
      case "set-verified":
        await client.setVerified(effect.name, effect.verified);
        say(
          effect.verified
            ? `${effect.name} is verified now, on all your devices.`
            : `${effect.name} is not verified: do not trust this chat before the numbers agree.`,
        );
        return;
      case "accept-identity":
        await client.acceptIdentity(effect.name);
        say(`${effect.name}'s new identity is accepted.`);
        return;
      case "accept-fork":
        await client.acceptFork(effect.id);
        say("This chat goes on with the history that this device knows.");
        return;
      case "set-note":
        await client.setNote(effect.name, effect.note);
        say(effect.note === "" ? "The note is gone." : "Noted, for your eyes only.");
        return;
      case "switch-account":
        return switchTo(effect.profile);
      case "add-account":
        return switchTo(undefined);
      case "revoke-device": {
        const { device, password } = effect;
        try {
          await client.revokeDevices(password, [device.device]);
        } catch (error) {
          return dispatch({ kind: "revoke-refused", sentence: sentenceOf(error), now: Date.now() });
        }
        return dispatch({ kind: "revoked", device, now: Date.now() });
      }
      case "create-group":
      case "change-group":
      case "invite":
      case "join":
      case "find-groups":
      case "list-devices":
      case "set-timer":
      case "set-retention":
      case "set-mute":
      case "set-pinned":
      case "set-blocked":
      case "accept-request":
      case "decline-request":
      case "broadcast":
      case "broadcast-lists":
      case "set-broadcast-list":
        return performGroups({ client, dispatch, say }, effect);
      case "attach":
      case "look-for-files":
      case "list-folder":
      case "save-files":
      case "open-file":
      case "cancel-transfer":
      case "cancel-upload":
        return performFiles(files, effect);
      case "load-picture": {
        const { message, picture, use, size } = effect;
        const whole = use === "view";
        if (whole) {
          // What one went on from is not fetched any more.
          viewing.abort();
          viewing = new AbortController();
        }
        const signal = whole ? AbortSignal.any([over.signal, viewing.signal]) : over.signal;
        const pixels = await decode(client, { message, place: picture.place, whole, most: size }, signal).catch(() => undefined);
        if (!signal.aborted) dispatch({ kind: "pixels", key: picture.key, use, pixels });
        return;
      }
      case "tell-picture":
        return tell(effect.tell);
      case "copy":
        copy(effect.text);
        return;
      case "redraw":
        redraw();
        return;
      case "sign-out":
        // It would wait for a connection that ends now.
        catchingUp.abort();
        ending.resolve({ kind: "signed-out", ...(await client.signOut()) });
        return;
      case "quit":
        ending.resolve({ kind: "quit" });
        return;
      default:
        return effect satisfies never;
    }
  };

  const loadAll = async (): Promise<void> => {
    dispatch({ kind: "conversations", conversations: await client.conversations() });
    await loadRequests();
  };

  const warn = (warning: Warning): void => dispatch({ kind: "event", event: { kind: "warning", ...warning }, now: Date.now() });
  const flashGoes = (): Promise<void> =>
    new Promise((resolve) => {
      const { flash } = state;
      const look = (): void => {
        if (state.flash === flash) return;
        listeners.delete(look);
        resolve();
      };
      listeners.add(look);
    });
  /** One after another, each until it is gone. */
  const showWarnings = atMostOnce(async () => {
    while (isShown && (await client.showWarning(warn))) await flashGoes();
  });
  const lookForWarnings = (): void => void showWarnings().catch(() => undefined);

  const unsubscribe = client.subscribe((event) => {
    // The others wait until they are shown.
    if (event.kind === "warning" && event.warning !== "storage") return lookForWarnings();
    if (event.kind !== "caught-up") return dispatch({ kind: "event", event, now: Date.now() });
    // What arrived is counted only once the list holds it.
    loadAll()
      .then(() => dispatch({ kind: "event", event, now: Date.now() }))
      .catch((error: unknown) => say(sentenceOf(error), "error"));
  });
  const begin = async (): Promise<void> => {
    await loadAll();
    start({ kind: "load-people", text: "" });
    // The client may have caught up before this store listened.
    await client.caughtUp(catchingUp.signal);
    await loadAll();
    dispatch({ kind: "event", event: { kind: "caught-up" }, now: Date.now() });
  };
  // Without a connection there is nothing to tell: the line above the field says it.
  begin().catch(() => undefined);
  const ticker = setInterval(() => {
    const now = Date.now();
    const serverAhead = client.serverTime - now;
    const { flash, offlineSince } = state;
    if (flash !== undefined || offlineSince !== undefined || changesWithTime(state, now, serverAhead))
      dispatch({ kind: "tick", now, serverAhead });
  }, TICK_MS);

  return {
    state: () => state,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    dispatch,
    appear: () => {
      isShown = true;
      lookForWarnings();
      return () => {
        isShown = false;
      };
    },
    ended: ending.promise,
    async [Symbol.asyncDispose]() {
      over.abort();
      isShown = false;
      catchingUp.abort();
      unsubscribe();
      clearInterval(ticker);
      clearTimeout(watching);
      listeners.clear();
      for (const id of state.told.keys()) tell({ kind: "forget", id });
      const pending = [...drafts.values()];
      for (const { timer } of pending) clearTimeout(timer);
      // Whatever else is under way ends with the client; a draft is worth a moment.
      await Promise.race([
        Promise.all(pending.map(({ save }) => save())),
        new Promise((resolve) => setTimeout(resolve, LAST_DRAFTS_MS).unref()),
      ]);
    },
  };
}
