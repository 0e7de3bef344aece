import { homedir } from "node:os";
import { join } from "node:path";
import { commandTyped } from "@fastchat/protocol/local";
import { type PictureTerminal, isPictureSetting, pictureTerminal } from "./pictures/terminal.ts";

/** What the environment says; options of a command come first. */
export interface Config {
  /** Holds the profiles; absolute path. */
  readonly home: string;
  readonly profile: string | undefined;
  readonly gateway: string | undefined;
  readonly password: string | undefined;
  readonly newPassword: string | undefined;
  readonly recoveryWords: string | undefined;
  readonly exportPassphrase: string | undefined;
  /** False with NO_COLOR (no-color.org) or a dumb terminal. */
  readonly colour: boolean;
  /** What the terminal can show of a picture, as far as the environment says it. */
  readonly pictures: PictureTerminal;
  /** As it is, for the search of a server on this machine. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** How our command is typed here, for sentences that name it: "npx fastchat". */
export const ourCommand = commandTyped(process.env);

/** The one place of the `fastchat` command that reads the environment. An empty variable counts as none. */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const value = (name: string): string | undefined => (environment[name] === "" ? undefined : environment[name]);
  const colour = value("NO_COLOR") === undefined && environment["TERM"] !== "dumb";
  const pictures = value("FASTCHAT_PICTURES") ?? "auto";
  return {
    home: value("FASTCHAT_HOME") ?? join(value("HOME") ?? homedir(), ".fastchat"),
    profile: value("FASTCHAT_PROFILE"),
    gateway: value("FASTCHAT_GATEWAY"),
    password: value("FASTCHAT_PASSWORD"),
    newPassword: value("FASTCHAT_NEW_PASSWORD"),
    recoveryWords: value("FASTCHAT_RECOVERY_WORDS"),
    exportPassphrase: value("FASTCHAT_EXPORT_PASSPHRASE"),
    environment,
    colour,
    pictures: pictureTerminal(environment, isPictureSetting(pictures) ? pictures : "auto", colour),
  };
}
