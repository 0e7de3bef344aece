import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { System } from "./system.ts";

export const COMMAND = join(import.meta.dirname, "..", "terminal", "bin", "fastchat.js");

export interface CommandOptions {
  /** Standard input; default none. */
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly gateway?: string;
  readonly home?: string;
  /** After which the command is killed, and that is an error. */
  readonly withinMs?: number;
}

export interface CommandResult {
  readonly code: number | undefined;
  readonly output: string;
  readonly errors: string;
}

/** What a command needs of a system. */
export type Place = Pick<System, "gatewayUrl" | "home">;

/** Where a person's FastChat finds the system and their profiles. */
export const environmentIn = (system: Place, options: Pick<CommandOptions, "home" | "gateway" | "environment"> = {}) => ({
  FASTCHAT_HOME: options.home ?? system.home,
  FASTCHAT_GATEWAY: options.gateway ?? system.gatewayUrl,
  ...options.environment,
});

/** The real `fastchat` command in a process of its own. */
export class RunningCommand implements AsyncDisposable {
  output = "";
  errors = "";
  readonly ended: Promise<number | undefined>;
  readonly #child: ChildProcess;

  constructor(system: Place, args: readonly string[], options: CommandOptions) {
    const { PATH, TMPDIR, HOME } = process.env;
    this.#child = spawn(process.execPath, [COMMAND, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      env: {
        ...(PATH !== undefined && { PATH }),
        ...(TMPDIR !== undefined && { TMPDIR }),
        ...(HOME !== undefined && { HOME }),
        NO_COLOR: "1",
        ...environmentIn(system, options),
      },
    });
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.errors += text));
    this.#child.stdin!.on("error", () => {});
    this.#child.stdin!.end(options.input ?? "");
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    this.#child.once("error", () => resolve(undefined));
    this.#child.once("close", (code) => resolve(code ?? undefined));
    this.ended = promise;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The objects it printed so far, with --json. */
  get objects(): Record<string, unknown>[] {
    return objectsIn(this.output.slice(0, this.output.lastIndexOf("\n") + 1));
  }

  /** Closes our end of its output, as `| head -1` does. */
  stopReading(): void {
    this.#child.stdout!.destroy();
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.ended;
  }
}

export const startFastchat = (system: Place, args: readonly string[], options: CommandOptions = {}): RunningCommand =>
  new RunningCommand(system, args, options);

/** Throws, with what can be known, where the command does not come to an end. */
export async function fastchat(system: Place, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  await using command = startFastchat(system, args, options);
  const { withinMs = 30_000 } = options;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    command.kill();
  }, withinMs);
  const code = await command.ended;
  clearTimeout(timer);
  const { output, errors } = command;
  if (isLate) throw new Error(`fastchat ${args.join(" ")} did not end within ${withinMs} ms:\n${output}${errors}\n${endsOfLogs(system)}`);
  return { code, output, errors };
}

function endsOfLogs(system: Place & Partial<Pick<System, "processes">>): string {
  const ends = system.processes?.map(({ name, running, log }) => `${name}${running ? "" : ", which has ended"}: ${log.slice(-1_500)}`);
  return ends?.join("\n") ?? "";
}

/** What a command with --json says. Throws when it fails. */
export async function fastchatJson(
  system: Place,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Record<string, unknown>[]> {
  const { code, output, errors } = await fastchat(system, [...args, "--json"], options);
  if (code !== 0) throw new Error(`fastchat ${args.join(" ")} ended with ${code}: ${errors}`);
  return objectsIn(output);
}

export const objectsIn = (lines: string): Record<string, unknown>[] =>
  lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
