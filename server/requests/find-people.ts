import { create } from "@bufbuild/protobuf";
import { idBytes, limits } from "@fastchat/protocol";
import { PeopleSchema, PersonSchema } from "@fastchat/protocol/wire/frames";
import { searchText } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { findPeople as searchPeople } from "../store/accounts.ts";
import { readPresence } from "../store/servers.ts";

export const findPeople: Handler<"findPeople"> = async (chat, _session, { text, limit }) => {
  const wanted = Math.min(limit === 0 ? limits.peoplePerAnswer : limit, limits.peoplePerAnswer);
  const search = searchText(text);
  const match = chat.people === "everyone" ? "part" : "exact";
  const found = await searchPeople(chat.database, { text: search, match, limit: wanted + 1 });
  const page = found.slice(0, wanted);
  const presence = await readPresence(
    chat.database,
    page.map((person) => person.account),
  );
  const online = new Set(presence.filter((each) => each.online).map((each) => each.account));
  const people = page.map(({ name, account }) => create(PersonSchema, { name, account: idBytes(account), online: online.has(account) }));
  return { case: "people", value: create(PeopleSchema, { people, more: found.length > wanted }) };
};
