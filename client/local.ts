import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { dataFoldersToSearch, defaultGatewayPort, readUpState } from "@fastchat/protocol/local";
import { Gateway } from "./gateway.ts";
import { keys } from "./records.ts";
import { sqliteStorageHas } from "./storage-sqlite.ts";

/** How long a port of this machine may take to answer before the next one is tried. */
const PROBE_MS = 2_000;

/** The names of the profiles in a home folder with somebody signed in, sorted; none when there is no such folder. */
export async function listProfiles(home: string): Promise<readonly string[]> {
  const profiles: string[] = [];
  const found = await readdir(home, { withFileTypes: true }).catch(() => []);
  for (const folder of found) {
    if (folder.isDirectory() && sqliteStorageHas(join(home, folder.name), keys.profile)) profiles.push(folder.name);
  }
  return profiles.sort();
}

/**
 * The gateway on this machine: what a running `fastchat up` left in its data folder, else the usual port; the first that
 * answers as FastChat. When none does, the one most likely meant, so that its error says what was tried.
 */
export async function findGateway(environment: NodeJS.ProcessEnv): Promise<string> {
  const candidates: string[] = [];
  for (const folder of dataFoldersToSearch(environment)) {
    const state = await readUpState(folder);
    if (state !== undefined) candidates.push(state.gateway);
  }
  const usual = `http://127.0.0.1:${defaultGatewayPort}`;
  candidates.push(usual);
  for (const gateway of candidates) {
    const answers = await new Gateway(gateway).info(AbortSignal.timeout(PROBE_MS)).then(
      () => true,
      () => false,
    );
    if (answers) return gateway;
  }
  return candidates[0] ?? usual;
}
