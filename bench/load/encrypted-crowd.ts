import { type RunningCrowd, serveCrowd } from "./crowd-process.ts";
import { EncryptedPerson } from "./encrypted-person.ts";
import { Pacing } from "./pacing.ts";
import type { EncryptedPlan, Work } from "./plan.ts";
import { Tally } from "./tally.ts";

// A process of its own with some people in it whose clients are real: `fork`ed with an EncryptedPlan as its first message.

class EncryptedCrowd implements RunningCrowd {
  readonly people: readonly EncryptedPerson[];
  readonly tally = new Tally();
  readonly #pacing = new Pacing<EncryptedPerson>((person, intended) => person.write(intended));

  constructor(plan: EncryptedPlan) {
    const around = { tally: this.tally, plan, answered: (person: EncryptedPerson) => this.#pacing.answered(person) };
    this.people = plan.people.map((person) => new EncryptedPerson(around, person));
  }

  enter(): Promise<void> {
    return this.#each((person) => person.signUp());
  }

  async act(word: Parameters<RunningCrowd["act"]>[0]): Promise<void> {
    switch (word.kind) {
      case "meet":
        return this.#each((person) => person.meet());
      case "read":
        return this.#each((person) => person.read());
      case "close":
        return this.leave();
      case "sign-in":
        return this.#signIn(word.times);
      case "leave-for-good":
        return this.#each((person) => person.leaveForGood());
      case "catch-up":
        // Clients do so by themselves.
        return undefined;
      case "arrive":
      case "storm":
        throw new Error(`${word.kind} is for raw sockets`);
      default:
        word satisfies never;
    }
  }

  leave(): Promise<void> {
    return this.#each((person) => person.close());
  }

  async #each(act: (person: EncryptedPerson) => Promise<void>): Promise<void> {
    await Promise.all(this.people.map(act));
  }

  /** One after the other: a password takes a processor for a while. */
  async #signIn(times: number): Promise<void> {
    for (let time = 0; time < times; time++) for (const person of this.people) await person.signInAgain();
  }

  begin(work: Work): void {
    if (work.kind === "drain") throw new Error("clients fetch by themselves");
    this.#pacing.begin(
      work,
      this.people.filter(({ isWriter }) => isWriter),
    );
  }

  stop(): void {
    this.#pacing.stop();
  }
}

serveCrowd((plan: EncryptedPlan) => new EncryptedCrowd(plan));
