import type { ChatMessage } from "@fastchat/client";
import { kittyId } from "../pictures/kitty.ts";
import type { Cells, Pixels, Size } from "../pictures/pixels.ts";
import { isCovered, layoutOf, lookOf } from "./layout.ts";
import { type LoadedPicture, type MessagePicture, blockCells, picturesOf, pixelsFor } from "./picture-block.ts";
import { placeIn, viewId, viewOf, viewPixels } from "./picture-view.ts";
import { type Chat, type Effect, type PictureUse, type State, type Step, type ToldPicture, openChat, step } from "./state.ts";
import type { Entry } from "./timeline.ts";
import { messageWidth, windowOf } from "./transcript.ts";

// Which pixels are asked for, which are kept, and what a terminal with the kitty protocol has to be told.

/** Pixels of so many pictures are kept, beside those that show. */
const KEPT = 24;
/** So much larger than before a picture has to be to be fetched anew. */
const MUCH_LARGER = 1.5;

interface Visible {
  readonly message: ChatMessage;
  readonly picture: MessagePicture;
  readonly cells: Cells;
}

/** What follows for pictures from any state: what shows is fetched, and the terminal gets it. */
export function settlePictures(state: State): Step {
  if (state.pictureTerminal.protocol === "none") return step(state);
  const visible = visibleIn(state);
  const viewed = fetchView(state);
  const fetched = fetchVisible(viewed.state, visible);
  const told = tell(fetched.state, visible);
  return step(told.state, ...viewed.effects, ...fetched.effects, ...told.effects);
}

const some = new WeakMap<Chat["entries"], boolean>();

/** Most chats have no picture: that is looked up once. */
function hasPictures(entries: readonly Entry[]): boolean {
  const known = some.get(entries);
  if (known !== undefined) return known;
  const has = entries.some(({ item }) => item.kind === "message" && picturesOf(item).length > 0);
  some.set(entries, has);
  return has;
}

function visibleIn(state: State): readonly Visible[] {
  const chat = openChat(state);
  if (chat === undefined || isCovered(state) || !hasPictures(chat.entries)) return [];
  const layout = layoutOf(state);
  const look = lookOf(state, layout);
  const { first, last } = windowOf(chat, layout.transcriptHeight, look);
  return chat.entries.slice(first, last + 1).flatMap(({ item }) => {
    if (item.kind !== "message") return [];
    return picturesOf(item).map((picture) => ({
      message: item,
      picture,
      cells: blockCells(picture, look.pictures, messageWidth(look)),
    }));
  });
}

/** The pixels that are wanted where more are than were asked for; undefined: what was asked for is enough. */
function missing(loaded: LoadedPicture | undefined, wanted: Size): LoadedPicture | undefined {
  if (loaded === undefined) return { kind: "asked", asked: wanted };
  if (loaded.kind === "failed") return undefined;
  const isEnough = wanted.width <= loaded.asked.width * MUCH_LARGER && wanted.height <= loaded.asked.height * MUCH_LARGER;
  return isEnough ? undefined : { ...loaded, asked: wanted };
}

function fetchView(state: State): Step {
  const view = viewOf(state);
  if (view === undefined || state.overlay.kind !== "picture") return step(state);
  const size = viewPixels(state, view);
  const loaded = missing(view.loaded, size);
  if (loaded === undefined) return step(state);
  return step(
    { ...state, overlay: { ...state.overlay, loaded } },
    { kind: "load-picture", message: view.message, picture: view.picture, use: "view", size },
  );
}

function fetchVisible(state: State, visible: readonly Visible[]): Step {
  const effects: Effect[] = [];
  const pictures = new Map(state.pictures);
  for (const { message, picture, cells } of visible) {
    const size = pixelsFor(cells, state.pictureTerminal);
    const loaded = missing(pictures.get(picture.key), size);
    if (loaded === undefined) continue;
    pictures.set(picture.key, loaded);
    effects.push({ kind: "load-picture", message, picture, use: "transcript", size });
  }
  if (effects.length === 0) return step(state);
  const shown = new Set(visible.map(({ picture }) => picture.key));
  for (const key of pictures.keys()) {
    if (pictures.size <= KEPT + shown.size) break;
    if (!shown.has(key)) pictures.delete(key);
  }
  return step({ ...state, pictures }, ...effects);
}

/** Sends what is new, places what has another size, forgets what is not kept. */
function tell(state: State, visible: readonly Visible[]): Step {
  if (state.pictureTerminal.protocol !== "kitty") return step(state);
  const effects: Effect[] = [];
  const told = new Map(state.told);
  for (const [id, wanted] of wantedIn(state, visible)) {
    const before = told.get(id);
    if (before?.pixels !== wanted.pixels) effects.push({ kind: "tell-picture", tell: { kind: "send", id, pixels: wanted.pixels } });
    const isPlaced = before?.cells.columns === wanted.cells.columns && before.cells.rows === wanted.cells.rows;
    if (before?.pixels === wanted.pixels && isPlaced) continue;
    effects.push({ kind: "tell-picture", tell: { kind: "place", id, cells: wanted.cells } });
    told.set(id, wanted);
  }
  const view = viewOf(state);
  const kept = new Set([...state.pictures.keys()].map(kittyId));
  if (view !== undefined) kept.add(viewId(view.picture));
  for (const id of [...told.keys()].filter((known) => !kept.has(known))) {
    told.delete(id);
    effects.push({ kind: "tell-picture", tell: { kind: "forget", id } });
  }
  return effects.length === 0 ? step(state) : step({ ...state, told }, ...effects);
}

function wantedIn(state: State, visible: readonly Visible[]): ReadonlyMap<number, ToldPicture> {
  const wanted = new Map<number, ToldPicture>();
  for (const { picture, cells } of visible) {
    const loaded = state.pictures.get(picture.key);
    if (loaded?.kind === "here") wanted.set(kittyId(picture.key), { pixels: loaded.pixels, cells });
  }
  const view = viewOf(state);
  if (view?.loaded?.kind === "here") wanted.set(viewId(view.picture), { pixels: view.loaded.pixels, cells: placeIn(state, view).cells });
  return wanted;
}

/** Pixels have come, or (undefined) will not. */
export function withPixels(state: State, use: PictureUse, key: string, pixels: Pixels | undefined): State {
  const next = (loaded: LoadedPicture): LoadedPicture => {
    if (pixels !== undefined && loaded.kind !== "failed") return { kind: "here", asked: loaded.asked, pixels };
    // What is there already is better than nothing.
    return loaded.kind === "here" ? loaded : { kind: "failed" };
  };
  if (use === "view") {
    const view = viewOf(state);
    if (state.overlay.kind !== "picture" || view?.picture.key !== key || view.loaded === undefined) return state;
    return { ...state, overlay: { ...state.overlay, loaded: next(view.loaded) } };
  }
  const loaded = state.pictures.get(key);
  return loaded === undefined ? state : { ...state, pictures: new Map(state.pictures).set(key, next(loaded)) };
}

/** What could not be had is asked for again. */
export function withoutFailed(state: State): State {
  const kept = [...state.pictures].filter(([, { kind }]) => kind !== "failed");
  return kept.length === state.pictures.size ? state : { ...state, pictures: new Map(kept) };
}
