import type { HeldLock, ProfileLock } from "./lock.ts";

/** A Web Lock (W3C Web Locks API): the browser frees it with its page. */
export function webLock(profile: string): ProfileLock {
  const name = `fastchat-${profile}`;

  function request(options: LockOptions): Promise<HeldLock | undefined> {
    return new Promise((resolve, reject) => {
      const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
      const ended = navigator.locks.request(name, options, async (lock) => {
        if (lock === null) return resolve(undefined);
        resolve({
          async release() {
            letGo();
            await ended.catch(() => undefined);
          },
        });
        await held;
      });
      ended.catch(reject);
    });
  }

  return {
    tryAcquire: () => request({ ifAvailable: true }),
    async acquire(signal) {
      const held = await request({ signal });
      if (held === undefined) throw new Error("a lock that was waited for was not given");
      return held;
    },
  };
}
