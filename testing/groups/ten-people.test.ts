import type { ConversationId } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../evil/case.ts";
import { type Person, person } from "../person.ts";
import { startSystem, type System } from "../system.ts";
import { agree, hears, keptBy, messagesOf, say, textsOf, whileAway } from "./group-talk.ts";

const shared = new AsyncDisposableStack();
let system: System;
beforeAll(async () => {
  system = shared.use(await startSystem({ servers: 3 }));
});
afterAll(() => shared.disposeAsync());

const names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"] as const;
type Name = (typeof names)[number];

test("[C1] [C2] [C3] [C4] [C7] ten people, half of them away at each step, agree on everything and read what is theirs to read", async () => {
  await using stack = new AsyncDisposableStack();
  const people = new Map<Name, Person>();
  for (const name of names) people.set(name, stack.use(await person(system, name)));
  const who = (...some: Name[]): Person[] => some.map((name) => people.get(name)!);
  const [alice, bob, carol, dave, erin, judy] = who("alice", "bob", "carol", "dave", "erin", "judy") as [
    Person,
    Person,
    Person,
    Person,
    Person,
    Person,
  ];
  const groups = ({ client }: Person) => client.groups;

  const members = new Set<Name>();
  const heard = new Map<Name, string[]>(names.map((name) => [name, []]));
  let id: ConversationId;
  const talk = async (from: Name, text: string): Promise<void> => {
    await say(people.get(from)!, id, text);
    for (const name of members) heard.get(name)!.push(text);
  };
  /** Half of those who are members are away while it happens, and somebody writes; then somebody who is back does. */
  const step = async (away: Name[], by: Name, work: () => Promise<void>): Promise<void> => {
    await whileAway(who(...away), async () => {
      await work();
      await talk(by, `${by}, after link ${(await groups(people.get(by)!).info(id))!.head.index}`);
    });
    const present = [...members];
    await agree(who(by, ...present), id);
    const back = away.find((name) => members.has(name))!;
    await talk(back, `${back} is back, after link ${(await groups(people.get(back)!).info(id))!.head.index}`);
    for (const name of present) await hears(people.get(name)!, id, heard.get(name)!.at(-1)!);
  };

  for (const name of names.slice(0, 7)) members.add(name);
  await whileAway(who("carol", "erin", "grace"), async () => {
    id = await groups(alice).create({ name: "Ten", members: names.slice(1, 7), admins: ["bob"] });
    await talk("alice", "welcome");
    await hears(bob, id, "welcome");
  });
  await agree(who(...members), id!);
  // They do not know alice; an admin's device lets nobody into a stranger's group.
  for (const { client } of who(...members)) await client.accept(id!);

  await step(["alice", "carol", "frank"], "dave", async () => {
    await groups(bob).add(id, ["heidi"]);
    members.add("heidi");
    await agree(who("bob", "dave", "erin", "grace", "heidi"), id);
  });
  await step(["bob", "carol", "dave", "grace"], "erin", async () => {
    await groups(alice).remove(id, ["carol"]);
    members.delete("carol");
    await agree(who("alice", "erin", "frank", "heidi"), id);
  });
  await step(["alice", "erin", "frank"], "dave", async () => {
    await groups(bob).setRole(id, ["dave", "erin"], "admin");
    await agree(who("bob", "dave", "grace", "heidi"), id);
  });
  await step(["bob", "grace", "heidi"], "frank", async () => {
    await groups(dave).setRole(id, ["bob", "erin"], "member");
    await agree(who("alice", "dave", "erin", "frank"), id);
  });
  // Who adds somebody after others left makes a key that none of these can derive.
  await step(["dave", "frank", "heidi"], "alice", async () => {
    await groups(erin).leave(id);
    members.delete("erin");
    await agree(who("alice", "bob", "grace"), id);
    await groups(alice).add(id, ["ivan"]);
    members.add("ivan");
    await agree(who("alice", "bob", "grace", "ivan"), id);
  });
  // By link, while alice, who made it, is away: dave's device lets in who is new. About who left he is asked, and who was removed asks in vain.
  const invitation = await groups(alice).invite(id!, { uses: 3, days: 1 });
  await agree(who(...members), id!);
  await step(["alice", "bob", "grace", "ivan"], "frank", async () => {
    expect((await groups(judy).join(invitation.link)).kind).toBe("asked");
    await until(judy, "the group", async () => (await groups(judy).info(id))?.role);
    members.add("judy");
    expect((await groups(erin).join(invitation.link)).kind).toBe("asked");
    await until(dave, "that erin asks", async () => (await groups(dave).info(id))!.joinRequests || undefined);
    await groups(dave).approve(id, ["erin"]);
    members.add("erin");
    await agree(who("dave", "erin", "frank", "heidi", "judy"), id);
    await expect(groups(carol).join(invitation.link)).rejects.toThrow(/removed/);
  });
  expect((await groups(dave).info(id!))!.invitations.map(({ used }) => used)).toEqual([2]);
  // By policy, who comes from now on reads everything: also carol, whom an admin may add again.
  await step(["bob", "dave", "heidi", "ivan"], "grace", async () => {
    await groups(alice).setPolicy(id, { newcomersRead: "everything" });
    await groups(alice).add(id, ["carol"]);
    members.add("carol");
    heard.set("carol", [...heard.get("alice")!]);
    await agree(who("alice", "carol", "erin", "frank", "grace", "judy"), id);
  });
  await groups(alice).setProfile(id!, { name: "All ten" });
  await step(["alice", "carol", "erin", "grace", "ivan"], "judy", async () => {
    await groups(dave).setRole(id, ["judy"], "admin");
    await hears(judy, id, heard.get("judy")!.at(-1)!);
  });

  const view = await agree(who(...members), id!);
  expect(view.roster).toEqual(
    [...members].sort().map((name) => `${name} ${["alice", "dave", "judy"].includes(name) ? "admin" : "member"}`),
  );
  expect(view.name).toBe("All ten");
  for (const name of names) {
    await expect.poll(() => textsOf(people.get(name)!, id), { message: `what ${name} reads` }).toEqual(heard.get(name));
  }
  const log = new Map((await messagesOf(alice, id!)).map(({ sequence, text }) => [sequence, text]));
  for (const each of people.values()) {
    for (const { sequence, text } of await messagesOf(each, id!)) expect([sequence, text]).toEqual([sequence, log.get(sequence)]);
  }
  await Promise.all(who(...names).map(({ client }) => client.close()));
  const kept = await Promise.all(who(...names).map((each) => keptBy(each, id)));
  for (const each of kept) expect(each).toEqual(kept[0]);
});
