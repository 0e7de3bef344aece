import type { Handler, RequestCase } from "../chat/context.ts";
import { appendAccountLink } from "./append-account-link.ts";
import { appendLink } from "./append-link.ts";
import { beginIncarnation } from "./begin-incarnation.ts";
import { catchUp } from "./catch-up.ts";
import { compare } from "./compare.ts";
import { dropJoinRequest } from "./drop-join-request.ts";
import { fetchAccount } from "./fetch-account.ts";
import { fetchAccountKeys } from "./fetch-account-keys.ts";
import { fetchEntries } from "./fetch-entries.ts";
import { fetchJoinRequests } from "./fetch-join-requests.ts";
import { fetchLinks } from "./fetch-links.ts";
import { fetchMovedHeads } from "./fetch-moved-heads.ts";
import { fetchSealedKeys } from "./fetch-sealed-keys.ts";
import { fetchSlots } from "./fetch-slots.ts";
import { findGroups } from "./find-groups.ts";
import { findPeople } from "./find-people.ts";
import { ping } from "./ping.ts";
import { putBackAccount } from "./put-back-account.ts";
import { readVault } from "./read-vault.ts";
import { requestJoin } from "./request-join.ts";
import { send } from "./send.ts";
import { sendKeyRequest } from "./send-key-request.ts";
import { sendSignal } from "./send-signal.ts";
import { setSessions } from "./set-sessions.ts";
import { watchPresence } from "./watch-presence.ts";
import { writeSlot } from "./write-slot.ts";
import { writeVault } from "./write-vault.ts";

/** Every frame that a client may send after `hello`; one that has no handler does not compile. */
export const requests: { readonly [Case in RequestCase]: Handler<Case> } = {
  appendAccountLink,
  appendLink,
  beginIncarnation,
  catchUp,
  compare,
  dropJoinRequest,
  fetchAccount,
  fetchAccountKeys,
  fetchEntries,
  fetchJoinRequests,
  fetchLinks,
  fetchMovedHeads,
  fetchSealedKeys,
  fetchSlots,
  findGroups,
  findPeople,
  ping,
  putBackAccount,
  readVault,
  requestJoin,
  send,
  sendKeyRequest,
  sendSignal,
  setSessions,
  watchPresence,
  writeSlot,
  writeVault,
};
