import type { BroadcastList } from "@fastchat/client";
import { parseDuration } from "../../durations.ts";
import { usage } from "../../failure.ts";
import { openSignedIn, untilOnline } from "../../place.ts";
import { safeLine } from "../../safe-text.ts";
import { command, timeoutOption } from "../command.ts";
import type { JsonObject } from "../shapes.ts";
import { column, nameList } from "../words.ts";
import { checkedRecipients, listNamed } from "./recipients.ts";

const timeout = { ...timeoutOption, default: "5s" } as const;

export const make = command({
  name: "make",
  description: "Make a list, or give one other people",
  example: "friends bob carol",
  args: {
    list: { type: "positional", required: true, description: "Which list" },
    "name…": { type: "positional", required: true, description: "Who is on it" },
    timeout,
  },
  manyWords: true,
  async run({ config, output, place, words }, args) {
    const patience = parseDuration(args.timeout, "timeout");
    const name = args.list.trim();
    if (name === "" || name.includes(",") || /\p{Cc}/u.test(name)) throw usage(`"${name}" cannot be a list's name: leave out commas.`);
    const people = checkedRecipients(words.slice(1));
    const { client } = await openSignedIn(config, place);
    await using _ = client;
    await untilOnline(client, patience);
    await client.setBroadcastList(name, people);
    await output.print(
      { type: "broadcast-list", name, people },
      `${safeLine(name)}: ${nameList(people)}. Each hears from you alone, and not who else does.`,
    );
  },
});

export const list = command({
  name: "list",
  description: "Your lists, and who is on them",
  args: { timeout },
  async run({ config, output, place }, args) {
    const patience = parseDuration(args.timeout, "timeout");
    const { client } = await openSignedIn(config, place);
    await using _ = client;
    await untilOnline(client, patience);
    for (const each of await client.broadcastLists())
      await output.print(listObject(each), `${column(safeLine(each.name), 20)}  ${nameList(each.people.map(({ name }) => name))}`);
  },
});

export const remove = command({
  name: "delete",
  description: "Forget a list",
  example: "friends",
  args: { list: { type: "positional", required: true, description: "Which list" }, timeout },
  async run({ config, output, place }, args) {
    const patience = parseDuration(args.timeout, "timeout");
    const { client } = await openSignedIn(config, place);
    await using _ = client;
    await untilOnline(client, patience);
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
