import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, statSync } from "node:fs";
import { lchown, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PostgresStartError } from "./start-error.ts";

/** Who owns the cluster's files and runs PostgreSQL. `undefined` ids: whoever runs us. */
export type Owner = { readonly uid?: number; readonly gid?: number };

/**
 * PostgreSQL refuses to run as root. This id lies in a range that systemd's list of user ids leaves unused (60706 to 61183), so that it
 * belongs to nobody; it needs no entry in /etc/passwd.
 */
const unprivilegedId = 60732;

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** The owner of an existing cluster stays its owner, whoever starts it; a new one of root's belongs to the unprivileged id. */
export function ownerOf(cluster: string): Owner {
  const uid = process.getuid?.();
  const found = statSync(cluster, { throwIfNoEntry: false });
  if (uid === 0) return found && found.uid !== 0 ? { uid: found.uid, gid: found.gid } : { uid: unprivilegedId, gid: unprivilegedId };
  if (found && found.uid !== uid) {
    throw new PostgresStartError(
      "unreachable",
      `${cluster} belongs to the user with the id ${found.uid}: start FastChat as that user, or choose another data folder.`,
    );
  }
  return {};
}

/**
 * initdb and the single-user mode insist on a user with a name, the server itself does not. So root lets "nobody" do that work, on a
 * folder that is handed to the unprivileged id afterwards.
 */
export function namedOwnerFor(owner: Owner): Owner {
  if (owner.uid !== unprivilegedId) return owner;
  const ask = (option: string) => Number.parseInt(spawnSync("id", [option, "nobody"], { encoding: "utf8" }).stdout, 10);
  const [uid, gid] = [ask("-u"), ask("-g")];
  if (uid > 0 && gid > 0) return { uid, gid };
  throw new PostgresStartError(
    "unsupported",
    'PostgreSQL may not run as root, and this system has no user "nobody" to set it up: start FastChat as a normal user, or set DATABASE_URL.',
  );
}

/** Makes `owner` the owner of `path` and everything in it. Nothing to do when that is who runs us. */
export async function giveTo(owner: Owner, path: string): Promise<void> {
  const { uid, gid } = owner;
  if (uid === undefined || gid === undefined) return;
  for (const item of await readdir(path, { withFileTypes: true })) {
    if (item.isDirectory()) await giveTo(owner, join(path, item.name));
    else await lchown(join(path, item.name), uid, gid);
  }
  await lchown(path, uid, gid);
}

/** Makes `folder` and what is missing above it, such that root's PostgreSQL user can pass through but not look around. */
export function makeFolder(folder: string): void {
  try {
    const first = mkdirSync(folder, { recursive: true });
    if (first === undefined) return;
    for (let made = folder; ; made = dirname(made)) {
      chmodSync(made, isRoot() ? 0o711 : 0o700);
      if (made === first) return;
    }
  } catch (error) {
    throw new PostgresStartError(
      "unreachable",
      `The data folder ${folder} cannot be made (${(error as Error).message}): choose another one with --data.`,
      { cause: error },
    );
  }
}

/** Throws unless the owner can enter `folder`. Asks the operating system by trying, since access has more rules than mode bits. */
export function assertReachable(folder: string, owner: Owner): void {
  if (owner.uid === undefined) return;
  const enters = (path: string) => spawnSync("/bin/sh", ["-c", 'cd -- "$1"', "sh", path], { ...owner, cwd: "/", env: {} });
  const tried = enters(folder);
  if (tried.error !== undefined) {
    throw new PostgresStartError(
      "unreachable",
      `PostgreSQL may not run as root, and changing to another user failed (${tried.error.message}): start FastChat as a normal user, or set DATABASE_URL.`,
      { cause: tried.error },
    );
  }
  if (tried.status === 0) return;
  let closed = folder;
  while (dirname(closed) !== closed && enters(dirname(closed)).status !== 0) closed = dirname(closed);
  throw new PostgresStartError(
    "unreachable",
    `PostgreSQL may not run as root, and the user it runs as (id ${owner.uid}) cannot enter ${closed}: choose another data folder with --data, for example /var/lib/fastchat, or run "chmod o+x ${closed}".`,
  );
}
