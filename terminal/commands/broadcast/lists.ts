import type { BroadcastList } from "@fastchat/client";
import { isListName } from "../../broadcast-lists.ts";
import { usage } from "../../failure.ts";
import { untilOnline } from "../../place.ts";
import { safeLine } from "../../safe-text.ts";
import type { JsonObject } from "../shapes.ts";
import { signedInCommand } from "../signed-in-command.ts";
import { column, nameList } from "../words.ts";
import { checkedRecipients, listNamed } from "./recipients.ts";

export const make = signedInCommand({
  name: "make",
  description: "Make a list, or give one other people",
  example: "friends bob carol",
  args: {
    list: { type: "positional", required: true, description: "Which list" },
    "name…": { type: "positional", required: true, description: "Who is on it" },
  },
  manyWords: true,
  waitsFor: "nothing",
  async run({ client, output, patience, words }, args) {
    const name = args.list.trim();
    if (!isListName(name)) throw usage(`"${name}" cannot be a list's name: leave out commas.`);
    const people = checkedRecipients(words.slice(1));
    await untilOnline(client, patience);
    await client.setBroadcastList(name, people);
    await output.print(
      { type: "broadcast-list", name, people },
      `${safeLine(name)}: ${nameList(people)}. Each hears from you alone, and not who else does.`,
    );
  },
});

export const list = signedInCommand({
  name: "list",
  description: "Your lists, and who is on them",
  args: {},
  waitsFor: "server",
  async run({ client, output }) {
    for (const each of await client.broadcastLists())
      await output.print(listObject(each), `${column(safeLine(each.name), 20)}  ${nameList(each.people.map(({ name }) => name))}`);
  },
});

export const remove = signedInCommand({
  name: "delete",
  description: "Forget a list",
  example: "friends",
  args: { list: { type: "positional", required: true, description: "Which list" } },
  waitsFor: "server",
  async run({ client, output }, args) {
    const { name } = await listNamed(client, args.list);
    await client.setBroadcastList(name, []);
    await output.print({ type: "broadcast-list", name, people: [] }, `${safeLine(name)} is gone.`);
  },
});

const listObject = ({ name, people }: BroadcastList): JsonObject => ({
  type: "broadcast-list",
  name,
  people: people.map((person) => person.name),
});
