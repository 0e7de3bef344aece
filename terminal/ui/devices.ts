import type { DeviceInfo } from "@fastchat/client";
import { fit } from "../cells.ts";
import { safeLine } from "../safe-text.ts";
import { agoWords } from "../time.ts";
import type { Command, Key } from "./keys.ts";
import { movedIndex } from "./press-members.ts";
import { askToRevoke } from "./revoke.ts";
import { type Row, blankRow, chosen, listTop, paragraph, span, spread } from "./rows.ts";
import { type State, type Step, step } from "./state.ts";

// The devices that are signed in to this account.

/** Enough of an id to name a device by. */
export const SHORT_ID = 8;

/** Over what lies there already nothing opens. */
export const withDevices = (state: State, devices: readonly DeviceInfo[]): State =>
  state.overlay.kind === "none"
    ? { ...state, overlay: { kind: "devices", devices: devices.filter((device) => device.state === "active"), index: 0 } }
    : state;

export function devicesRows(
  { devices, index }: { readonly devices: readonly DeviceInfo[]; readonly index: number },
  now: number,
  width: number,
  height: number,
): readonly Row[] {
  const advice = paragraph("Lost it, or not yours? x takes all rights from it: it reads nothing more from then on.", width, "dim");
  const room = Math.max(1, height - 3 - advice.length);
  const top = listTop(index, devices.length, room);
  const rows = devices.slice(top, top + room).map((each, at): Row => {
    const seen = each.me ? "this one" : each.lastSeen === undefined ? "" : `seen ${agoWords(each.lastSeen, now)}`;
    const id = `  ${each.device.slice(0, SHORT_ID)}  `;
    // The id stays whole: it is what a device is told apart by.
    const name = fit(safeLine(each.name) || "(no name)", Math.max(4, width - 2 - id.length - seen.length - 2));
    const row = spread([span("  "), span(name), span(id, "dim")], [span(`${seen}  `, each.me ? "accent" : "dim")], width);
    return at + top === index ? chosen(row) : row;
  });
  const isOther = devices[index]?.me === false;
  return [...paragraph("Signed in to your account:", width, "bold"), blankRow, ...rows, blankRow, ...(isOther ? advice : [])];
}

export function pressDevices(state: State, key: Key, command: Command | undefined): Step {
  const { overlay } = state;
  if (overlay.kind !== "devices") return step(state);
  const chosenDevice = overlay.devices[overlay.index];
  if (key.name === "text" && key.text === "x" && chosenDevice?.me === false) return step({ ...state, overlay: askToRevoke(chosenDevice) });
  const index = movedIndex(overlay.index, overlay.devices.length, key, command);
  return step(index === undefined ? state : { ...state, overlay: { ...overlay, index } });
}
