import pty from "@lydell/node-pty";
import xterm from "@xterm/headless";
import { COMMAND } from "./fastchat.ts";

export interface ScreenOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** What runs in the terminal: the command, unless it is said. */
  readonly program?: string;
  /** The terminal answers what it is asked, as every real one does. */
  readonly answers?: boolean;
}

const living = new Set<TestScreen>();

/** Ends what a test that ran out of time has left. */
export async function closeScreens(): Promise<void> {
  await Promise.all(Array.from(living, (screen) => screen[Symbol.asyncDispose]()));
}

/** A person at a terminal: a pseudo terminal with the real command in it, and what an xterm would show. */
export class TestScreen implements AsyncDisposable {
  readonly #terminal: InstanceType<typeof xterm.Terminal>;
  readonly #process: pty.IPty;
  readonly #ended: Promise<{ exitCode: number; signal?: number }>;
  #listeners = new Set<() => void>();
  #running = true;
  /** All that the program wrote, as it wrote it. */
  written = "";

  constructor({ columns = 100, rows = 30, args = [], environment = {}, program = COMMAND, answers = false }: ScreenOptions = {}) {
    living.add(this);
    this.#terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true });
    const { NO_COLOR: _, CI: _ci, ...inherited } = process.env;
    this.#process = pty.spawn(process.execPath, [program, ...args], {
      name: "xterm-256color",
      cols: columns,
      rows,
      env: { ...inherited, ...environment } as Record<string, string>,
    });
    if (answers) this.#terminal.onData((data) => this.#process.write(data));
    this.#process.onData((data) => {
      this.written += data;
      this.#terminal.write(data, () => this.#listeners.forEach((listener) => listener()));
    });
    this.#ended = new Promise((resolve) => {
      this.#process.onExit((how) => {
        this.#running = false;
        resolve(how);
      });
    });
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** The rows as one sees them, without blanks at their ends. */
  get rows(): string[] {
    const { active } = this.#terminal.buffer;
    return Array.from({ length: this.#terminal.rows }, (_, index) => active.getLine(active.baseY + index)?.translateToString(true) ?? "");
  }

  get text(): string {
    return this.rows.join("\n");
  }

  /** The colours of a cell, of its letter and behind it, as 0xRRGGBB; -1: the terminal's own, or one of a palette. */
  colours(x: number, y: number): { foreground: number; background: number } {
    const { active } = this.#terminal.buffer;
    const cell = active.getLine(active.baseY + y)?.getCell(x);
    return {
      foreground: cell?.isFgRGB() === true ? cell.getFgColor() : -1,
      background: cell?.isBgRGB() === true ? cell.getBgColor() : -1,
    };
  }

  get cursor(): { x: number; y: number } {
    return { x: this.#terminal.buffer.active.cursorX, y: this.#terminal.buffer.active.cursorY };
  }

  /** Whether the terminal shows the alternate screen. */
  get isAlternate(): boolean {
    return this.#terminal.buffer.active.type === "alternate";
  }

  type(keys: string): void {
    this.#process.write(keys);
  }

  signal(signal: string): void {
    this.#process.kill(signal);
  }

  resize(columns: number, rows: number): void {
    this.#terminal.resize(columns, rows);
    this.#process.resize(columns, rows);
  }

  /** Resolves as soon as the screen is as wished; gives the milliseconds that took. */
  async until(wish: (screen: this) => boolean, what: string, withinMs = 30_000): Promise<number> {
    const start = performance.now();
    while (!wish(this)) {
      if (performance.now() - start > withinMs)
        throw new Error(`The screen did not show ${what} within ${withinMs} ms, but:\n${this.text}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#listeners.add(resolve);
      const timer = setTimeout(resolve, 100);
      await promise;
      clearTimeout(timer);
      this.#listeners.delete(resolve);
    }
    return performance.now() - start;
  }

  shows(words: string, withinMs?: number): Promise<number> {
    return this.until(({ text }) => text.includes(words), `"${words}"`, withinMs);
  }

  hides(words: string, withinMs?: number): Promise<number> {
    return this.until(({ text }) => !text.includes(words), `no "${words}"`, withinMs);
  }

  /** Resolves when the command has ended, with its exit code. */
  async ended(): Promise<number> {
    const { exitCode, signal } = await this.#ended;
    // What it wrote last is parsed behind it.
    await new Promise<void>((resolve) => this.#terminal.write("", resolve));
    return signal === undefined || signal === 0 ? exitCode : 128 + signal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    living.delete(this);
    if (this.#running) this.#process.kill("SIGKILL");
    await this.#ended;
    this.#terminal.dispose();
  }
}
