import type { Fault } from "../crash/checker.ts";
import type { CrashOptions } from "../crash/run.ts";
import type { Patch } from "./copy.ts";

/** A mistake that somebody could make, and the part of the crash test that must notice. */
export interface PlantedBug {
  readonly name: string;
  readonly patches: readonly Patch[];
  readonly options: Partial<CrashOptions>;
  /** Any of these shows that the checker saw it. */
  readonly caughtAs: readonly Fault["kind"][];
}

const small = { pairs: 2, messages: 200, pauseMs: 5 };

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: "acknowledgement before the commit",
    patches: [
      {
        file: "server/store/append.ts",
        find: "const { rows } = await pool.query<{ befores: string[]; times: string[] }>({",
        replace: "const { rows } = await answeredBeforeTheCommit<{ befores: string[]; times: string[] }>(pool as pg.Pool, {",
      },
      {
        file: "server/store/append.ts",
        find: "/**\n * Appends a batch in one statement",
        replace: `async function answeredBeforeTheCommit<Row extends pg.QueryResultRow>(pool: pg.Pool, query: pg.QueryConfig): Promise<pg.QueryResult<Row>> {
  const client = await pool.connect();
  await client.query("BEGIN");
  const result = await client.query<Row>(query);
  setTimeout(() => void client.query("COMMIT").then(() => client.release(), () => client.release(true)), 100);
  return result;
}

/**
 * Appends a batch in one statement`,
      },
    ],
    options: { ...small, faults: ["kill-chat-servers", "kill-postgres", "kill-chat-servers"] },
    caughtAs: ["lost", "different", "moved", "complaint", "disordered"],
  },
  {
    name: "no duplicate index, and nobody else who notices",
    patches: [
      {
        file: "server/store/migrations/0001-start.ts",
        find: "  PRIMARY KEY (conversation, sequence),\n  UNIQUE (conversation, device, client_message_id)\n",
        replace: "  PRIMARY KEY (conversation, sequence)\n",
      },
      {
        file: "server/store/migrations/0001-start.ts",
        find: "AND e.client_message_id = o.client_message_id\n",
        replace: "AND e.client_message_id = o.client_message_id AND false\n",
      },
      {
        file: "client/log-check.ts",
        find: `if (twin === "same-message") stored.body =`,
        replace: `if (twin === "same-message" && stored.time < 0n) stored.body =`,
      },
    ],
    options: { ...small, faults: ["cut-commits", "cut-commits"] },
    caughtAs: ["doubled", "complaint"],
  },
  {
    name: "cursor stored before the text",
    patches: [
      {
        file: "client/conversation.ts",
        find: "    await this.#parts.storage.commit([\n      ...entries,\n      ...draft.changes,",
        replace:
          "    await this.#parts.storage.commit([put(keys.conversation(this.id), schemas.conversation, draft.record)]);\n    await this.#parts.storage.commit([\n      ...entries,\n      ...draft.changes,",
      },
    ],
    options: { ...small, faults: ["kill-client-before-store"] },
    caughtAs: ["lost", "different"],
  },
  {
    name: "a gap is skipped",
    patches: [
      {
        file: "client/conversation.ts",
        find: "    if (entry.sequence === next) {\n      run.push(entry);\n      next++;\n    } else if (entry.sequence >= next) {\n      break;\n    }",
        replace: "    if (entry.sequence >= next) {\n      run.push(entry);\n      next = entry.sequence + 1;\n    }",
      },
    ],
    options: { ...small, faults: ["cut-sockets", "kill-chat-servers", "cut-sockets"] },
    caughtAs: ["lost", "different"],
  },
  {
    name: "order lost between two batches",
    patches: [
      { file: "server/store/append-queue.ts", find: "    this.#waiting = rest;\n", replace: "    this.#waiting = rest.toReversed();\n" },
    ],
    options: { ...small, pauseMs: 1, faults: ["cut-commits", "drop-hints"], hintlessMs: 1_000 },
    caughtAs: ["disordered", "complaint"],
  },
];
