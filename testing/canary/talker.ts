/**
 * Somebody who signs up, writes and keeps a draft and a note, in a process of its own whose memory can be searched. Started with IPC; gets a
 * TalkerTask, says "done" when all of it is on the server, and stays until it is killed.
 */
import { openClient, signUp } from "@fastchat/client/node";

export interface TalkerTask {
  readonly gateway: string;
  readonly home: string;
  readonly name: string;
  readonly password: string;
  readonly peer: string;
  readonly text: string;
  readonly draft: string;
  readonly note: string;
}

async function talk(task: TalkerTask): Promise<void> {
  const place = { home: task.home, profile: task.name };
  const result = await signUp(place, { gateway: task.gateway, name: task.name, password: task.password });
  if (result.kind !== "signed-up") throw new Error(`the sign-up ended with ${result.kind}`);
  const client = await openClient(place, { gateway: task.gateway });
  if (client === undefined) throw new Error("nobody is signed in");
  await client.caughtUp();
  const conversation = await client.openDirect(task.peer);
  await client.send(conversation, task.text);
  await client.setNote(task.peer, task.note);
  await client.setDraft(conversation, task.draft);
  await client.setTyping(conversation, true);
  await client.sent(conversation);
}

let kept: TalkerTask | undefined;
process.on("message", (task: TalkerTask) => {
  kept = task;
  talk(task).then(
    () => process.send?.("done"),
    (error: unknown) => process.send?.(error instanceof Error ? (error.stack ?? error.message) : String(error)),
  );
});
process.on("disconnect", () => process.exit(kept === undefined ? 1 : 0));
