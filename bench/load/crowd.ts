import { limits } from "@fastchat/protocol";
import { Entrance } from "./entrance.ts";
import { Pacing } from "./pacing.ts";
import { Person } from "./person.ts";
import type { CrowdPlan, CrowdWord, ParentWord, Work } from "./plan.ts";
import { Tally } from "./tally.ts";

// A process of its own with many people in it: `fork`ed with a CrowdPlan as its first message.

/** Connections that are opened at once. */
const AT_ONCE = 50;

class Crowd {
  readonly people: readonly Person[];
  readonly tally = new Tally();
  readonly #away: Person[];
  readonly #pacing = new Pacing<Person>((person, intended) => person.write(intended));

  constructor(plan: CrowdPlan) {
    const entrance = plan.gateway === undefined ? undefined : new Entrance(plan.gateway);
    const around = { tally: this.tally, plan, entrance, answered: (person: Person) => this.#pacing.answered(person) };
    this.people = plan.people.map((person) => new Person(around, person));
    this.#away = this.people.filter((_, index) => plan.people[index]!.isAway === true);
    setInterval(() => {
      for (const person of this.people) person.ping();
    }, limits.idleMs / 3).unref();
  }

  connect(): Promise<void> {
    const away = new Set(this.#away);
    return each(
      this.people.filter((person) => !away.has(person)),
      (person) => person.connect(),
    );
  }

  arrive(count: number): Promise<void> {
    return each(this.#away.splice(0, count), async (person) => {
      await person.connect();
      await person.catchUp();
    });
  }

  async storm(): Promise<void> {
    await Promise.all(this.#connected().map((person) => person.comeAgain()));
  }

  async catchUp(): Promise<void> {
    await Promise.all(this.#connected().map((person) => person.catchUp()));
  }

  begin(work: Work): void {
    if (work.kind === "drain") {
      for (const [index, person] of this.people.entries()) person.drain(Buffer.from(work.conversations[index]!, "hex"));
      return;
    }
    this.#pacing.begin(
      work,
      this.#connected().filter(({ conversations }) => conversations.length > 0),
    );
    if (work.leavesPerSecond === undefined) return;
    this.#pacing.steadily(work.leavesPerSecond, (turn) => {
      const person = this.people[turn % this.people.length]!;
      if (!person.isConnected) return;
      void person.comeAgain().catch((error: unknown) => this.tally.fault(`somebody did not come back: ${String(error)}`));
    });
  }

  stop(): void {
    this.#pacing.stop();
  }

  #connected(): Person[] {
    return this.people.filter(({ isConnected }) => isConnected);
  }
}

async function each(people: readonly Person[], act: (person: Person) => Promise<void>): Promise<void> {
  const left = people.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const person of left) await act(person);
    }),
  );
}

let crowd: Crowd | undefined;
const tell = (word: CrowdWord) => process.send!(word);
const tellWhenDone = (work: Promise<void>): void =>
  void work.then(
    () => tell({ kind: "done" }),
    (error: unknown) => tell({ kind: "failed", reason: error instanceof Error ? error.message : String(error) }),
  );
process.on("message", (word: ParentWord) => {
  switch (word.kind) {
    case "plan":
      crowd = new Crowd(word.plan as CrowdPlan);
      return tellWhenDone(crowd.connect());
    case "arrive":
      return tellWhenDone(crowd!.arrive(word.count));
    case "storm":
      return tellWhenDone(crowd!.storm());
    case "catch-up":
      return tellWhenDone(crowd!.catchUp());
    case "begin":
      return crowd!.begin(word.work);
    case "stop":
      return crowd!.stop();
    case "report":
      tell(crowd!.tally.report());
      return;
    case "end":
      crowd!.stop();
      for (const person of crowd!.people) person.close();
      process.disconnect?.();
      return;
    case "meet":
    case "read":
    case "close":
    case "sign-in":
    case "leave-for-good":
      throw new Error(`${word.kind} is for clients`);
    default:
      word satisfies never;
  }
});
// Ctrl-C reaches all processes of a terminal: who started this one ends it.
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit());
