import type { ExportOptions } from "./api-export.ts";

/** A log is fetched, looked through for files, written, and written for the viewer. */
export class ExportSteps {
  readonly #total: number;
  readonly #onProgress: ExportOptions["onProgress"];
  #done = 0;
  #fileBytes = { done: 0, total: 0 };

  constructor(total: number, onProgress: ExportOptions["onProgress"]) {
    this.#total = total;
    this.#onProgress = onProgress;
    this.step(0);
  }

  step(places: number): void {
    this.#done = Math.min(this.#total, this.#done + places);
    this.#tell();
  }

  /** So many bytes of files are to come. */
  expect(total: number): void {
    this.#fileBytes = { done: 0, total };
    this.#tell();
  }

  bytes(more: number): void {
    const { done, total } = this.#fileBytes;
    this.#fileBytes = { done: done + more, total };
    this.#tell();
  }

  #tell(): void {
    this.#onProgress?.({ done: this.#done, total: this.#total, fileBytes: this.#fileBytes });
  }
}
