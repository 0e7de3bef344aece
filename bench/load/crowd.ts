import { limits } from "@fastchat/protocol";
import { type RunningCrowd, serveCrowd } from "./crowd-process.ts";
import { Entrance } from "./entrance.ts";
import { Pacing } from "./pacing.ts";
import { Person } from "./person.ts";
import type { CrowdPlan, Work } from "./plan.ts";
import { Tally } from "./tally.ts";

// A process of its own with many people in it: `fork`ed with a CrowdPlan as its first message.

/** Connections that are opened at once. */
const AT_ONCE = 50;

class Crowd implements RunningCrowd {
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

  enter(): Promise<void> {
    const away = new Set(this.#away);
    return each(
      this.people.filter((person) => !away.has(person)),
      (person) => person.connect(),
    );
  }

  async act(word: Parameters<RunningCrowd["act"]>[0]): Promise<void> {
    switch (word.kind) {
      case "arrive":
        return this.#arrive(word.count);
      case "storm":
        return this.#all((person) => person.comeAgain());
      case "catch-up":
        return this.#all((person) => person.catchUp());
      case "meet":
      case "read":
      case "close":
      case "sign-in":
      case "leave-for-good":
        throw new Error(`${word.kind} is for clients`);
      default:
        word satisfies never;
    }
  }

  #arrive(count: number): Promise<void> {
    return each(this.#away.splice(0, count), async (person) => {
      await person.connect();
      await person.catchUp();
    });
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

  async leave(): Promise<void> {
    for (const person of this.people) person.close();
  }

  async #all(act: (person: Person) => Promise<void>): Promise<void> {
    await Promise.all(this.#connected().map(act));
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

serveCrowd((plan: CrowdPlan) => new Crowd(plan));
