import pg from "pg";

/** Beyond, whoever asks is refused: the database does not keep up, or hangs. */
const MOST_WAITING = 20_000;
const USUAL = { most: 64, parallel: 2 };
/** Of one question of many: a row that another statement holds for long (lock_not_available, deadlock_detected). */
const OWN_FAULTS: ReadonlySet<string | undefined> = new Set(["55P03", "40P01"]);

export interface AskedTogetherOptions<Question, Answer> {
  /** Answers in the order of the questions. What it rejects with, all of them get; where it waited for a row in vain, each is asked for itself. */
  readonly act: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  /** Questions of one statement: a storm of them must not hold up those that are asked for alone. */
  readonly most?: number;
  /** Statements at once. */
  readonly parallel?: number;
}

/**
 * Asks the database with one statement what is asked for in one turn of the event loop, and while earlier questions are answered. So of many that come at
 * once each costs little; one that comes alone waits for nothing. Every answer is read after it was asked for.
 */
export class AskedTogether<Question, Answer> {
  readonly #options: Required<AskedTogetherOptions<Question, Answer>>;
  #waiting: { readonly question: Question; readonly answer: (answer: Answer) => void; readonly fail: (error: unknown) => void }[] = [];
  #asking = 0;
  #scheduled = false;

  constructor(options: AskedTogetherOptions<Question, Answer>) {
    this.#options = { ...USUAL, ...options };
  }

  ask(question: Question): Promise<Answer> {
    if (this.#waiting.length >= MOST_WAITING) return Promise.reject(new Error("too much waits for the database"));
    return new Promise((answer, fail) => {
      this.#waiting.push({ question, answer, fail });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#asking >= this.#options.parallel) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#ask();
    });
  }

  async #ask(): Promise<void> {
    const asked = this.#waiting.splice(0, this.#options.most);
    this.#asking += 1;
    try {
      const answers = await this.#options.act(asked.map(({ question }) => question));
      for (const [index, { answer }] of asked.entries()) answer(answers[index]!);
    } catch (error) {
      const isOneOfMany = asked.length > 1 && error instanceof pg.DatabaseError && OWN_FAULTS.has(error.code);
      for (const { question, answer, fail } of asked) {
        if (isOneOfMany) await this.#options.act([question]).then(([own]) => answer(own!), fail);
        else fail(error);
      }
    }
    this.#asking -= 1;
    if (this.#waiting.length > 0) this.#schedule();
  }
}
