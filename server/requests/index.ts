import type { Handler, RequestCase } from "../chat/context.ts";
import { appendAccountLink } from "./append-account-link.ts";
import { appendLink } from "./append-link.ts";
import { catchUp } from "./catch-up.ts";
import { fetchAccount } from "./fetch-account.ts";
import { fetchEntries } from "./fetch-entries.ts";
import { fetchLinks } from "./fetch-links.ts";
import { fetchSealedKeys } from "./fetch-sealed-keys.ts";
import { fetchSlots } from "./fetch-slots.ts";
import { findPeople } from "./find-people.ts";
import { ping } from "./ping.ts";
import { readVault } from "./read-vault.ts";
import { send } from "./send.ts";
import { sendKeyRequest } from "./send-key-request.ts";
import { sendSignal } from "./send-signal.ts";
import { watchPresence } from "./watch-presence.ts";
import { writeSlot } from "./write-slot.ts";
import { writeVault } from "./write-vault.ts";

/** Every frame that a client may send after `hello`; one that has no handler does not compile. */
export const requests: { readonly [Case in RequestCase]: Handler<Case> } = {
  appendAccountLink,
  appendLink,
  catchUp,
  fetchAccount,
  fetchEntries,
  fetchLinks,
  fetchSealedKeys,
  fetchSlots,
  findPeople,
  ping,
  readVault,
  send,
  sendKeyRequest,
  sendSignal,
  watchPresence,
  writeSlot,
  writeVault,
};
