import type { GroupPolicy } from "@fastchat/client";
import { lengthWords } from "../../durations.ts";
import { safeLine } from "../../safe-text.ts";

/** A policy for people: a sentence for each of its parts. */
export function policyLines({
  mayAdd,
  mayWrite,
  mayChangeProfile,
  newcomersRead,
  retentionSeconds,
  publicName,
  joining,
}: GroupPolicy): readonly string[] {
  return [
    mayAdd === "admins" ? "Only admins add members." : "Every member adds others; only admins remove them.",
    mayWrite === "admins" ? "Only admins write." : "Every member writes.",
    `${mayChangeProfile === "admins" ? "Only admins change" : "Every member changes"} name, description and picture.`,
    newcomersWords(newcomersRead),
    retentionSeconds === 0 ? "Messages are kept." : `Messages are deleted after ${lengthWords(retentionSeconds)}.`,
    publicName === ""
      ? "No public name: only who has an invitation can ask to join."
      : `Public name "${safeLine(publicName)}": everybody on this server can find it and ask to join.`,
    `Who comes with an invitation is ${joining === "at-once" ? "let in at once" : "let in when an admin approves"}.`,
  ];
}

function newcomersWords(read: GroupPolicy["newcomersRead"]): string {
  if (read === "nothing-older") return "Newcomers read nothing that was written before them.";
  if (read === "everything") return "Newcomers read everything that was written before them.";
  return `Newcomers read what was written since epoch ${read.sinceEpoch}.`;
}
