import { ErrorCode, errorRow, FastChatError } from "@fastchat/protocol";
import { ourCommand } from "./config.ts";
import { safeLine } from "./safe-text.ts";

/** How a command ends; documented in docs/commands.md, never renumbered. */
export const exitCodes = {
  done: 0,
  /** Something unexpected went wrong. */
  failed: 1,
  /** The command was written wrongly. */
  usage: 2,
  /** Nobody is signed in with this profile, or the session has ended. */
  notSignedIn: 3,
  /** Refused: wrong password, no such user, name taken, … */
  refused: 4,
  /** "Sorry, no services available". */
  noServices: 5,
  /** The message is kept here and will be sent later. */
  queued: 6,
  /** What was waited for did not come in time. */
  timeout: 7,
  /** A group was asked to let one in; somebody who may decides later. */
  asked: 8,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** An end that the person should hear about: one plain sentence that says what to do. */
export class Failure extends Error {
  readonly exit: ExitCode;
  /** Stable word for scripts. */
  readonly code: string;

  constructor(exit: ExitCode, code: string, sentence: string) {
    super(sentence);
    this.name = "Failure";
    this.exit = exit;
    this.code = code;
  }
}

export const usage = (sentence: string): Failure => new Failure(exitCodes.usage, "usage", sentence);

export const noServices = (gateway: string): Failure =>
  new Failure(
    exitCodes.noServices,
    "no-server",
    `Sorry, no services available at ${gateway}: check the address, or start a server with "${ourCommand} up".`,
  );

export const notSignedIn = (profile: string | undefined): Failure =>
  new Failure(
    exitCodes.notSignedIn,
    "not-signed-in",
    `Nobody is signed in${profile === undefined ? "" : ` with the profile ${profile}`}: run "${ourCommand} signin NAME" or "${ourCommand} signup NAME".`,
  );

/** The failure for an error code of the protocol. */
export function failureOf(error: FastChatError): Failure {
  const { name, sentence, advice } = error.row;
  if (advice === "sign-in") return new Failure(exitCodes.notSignedIn, name, sentence);
  if (advice === "tell" || advice === "stop") return new Failure(exitCodes.refused, name, sentence);
  return new Failure(isUnreachable(error) ? exitCodes.noServices : exitCodes.failed, name, sentence);
}

/** What the SDK answers in the place of what was asked for. */
export interface Refused {
  readonly kind: "refused";
  readonly code: ErrorCode;
  readonly sentence: string;
}

/** The same as an error, in the words that came with it. */
export const refusedWith = ({ code, sentence }: Refused): FastChatError =>
  new FastChatError(code, sentence === errorRow(code).sentence ? {} : { sentence });

/** Names of the SDK's errors for "there is no answer". */
const UNREACHABLE: ReadonlySet<string> = new Set(["GatewayUnreachable", "ConnectionLost"]);
const NO_SERVICES: ReadonlySet<ErrorCode> = new Set([ErrorCode.NO_SERVER, ErrorCode.UNAVAILABLE, ErrorCode.MOVED, ErrorCode.IDLE]);

/** Whether it is worth trying again, with no more said than "no services". */
export const isUnreachable = (error: unknown): boolean =>
  (error instanceof Error && UNREACHABLE.has(error.name)) || (error instanceof FastChatError && NO_SERVICES.has(error.code));

/** Every way to fail, as one. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof FastChatError) return failureOf(error);
  const sentence = safeLine(error instanceof Error ? error.message : String(error));
  return new Failure(
    isUnreachable(error) ? exitCodes.noServices : exitCodes.failed,
    isUnreachable(error) ? "no-server" : "unexpected",
    sentence,
  );
}
