import { webLock } from "./lock-web.ts";
import { storageContract } from "./storage-contract.ts";
import { eraseIndexedDbStorage, openIndexedDbStorage } from "./storage-indexeddb.ts";

// Runs in a page; storage-indexeddb.test.ts calls these from outside.
Object.assign(globalThis, {
  async runCase(index: number): Promise<string> {
    const place = `contract-${index}`;
    try {
      await storageContract[index]!.run({ open: openIndexedDbStorage }, place);
      return "passed";
    } catch (error) {
      return String(error);
    } finally {
      await eraseIndexedDbStorage(place);
    }
  },
  async takeLock(profile: string): Promise<boolean> {
    return (await webLock(profile).tryAcquire()) !== undefined;
  },
  async takeAndReleaseLock(profile: string): Promise<boolean> {
    const held = await webLock(profile).acquire(AbortSignal.timeout(5_000));
    await held.release();
    return true;
  },
});
