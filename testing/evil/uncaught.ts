import { expect } from "vitest";

/** The test's process is the client's: what nobody catches there ends it. */
export async function withoutUncaught(work: () => Promise<void>): Promise<void> {
  const uncaught: unknown[] = [];
  const listener = (error: unknown): void => void uncaught.push(error);
  const kept = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", listener);
  try {
    await work();
  } finally {
    process.off("uncaughtException", listener);
    for (const each of kept) process.on("uncaughtException", each);
  }
  expect(uncaught).toEqual([]);
}
