import type { DeviceInfo } from "@fastchat/client";
import { safeLine } from "../safe-text.ts";
import { editorOf, emptyEditor } from "./editor.ts";
import type { Key } from "./keys.ts";
import { blankRow, paragraph, type Row, span } from "./rows.ts";
import { type Overlay, type State, type Step, step } from "./state.ts";
import { editingKey } from "./write.ts";

// All rights are taken from a device of this account, after the password was typed.

export type RevokeOverlay = Extract<Overlay, { kind: "revoke" }>;

export const nameOf = ({ name, device }: DeviceInfo): string => `${safeLine(name) || "The device"} ${device.slice(0, 8)}`;

export const askToRevoke = (device: DeviceInfo): RevokeOverlay => ({
  kind: "revoke",
  device,
  password: emptyEditor,
  isBusy: false,
  fault: undefined,
});

export function pressRevoke(state: State, key: Key): Step {
  const { overlay } = state;
  if (overlay.kind !== "revoke" || overlay.isBusy) return step(state);
  const { password, device } = overlay;
  if (key.name === "enter") {
    if (password.text === "") return step({ ...state, overlay: { ...overlay, fault: "Type your password first." } });
    const busy: Overlay = { ...overlay, password: emptyEditor, isBusy: true, fault: undefined };
    return step({ ...state, overlay: busy }, { kind: "revoke-device", device, password: password.text });
  }
  const change = editingKey(key);
  return step(change === undefined ? state : { ...state, overlay: { ...overlay, password: change(password) } });
}

/** It could not be done, as the sentence says: the password is typed again. */
export function revokeRefused(state: State, sentence: string): State {
  const { overlay } = state;
  return overlay.kind === "revoke" ? { ...state, overlay: { ...askToRevoke(overlay.device), fault: sentence } } : state;
}

const LABEL = "  Password: ";

export function revokePanel({ device, password, isBusy, fault }: RevokeOverlay, width: number) {
  const letters = [...new Intl.Segmenter().segment(password.text)].length;
  const shown = "•".repeat(Math.min(letters, Math.max(0, width - LABEL.length - 1)));
  const field: Row = [span(LABEL, "bold"), span(shown)];
  const before: Row[] = [
    ...paragraph(`Take all rights from ${nameOf(device)}?`, width, "bold"),
    ...paragraph("It reads nothing more from then on, and everything that is written has new keys.", width, "dim"),
    blankRow,
  ];
  if (isBusy) return { rows: [...before, ...paragraph("New keys for all your chats: one moment…", width, "dim")], cursor: undefined };
  const answer = fault === undefined ? [] : [blankRow, ...paragraph(safeLine(fault), width, "error")];
  return { rows: [...before, field, ...answer], cursor: { x: LABEL.length + editorOf(shown).cursor, y: before.length } };
}
