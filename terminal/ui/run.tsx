import { readFile } from "node:fs/promises";
import { writeSync } from "node:fs";
import { join } from "node:path";
import { render } from "ink";
import type { Client, QuickOptions, QuickResult } from "@fastchat/client";
import { openClient, openQuick } from "@fastchat/client/node";
import type { Config } from "../config.ts";
import { type ExitCode, exitCodes } from "../failure.ts";
import { quickProgram, rememberProfile, thisProgram } from "../place.ts";
import { readKeymap } from "./keys.ts";
import { ChatScreen } from "./screen.tsx";
import { SignInScreen, type SignedIn } from "./sign-in-screen.tsx";
import { type Ending, startStore } from "./store.ts";

export interface ClientOptions {
  readonly config: Config;
  readonly home: string;
  /** Undefined: nobody is signed in here. */
  readonly profile: string | undefined;
  /** What --profile or FASTCHAT_PROFILE said. */
  readonly fixedProfile: string | undefined;
  /** A QuickChat session, which uses no profile: whose, as far as that was said. */
  readonly quick: { readonly name: string } | undefined;
  /** Where to sign in. */
  readonly gateway: () => Promise<string>;
  /** What --gateway or FASTCHAT_GATEWAY said. */
  readonly givenGateway: string | undefined;
}

const AUTOWRAP_OFF = "\u001b[?7l";
const AUTOWRAP_ON = "\u001b[?7h";
/** Alternate screen left, cursor shown, pastes and wrapping as before: xterm control sequences, DEC private modes. */
const RESTORE = "\u001b[?2026l\u001b[?2004l\u001b[0m\u001b[?25h\u001b[?1049l";
const SIGNALS = { SIGTERM: 15, SIGHUP: 1, SIGINT: 2 } as const;
const STDOUT = 1;

/** Opens the terminal client and stays until the person quits; the terminal is as before however it ends. */
export async function runClient({ config, home, profile, fixedProfile, quick, gateway, givenGateway }: ClientOptions): Promise<ExitCode> {
  // First of all, so that what is typed from now on arrives as keys.
  process.stdin.setRawMode(true);
  const { keymap, faults } = readKeymap(await readFile(join(home, "keys.json"), "utf8").catch(() => undefined));
  const open = (name: string): Promise<Client | undefined> =>
    openClient({ home, profile: name }, { ...thisProgram, ...(givenGateway !== undefined && { gateway: givenGateway }) });
  const sessions = new QuickSessions();
  let client = profile === undefined ? undefined : await open(profile);
  const signInAt = client === undefined ? await gateway() : "";

  let isRestored = false;
  const restore = (sequences: string): void => {
    if (isRestored) return;
    isRestored = true;
    writeSync(STDOUT, sequences);
  };
  const stopped = Promise.withResolvers<number>();
  const crashed = Promise.withResolvers<never>();
  const onCrash = (error: unknown): void => crashed.reject(error);
  const handlers = Object.entries(SIGNALS).map(([signal, number]) => [signal, () => stopped.resolve(128 + number)] as const);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  process.on("uncaughtException", onCrash);
  process.on("unhandledRejection", onCrash);
  // Whatever ends this process past the lines below.
  const onExit = (): void => restore(RESTORE + AUTOWRAP_ON);
  process.on("exit", onExit);
  process.stdout.write(AUTOWRAP_OFF);
  const ink = render(<></>, { alternateScreen: true, incrementalRendering: true, exitOnCtrlC: false, interactive: true, maxFps: 60 });
  const leave = async (): Promise<void> => {
    ink.unmount();
    await ink.waitUntilExit().catch(() => undefined);
    restore(AUTOWRAP_ON);
    process.off("exit", onExit);
    process.off("uncaughtException", onCrash);
    process.off("unhandledRejection", onCrash);
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };

  let parting = "";
  let remark: string | undefined;
  try {
    const interrupted = Promise.race([stopped.promise, crashed.promise]);
    if (client === undefined) {
      const answer = Promise.withResolvers<SignedIn | undefined>();
      ink.rerender(
        <SignInScreen
          home={home}
          profile={fixedProfile}
          name={quick?.name ?? profile ?? ""}
          gateway={signInAt}
          colour={config.colour}
          openQuick={quick && ((options) => sessions.open(options))}
          onDone={answer.resolve}
        />,
      );
      const result = await Promise.race([answer.promise, interrupted]);
      if (typeof result === "number") return result as ExitCode;
      if (result === undefined) return exitCodes.done;
      ({ remark } = result);
      if (typeof result.in === "string") {
        client = await open(result.in);
        await rememberProfile(home, result.in);
      } else client = result.in;
    } else await rememberProfile(home, profile!);
    if (client === undefined) return exitCodes.notSignedIn;
    await using opened = client;
    const ending = await chat(opened);
    if (typeof ending === "number") return ending as ExitCode;
    if (ending.kind === "signed-out")
      parting = ending.server === "told" ? "Signed out." : "Signed out here; the server could not be reached.";
    return exitCodes.done;

    async function chat(signedIn: Client): Promise<Ending | number> {
      await using store = startStore(signedIn, {
        columns: process.stdout.columns,
        rows: process.stdout.rows,
        colour: config.colour,
        keymap,
        // OSC 52: the terminal's own clipboard, also over ssh.
        copy: (text) => void process.stdout.write(`\u001b]52;c;${Buffer.from(text).toString("base64")}\u0007`),
        redraw: () => ink.clear(),
      });
      if (remark !== undefined) store.dispatch({ kind: "said", text: remark, tone: "warning", now: Date.now() });
      for (const text of faults) store.dispatch({ kind: "said", text, tone: "error", now: Date.now() });
      ink.rerender(<ChatScreen store={store} />);
      return await Promise.race([store.ended, interrupted]);
    }
  } finally {
    const left = await sessions.close();
    await leave();
    if (left !== undefined) parting = left;
    if (parting !== "") process.stdout.write(`${parting}\n`);
  }
}

/** [H5] QuickChat sessions are signed out however this process ends, also one that is only just being signed in. */
class QuickSessions {
  readonly #opened: Promise<QuickResult>[] = [];

  open(options: QuickOptions): Promise<QuickResult> {
    const opened = openQuick(options, quickProgram);
    this.#opened.push(opened);
    return opened;
  }

  /** What is to be said of it; undefined: there was none. */
  async close(): Promise<string | undefined> {
    let words: string | undefined;
    for (const opened of this.#opened) {
      const result = await opened.catch(() => undefined);
      if (result?.kind !== "open") continue;
      const { server } = await result.client.signOut();
      words =
        server === "told"
          ? "QuickChat is over: you are signed out, and nothing is left on this machine."
          : `QuickChat is over, and nothing is left on this machine; but the server could not be told: revoke "${quickProgram.deviceName}" on another device of yours.`;
    }
    return words;
  }
}
