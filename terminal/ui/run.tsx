import { readFile } from "node:fs/promises";
import { writeSync } from "node:fs";
import { join } from "node:path";
import { render } from "ink";
import type { Client, QuickOptions, QuickResult } from "@fastchat/client";
import { openQuick } from "@fastchat/client/node";
import type { Config } from "../config.ts";
import { pixelsOf } from "../files/pixels.ts";
import { askTerminal } from "../pictures/ask.ts";
import { type ExitCode, exitCodes } from "../failure.ts";
import { openProfile, quickProgram, rememberProfile } from "../place.ts";
import { readKeymap } from "./keys.ts";
import { ChatScreen, type PictureScreen } from "./screen.tsx";
import { SignInScreen, type SignedIn } from "./sign-in-screen.tsx";
import { OpenedAccounts } from "./opened-accounts.ts";
import { sentenceOf } from "./store.ts";

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
  const open = (name: string): Promise<Client | undefined> => openProfile({ home, profile: name }, givenGateway);
  const sessions = new QuickSessions();
  // Both take a moment.
  const [opened, pictureTerminal] = await Promise.all([
    profile === undefined ? undefined : open(profile),
    askTerminal(config.pictures, process.stdin, process.stdout),
  ]);
  let client = opened;
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

  const screen: PictureScreen = { write: (sequence) => void process.stdout.write(sequence), clear: () => ink.clear() };
  let parting = "";
  let remark: string | undefined;
  let switching = Promise.withResolvers<Switch>();
  const interrupted = Promise.race([stopped.promise, crashed.promise]);
  /** Undefined: the person did not sign in. */
  const signIn = async (at: string, first: boolean): Promise<SignedIn | number | undefined> => {
    const answer = Promise.withResolvers<SignedIn | undefined>();
    ink.rerender(
      <SignInScreen
        key={first ? "first" : "another"}
        home={home}
        profile={first ? fixedProfile : undefined}
        name={first ? (quick?.name ?? profile ?? "") : ""}
        gateway={at}
        colour={config.colour}
        back={!first}
        openQuick={first && quick !== undefined ? (options) => sessions.open(options) : undefined}
        onDone={answer.resolve}
      />,
    );
    const result = await Promise.race([answer.promise, interrupted]);
    if (typeof result === "object") ({ remark } = result);
    return result;
  };
  try {
    await using accounts = new OpenedAccounts({
      home,
      open,
      storeOptions: {
        colour: config.colour,
        keymap,
        // OSC 52: the terminal's own clipboard, also over ssh.
        copy: (text) => void process.stdout.write(`\u001b]52;c;${Buffer.from(text).toString("base64")}\u0007`),
        redraw: () => ink.clear(),
        pictureTerminal,
        write: screen.write,
        decode: pixelsOf,
        switchTo: (to) => switching.resolve({ kind: "switch", profile: to }),
      },
    });
    let shownProfile = profile ?? "";
    if (client === undefined) {
      const result = await signIn(signInAt, true);
      if (typeof result === "number") return result as ExitCode;
      if (result === undefined) return exitCodes.done;
      if (typeof result.in === "string") {
        shownProfile = result.in;
        client = await open(shownProfile);
      } else client = result.in;
    }
    if (client === undefined) return exitCodes.notSignedIn;
    let shown = accounts.add(shownProfile, client);
    for (const text of faults) shown.store.dispatch({ kind: "said", text, tone: "error", now: Date.now() });
    for (;;) {
      const { store } = shown;
      if (remark !== undefined) store.dispatch({ kind: "said", text: remark, tone: "warning", now: Date.now() });
      remark = undefined;
      if (!shown.client.quick) await rememberProfile(home, shown.profile);
      await accounts.show(shown);
      ink.rerender(<ChatScreen key={shown.profile} store={store} terminal={screen} />);
      switching = Promise.withResolvers();
      const ending = await Promise.race([store.ended, switching.promise, interrupted]);
      if (typeof ending === "number") return ending as ExitCode;
      if (ending.kind === "quit") return exitCodes.done;
      if (ending.kind === "signed-out") {
        parting = ending.server === "told" ? "Signed out." : "Signed out here; the server could not be reached.";
        await accounts.drop(shown);
        const next = accounts.any;
        if (next === undefined) return exitCodes.done;
        shown = next;
        remark = parting;
        parting = "";
        continue;
      }
      const result = ending.profile ?? (await signIn(await gateway(), false));
      if (typeof result === "number") return result as ExitCode;
      const wanted = typeof result === "object" ? result.in : result;
      if (typeof wanted !== "string") continue;
      try {
        const next = await accounts.get(wanted);
        if (next === undefined || next === shown) continue;
        store.dispatch({ kind: "put-away" });
        shown = next;
      } catch (error) {
        store.dispatch({ kind: "said", text: sentenceOf(error), tone: "error", now: Date.now() });
      }
    }
  } finally {
    const left = await sessions.close();
    await leave();
    if (left !== undefined) parting = left;
    if (parting !== "") process.stdout.write(`${parting}\n`);
  }
}

/** `profile`: undefined where the person signs in to another account. */
type Switch = { readonly kind: "switch"; readonly profile: string | undefined };

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
          : `QuickChat is over, and nothing is left on this machine; but the server could not be told: revoke "${quickProgram.deviceName()}" on another device of yours.`;
    }
    return words;
  }
}
