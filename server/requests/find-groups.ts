import { create } from "@bufbuild/protobuf";
import { idBytes, limits } from "@fastchat/protocol";
import { PublicGroupSchema, PublicGroupsSchema } from "@fastchat/protocol/wire/frames";
import { searchText } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { findPublicGroups } from "../store/public-groups.ts";

/** By public name alone, the same answer for everybody. */
export const findGroups: Handler<"findGroups"> = async (chat, _session, { text, limit, exact }) => {
  const wanted = Math.min(limit === 0 ? limits.groupsPerAnswer : limit, limits.groupsPerAnswer);
  const search = searchText(text);
  const found = await findPublicGroups(chat.database, { text: search, match: exact ? "exact" : "part", limit: wanted + 1 });
  const groups = found
    .slice(0, wanted)
    .map(({ name, conversation, members }) => create(PublicGroupSchema, { name, conversation: idBytes(conversation), members }));
  return { case: "publicGroups", value: create(PublicGroupsSchema, { groups, more: found.length > wanted }) };
};
