/** Runs tasks one after the other, in the order in which they came; a failed one does not stop the next. */
export class Lane {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#last.then(task, task);
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Resolves when everything that was waiting when it was called is done. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
