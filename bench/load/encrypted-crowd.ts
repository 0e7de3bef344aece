import { EncryptedPerson } from "./encrypted-person.ts";
import { Pacing } from "./pacing.ts";
import type { CrowdWord, EncryptedPlan, ParentWord, Work } from "./plan.ts";
import { Tally } from "./tally.ts";

// A process of its own with some people in it whose clients are real: `fork`ed with an EncryptedPlan as its first message.

class EncryptedCrowd {
  readonly people: readonly EncryptedPerson[];
  readonly tally = new Tally();
  readonly #pacing = new Pacing<EncryptedPerson>((person, intended) => person.write(intended));

  constructor(plan: EncryptedPlan) {
    const around = { tally: this.tally, plan, answered: (person: EncryptedPerson) => this.#pacing.answered(person) };
    this.people = plan.people.map((person) => new EncryptedPerson(around, person));
  }

  async each(act: (person: EncryptedPerson) => Promise<void>): Promise<void> {
    await Promise.all(this.people.map(act));
  }

  /** One after the other: a password takes a processor for a while. */
  async signIn(times: number): Promise<void> {
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

let crowd: EncryptedCrowd | undefined;
const tell = (word: CrowdWord) => process.send!(word);
const tellWhenDone = (work: Promise<void>): void =>
  void work.then(
    () => tell({ kind: "done" }),
    (error: unknown) => tell({ kind: "failed", reason: error instanceof Error ? error.message : String(error) }),
  );
process.on("message", (word: ParentWord) => {
  switch (word.kind) {
    case "plan":
      crowd = new EncryptedCrowd(word.plan as EncryptedPlan);
      return tellWhenDone(crowd.each((person) => person.signUp()));
    case "meet":
      return tellWhenDone(crowd!.each((person) => person.meet()));
    case "read":
      return tellWhenDone(crowd!.each((person) => person.read()));
    case "close":
      return tellWhenDone(crowd!.each((person) => person.close()));
    case "sign-in":
      return tellWhenDone(crowd!.signIn(word.times));
    case "leave-for-good":
      return tellWhenDone(crowd!.each((person) => person.leaveForGood()));
    // Clients do so by themselves.
    case "catch-up":
      return tell({ kind: "done" }) as never;
    case "begin":
      return crowd!.begin(word.work);
    case "stop":
      return crowd!.stop();
    case "report":
      tell(crowd!.tally.report());
      return;
    case "end":
      crowd!.stop();
      void crowd!.each((person) => person.close()).finally(() => process.disconnect?.());
      return;
    case "arrive":
    case "storm":
      throw new Error(`${word.kind} is for raw sockets`);
    default:
      word satisfies never;
  }
});
// Ctrl-C reaches all processes of a terminal: who started this one ends it.
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit());
