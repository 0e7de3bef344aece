import type { BroadcastList } from "@fastchat/client";

/** Whether a list can be called so: with commas it would be names of people. */
export const isListName = (text: string): boolean => text.trim() !== "" && !text.includes(",") && !/\p{Cc}/u.test(text);

/** The list of this name, in this letter case or another. */
export const listCalled = (lists: readonly BroadcastList[], name: string): BroadcastList | undefined =>
  lists.find((list) => list.name === name) ?? lists.find((list) => list.name.toLowerCase() === name.toLowerCase());
