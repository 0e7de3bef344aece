import { readConfig } from "../config.ts";
import { silentLog } from "../events.ts";
import { isStrategyName, strategies, type StrategyName, strategyNames } from "../gateway/strategies.ts";
import { openDatabase } from "../store/database.ts";
import { isFresh, readHeartbeats } from "../store/servers.ts";
import { forgetSetting, readSetting, STRATEGY, writeSetting } from "../store/settings.ts";
import { findDatabaseUrl, migrateInTime } from "../up/open-store.ts";

export interface ServerLoad {
  readonly name: string;
  readonly url: string;
  readonly connections: number;
  readonly bytesPerSecond: number;
  readonly draining: boolean;
  /** Gateways give tickets for it: it does not drain, and its heartbeat is fresh. */
  readonly offered: boolean;
  /** Since its last heartbeat, milliseconds. */
  readonly ageMs: number;
}

export interface StrategyReport {
  /** The one that counts. */
  readonly strategy: StrategyName;
  /** `command`: it was chosen while the installation ran, and that comes first. */
  readonly by: "command" | "environment";
  /** What counts where nothing was chosen. */
  readonly environment: StrategyName;
  readonly meanings: readonly { readonly name: StrategyName; readonly meaning: string }[];
  /** All that beat within the last minute. */
  readonly servers: readonly ServerLoad[];
}

/** For whoever runs an installation, beside its running processes: how gateways choose chat servers. */
export interface StrategyAdmin extends AsyncDisposable {
  look(): Promise<StrategyReport>;
  /** From the next ticket on, at all gateways. False: that is no strategy. */
  choose(name: string): Promise<boolean>;
  /** What FASTCHAT_STRATEGY says counts again. */
  forget(): Promise<void>;
}

/** With the settings of the environment and, where it is named, of a data folder. Throws ConfigError with a sentence for people. */
export async function openStrategyAdmin(folder?: string): Promise<StrategyAdmin> {
  const config = readConfig(folder);
  const url = await findDatabaseUrl(config);
  await migrateInTime(url, silentLog);
  const database = openDatabase({ url, connections: 2, onIdleError: () => undefined });
  return {
    async look() {
      const chosen = await readSetting(database, STRATEGY);
      const known = chosen !== undefined && isStrategyName(chosen) ? chosen : undefined;
      const servers = (await readHeartbeats(database)).map((heartbeat): ServerLoad => {
        const { name, url: address, connections, bytesPerSecond, draining, ageMs } = heartbeat;
        return { name, url: address, connections, bytesPerSecond, draining, offered: isFresh(heartbeat) && !draining, ageMs };
      });
      return {
        strategy: known ?? config.strategy,
        by: known === undefined ? "environment" : "command",
        environment: config.strategy,
        meanings: strategyNames.map((name) => ({ name, meaning: strategies[name].meaning })),
        servers: servers.toSorted((one, other) => (one.name < other.name ? -1 : 1)),
      };
    },
    async choose(name) {
      if (!isStrategyName(name)) return false;
      await writeSetting(database, STRATEGY, name);
      return true;
    },
    forget: () => forgetSetting(database, STRATEGY),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}
