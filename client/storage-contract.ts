import { type Change, prefixRange, type Storage } from "./storage.ts";

/** What a platform under test offers; `place` names a profile that no other case uses. */
export interface StorageUnderTest {
  open(place: string): Promise<Storage>;
}

export interface ContractCase {
  readonly title: string;
  run(platform: StorageUnderTest, place: string): Promise<void>;
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const put = (key: string, ...values: number[]): Change => ({ kind: "put", key, value: bytes(...values) });

function same(actual: unknown, expected: unknown, what: string): void {
  const text = (value: unknown) =>
    JSON.stringify(value, (_, inner: unknown) => (inner instanceof Uint8Array ? [...inner] : inner === undefined ? "undefined" : inner));
  if (text(actual) !== text(expected)) throw new Error(`${what}: ${text(actual)} instead of ${text(expected)}`);
}

async function within(milliseconds: number, what: string, happened: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} not within ${milliseconds} ms`)), milliseconds);
  });
  try {
    await Promise.race([happened, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The duties of storage.ts, for every implementation; without a test library, so that it also runs in a page. */
export const storageContract: readonly ContractCase[] = [
  {
    title: "reads back what was committed, also after opening again",
    async run(platform, place) {
      const first = await platform.open(place);
      await first.commit([put("a", 1, 2, 3), put("b"), put("c", 255)]);
      same(await first.getMany(["c", "missing", "a", "b"]), [bytes(255), undefined, bytes(1, 2, 3), bytes()], "many");
      await first.close();
      const second = await platform.open(place);
      same(await second.get("a"), bytes(1, 2, 3), "after opening again");
      same(await second.get("missing"), undefined, "missing");
      await second.close();
    },
  },
  {
    title: "orders keys, with bounds, limits and both directions",
    async run(platform, place) {
      const storage = await platform.open(place);
      await storage.commit(["entry/b/2", "entry/a/10", "entry/a/2", "entry/a/", "entry0", "entry/aa"].map((key) => put(key, 1)));
      const keys = async (...range: Parameters<Storage["range"]>) => (await storage.range(...range)).map(({ key }) => key);
      same(await keys(prefixRange("entry/a/")), ["entry/a/", "entry/a/10", "entry/a/2"], "prefix");
      same(await keys({ ...prefixRange("entry/"), reverse: true, limit: 2 }), ["entry/b/2", "entry/aa"], "newest first");
      same(await keys({ from: "entry/a/10", to: "entry/a/2" }), ["entry/a/10"], "from is in, to is out");
      same(await keys({ from: "entry/a/", to: "entry/b", limit: 1 }), ["entry/a/"], "limit");
      same(await keys({ from: "x", to: "y" }), [], "nothing there");
      same(await keys({ from: "y", to: "a" }), [], "the wrong way round");
      await storage.close();
    },
  },
  {
    title: "lets the later change of a key win within a commit",
    async run(platform, place) {
      const storage = await platform.open(place);
      await storage.commit([put("a", 1)]);
      await storage.commit([put("a", 2), { kind: "delete", key: "a" }, put("b", 1), { kind: "delete", key: "b" }, put("b", 3)]);
      same(await storage.getMany(["a", "b"]), [undefined, bytes(3)], "order in a commit");
      await storage.commit([{ kind: "delete", key: "never there" }]);
      await storage.commit([]);
      await storage.close();
    },
  },
  {
    title: "keeps its own copy of the bytes it is given and gives",
    async run(platform, place) {
      const storage = await platform.open(place);
      const whole = bytes(1, 2, 3, 4);
      await storage.commit([{ kind: "put", key: "a", value: whole.subarray(1, 3) }]);
      whole.fill(9);
      const given = await storage.get("a");
      same(given, bytes(2, 3), "a part of larger memory");
      given!.fill(7);
      same(await storage.get("a"), bytes(2, 3), "after the reader changed its copy");
      await storage.close();
    },
  },
  {
    title: "applies a commit whole or not at all",
    async run(platform, place) {
      const storage = await platform.open(place);
      await storage.commit([put("a", 1)]);
      const unstorable = { kind: "put", key: "c", value: (() => undefined) as unknown as Uint8Array } as const;
      const failed = await storage.commit([put("a", 2), put("b", 2), unstorable]).then(
        () => false,
        () => true,
      );
      same(failed, true, "a commit with something that is no bytes fails");
      same(await storage.getMany(["a", "b", "c"]), [bytes(1), undefined, undefined], "nothing of it was applied");
      await storage.commit([put("a", 3)]);
      same(await storage.get("a"), bytes(3), "the next commit works");
      await storage.close();
    },
  },
  {
    title: "keeps commits that are asked for at once apart: one fails, the others hold, in order",
    async run(platform, place) {
      const storage = await platform.open(place);
      const unstorable = { kind: "put", key: "c", value: (() => undefined) as unknown as Uint8Array } as const;
      const results = await Promise.allSettled([
        storage.commit([put("a", 1), put("b", 1)]),
        storage.commit([put("a", 2), unstorable]),
        storage.commit([put("b", 3)]),
      ]);
      same(
        results.map(({ status }) => status),
        ["fulfilled", "rejected", "fulfilled"],
        "what became of them",
      );
      same(await storage.getMany(["a", "b", "c"]), [bytes(1), bytes(3), undefined], "what is there");
      const last = storage.commit([put("last", 1)]);
      await storage.close();
      await last;
      const again = await platform.open(place);
      same(await again.get("last"), bytes(1), "what was asked for before it was closed");
      await again.close();
    },
  },
  {
    title: "takes a commit of ten thousand changes",
    async run(platform, place) {
      const storage = await platform.open(place);
      const keys = Array.from({ length: 10_000 }, (_, index) => `entry/${String(index).padStart(10, "0")}`);
      await storage.commit(keys.map((key, index) => put(key, index % 256)));
      const items = await storage.range(prefixRange("entry/"));
      same(
        items.map(({ key }) => key),
        keys,
        "all of them, in order",
      );
      await storage.close();
    },
  },
  {
    title: "scrubs what was deleted, and nothing else",
    async run(platform, place) {
      const storage = await platform.open(place);
      await storage.commit([put("kept", 1), put("replaced", 2), put("deleted", 3)]);
      await storage.commit([put("replaced", 4), { kind: "delete", key: "deleted" }]);
      same(await storage.scrub(), true, "nobody is in the way");
      same(await storage.getMany(["kept", "replaced", "deleted"]), [bytes(1), bytes(4), undefined], "after scrubbing");
      await storage.commit([put("kept", 5)]);
      same(await storage.get("kept"), bytes(5), "and it goes on");
      await storage.close();
    },
  },
  {
    title: "tells of commits of another process, and not of its own",
    async run(platform, place) {
      const mine = await platform.open(place);
      const theirs = await platform.open(place);
      let calls = 0;
      const { promise: told, resolve } = Promise.withResolvers<void>();
      const end = mine.onForeignChange(() => {
        calls++;
        resolve();
      });
      await mine.commit([put("a", 1)]);
      await new Promise((done) => setTimeout(done, 150));
      same(calls, 0, "calls for an own commit");
      await theirs.commit([put("a", 2)]);
      await within(2_000, "told of a foreign commit", told);
      same(await mine.get("a"), bytes(2), "the foreign commit is seen");
      end();
      const before = calls;
      await theirs.commit([put("a", 3)]);
      await new Promise((done) => setTimeout(done, 150));
      same(calls, before, "calls after the subscription ended");
      await mine.close();
      await theirs.close();
    },
  },
];
