import type { GroupOverview } from "@fastchat/client";
import { cells, fit } from "../cells.ts";
import { safeLine, safeName } from "../safe-text.ts";
import { fewWords } from "../words.ts";

// How people and groups are worded in lines and sentences.

const LONGEST_TITLE = 40;

/** Beside other things on a line, where brackets stand around it: none of its own. */
export const shortTitle = (title: string): string => fit(safeLine(title).replaceAll("[", "(").replaceAll("]", ")"), LONGEST_TITLE);

/** At least so wide. */
export const column = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - cells(text)));

export const NAMES_SHOWN = 20;

/** "alice, bob and carol"; of very many the first. */
export const nameList = (names: readonly string[]): string => fewWords(names.map(safeName), NAMES_SHOWN);

/** Why one is in a group no more. */
export const endedWords = ({ how, by }: NonNullable<GroupOverview["ended"]>, title: string): string =>
  how === "left" ? `You left ${title}.` : `${safeName(by)} removed you from ${title}: what was written before can still be read.`;
