import { afterAll, beforeAll } from "vitest";
import { silentLog } from "../events.ts";
import { connect, TestDatabase } from "../store/test-database.ts";
import { busContract } from "./bus-contract.ts";
import { openNotifyBus } from "./bus-notify.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await TestDatabase.create();
});
afterAll(() => database?.[Symbol.asyncDispose]());

busContract("NOTIFY", {
  port: () => Number(new URL(database.url).port),
  open: (port) => openNotifyBus({ url: Object.assign(new URL(database.url), { port }).href, log: silentLog }),
  cut: async () => {
    await using client = await connect(database.url);
    await client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fastchat bus' AND datname = current_database()",
    );
  },
});
