export interface GatheredOptions<Item> {
  /** From the first that comes on. */
  readonly waitMs: number;
  /** Must not reject. */
  readonly act: (items: readonly Item[]) => Promise<void>;
}

/** Does something for many at once that need not be done at once: a thousand that come together cost one statement. */
export class Gathered<Item> {
  readonly #options: GatheredOptions<Item>;
  #waiting: Item[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: GatheredOptions<Item>) {
    this.#options = options;
  }

  add(item: Item): void {
    this.#waiting.push(item);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#options.act(this.#waiting.splice(0));
    }, this.#options.waitMs);
  }

  /** What waits is left undone. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting = [];
  }
}
