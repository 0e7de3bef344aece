export interface AskedTogetherOptions<Question, Answer> {
  /** Answers in the order of the questions. What it rejects with, all of them get. */
  readonly act: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  /** Questions of one statement. */
  readonly most: number;
  /** Statements at once. */
  readonly parallel: number;
}

/**
 * Asks the database with one statement what is asked for in one turn of the event loop, and while earlier questions are answered. So of many that come at
 * once each costs little; one that comes alone waits for nothing. Every answer is read after it was asked for.
 */
export class AskedTogether<Question, Answer> {
  readonly #options: AskedTogetherOptions<Question, Answer>;
  #waiting: { readonly question: Question; readonly answer: (answer: Answer) => void; readonly fail: (error: unknown) => void }[] = [];
  #asking = 0;
  #scheduled = false;

  constructor(options: AskedTogetherOptions<Question, Answer>) {
    this.#options = options;
  }

  ask(question: Question): Promise<Answer> {
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
      for (const { fail } of asked) fail(error);
    }
    this.#asking -= 1;
    if (this.#waiting.length > 0) this.#schedule();
  }
}
