import type { Progress } from "@fastchat/client";
import { exitCodes, Failure } from "../failure.ts";
import type { Action, ConversationId, Transfer } from "./state.ts";

/** Runs what takes its time with files: shown while it runs, and stopped when somebody wishes it, or everything ends. */
export class Transfers {
  readonly #dispatch: (action: Action) => void;
  readonly #over: AbortSignal;
  readonly #running = new Map<number, AbortController>();
  #last = 0;

  constructor(dispatch: (action: Action) => void, over: AbortSignal) {
    this.#dispatch = dispatch;
    this.#over = over;
  }

  /**
   * @param about `stopped`: what is said when it is; `holds`: the conversation in which nothing is sent before it is over
   * @throws what the task throws; Failure when it was stopped
   */
  async run<Result>(
    about: { readonly words: string; readonly stopped: string; readonly holds?: ConversationId },
    task: (progress: Required<Progress>) => Promise<Result>,
  ): Promise<Result> {
    const transfer = ++this.#last;
    const stop = new AbortController();
    this.#running.set(transfer, stop);
    let shown: Transfer = { words: about.words, done: 0, total: 0, holds: about.holds };
    const show = (state: Transfer | undefined): void => this.#dispatch({ kind: "transfer", transfer, state });
    show(shown);
    try {
      return await task({
        signal: AbortSignal.any([stop.signal, this.#over]),
        onProgress: (done, total) => {
          shown = { ...shown, done, total };
          show(shown);
        },
      });
    } catch (error) {
      throw stop.signal.aborted ? new Failure(exitCodes.refused, "cancelled", about.stopped) : error;
    } finally {
      this.#running.delete(transfer);
      show(undefined);
    }
  }

  stop(transfer: number): void {
    this.#running.get(transfer)?.abort();
  }
}
