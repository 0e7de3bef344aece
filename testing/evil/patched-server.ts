import { join } from "node:path";
import { freePort } from "../free-port.ts";
import { applyPatch, copySources, type Patch } from "../planted/copy.ts";
import { TestProcess } from "../process.ts";
import type { System } from "../system.ts";
import { TemporaryFolder } from "../temporary-folder.ts";

/** A test build is bundled before it starts. */
const READY_MS = 120_000;

/** A chat server of this system, made of a copy of the sources with these patches; it joins by itself. */
export async function startPatchedServer(system: System, patches: readonly Patch[]): Promise<AsyncDisposable> {
  await using building = new AsyncDisposableStack();
  const folder = building.use(new TemporaryFolder()).path;
  copySources(folder);
  for (const patch of patches) applyPatch(folder, patch);
  const command = join(folder, "terminal", "bin", "fastchat.js");
  const port = await freePort();
  building.use(
    await TestProcess.start({
      name: "patched",
      args: [command, "server", "--name", "patched", "--port", String(port), "--data", join(system.folder, "data")],
      logFile: join(system.folder, "patched.log"),
      environment: { FASTCHAT_SECRET_FILE: system.secretFile, DATABASE_URL: system.databaseUrl },
      readyWithinMs: READY_MS,
    }),
  );
  return building.move();
}

/**
 * What a link does in a conversation is not checked: one that everybody calls invalid, by whomever and for whomever it was signed, is stored in the
 * log all the same and handed out, and the chain's head stays where it is.
 */
export const takesInvalidLinks: readonly Patch[] = [
  { file: "server/requests/append-link.ts", find: "  if (!putBack) checkAuthor(session, body);\n", replace: "  if (!putBack);\n" },
  { file: "server/requests/append-link.ts", find: "putBack || isIn ?", replace: "true ?" },
  { file: "server/requests/append-link.ts", find: ": !putBack && !before.members.has(session.account)) {", replace: ": false) {" },
  {
    file: "server/requests/append-link.ts",
    find: '    case "invalid":\n      throw',
    replace: `    case "invalid": {
      if (before !== undefined) {
        const { rows } = await chat.database.pool.query<{ head: number; head_time: number }>(
          \`WITH place AS (UPDATE conversation SET head = head + 1 WHERE conversation = $1 RETURNING head, head_time)
           INSERT INTO entry (conversation, sequence, time, account, device, kind, body) SELECT $1, head, head_time, $2, $3, 2, $4 FROM place
           RETURNING sequence AS head, time AS head_time\`,
          [Buffer.from(before.conversation, "hex"), body.account, body.device, toBinary(LinkEntrySchema, entry)],
        );
        const { head, head_time: time } = rows[0]!;
        chat.delivery.known(before.conversation, head);
        chat.hints.tellHead(before.conversation, head);
        return { kind: "known", stored: { kind: "appended", sequence: head, time, joined: [] } };
      }
    }
      throw`,
  },
];
