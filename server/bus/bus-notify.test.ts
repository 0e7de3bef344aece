import pg from "pg";
import { afterAll, beforeAll } from "vitest";
import { silentLog } from "../events.ts";
import { TestDatabase } from "../store/test-database.ts";
import { busContract } from "./bus-contract.ts";
import { openNotifyBus } from "./bus-notify.ts";

let database: TestDatabase;
let url: string;
beforeAll(async () => {
  database = await TestDatabase.create();
  ({ url } = database);
});
afterAll(() => database?.[Symbol.asyncDispose]());

busContract(
  "NOTIFY",
  () => openNotifyBus({ url, log: silentLog }),
  async () => {
    const client = new pg.Client(url);
    await client.connect();
    await client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fastchat bus' AND datname = current_database()",
    );
    await client.end();
  },
);
