import { limits } from "@fastchat/protocol";
import { usage } from "../../failure.ts";

/** A name that a group can have. Throws Failure. */
export function checkedGroupName(text: string): string {
  const name = text.trim();
  if (name === "") throw usage("A group's name has at least one letter: write one.");
  if (/\p{Cc}/u.test(name)) throw usage("A group's name is one line of plain text: leave out what is not.");
  if (Buffer.byteLength(name) > limits.groupNameBytes)
    throw usage(`A group's name has at most ${limits.groupNameBytes} bytes: make it shorter.`);
  return name;
}

/** Throws Failure. */
export function checkedDescription(text: string): string {
  if (Buffer.byteLength(text) > limits.groupDescriptionBytes)
    throw usage(`A group's description has at most ${limits.groupDescriptionBytes / 1024} KiB: make it shorter.`);
  return text;
}
