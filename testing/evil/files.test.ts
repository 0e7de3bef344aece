import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type ConversationId, ErrorCode, type FastChatError } from "@fastchat/protocol";
import { sealedChunkBytes, sealedFileSize } from "@fastchat/protocol/seal";
import { type FileSchema, SealedMessageSchema } from "@fastchat/protocol/wire/conversation";
import { FileDamaged } from "@fastchat/client";
import { fileSink } from "@fastchat/client/node";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { fastchat } from "../fastchat.ts";
import type { Person } from "../person.ts";
import type { AskedBlob, GivenBlob } from "../proxy.ts";
import { rawDeviceOf } from "../raw-device.ts";
import { TemporaryFolder } from "../temporary-folder.ts";
import { type EvilCase, play, type Stage, until } from "./case.ts";
import { ModifiedClient, profileOf } from "./modified-client.ts";

/** Four chunks, the last of them short. */
const BYTES = 200_000;
const CHUNK = sealedChunkBytes;
const SEALED = sealedFileSize(BYTES);

interface Sent {
  readonly bytes: Buffer;
  readonly blob: string;
  readonly at: { readonly conversation: ConversationId; readonly sequence: number; readonly place: number };
}

/** Bob, whom nobody deceives, sends alice a file. */
async function fileFrom(stage: Stage, bob: Person, alice: Person, conversation: ConversationId, name = "plan.pdf"): Promise<Sent> {
  const bytes = randomBytes(BYTES);
  const before = await blobsOf(stage, conversation);
  await bob.client.files.send(conversation, [{ source: sourceOf(name, bytes) }], { text: `see ${name}` });
  await bob.client.sent(conversation, AbortSignal.timeout(20_000));
  await alice.hears(bob.name, `see ${name}`);
  const [blob] = (await blobsOf(stage, conversation)).filter((id) => !before.includes(id));
  return { bytes, blob: blob!, at: { conversation, sequence: await sequenceOf(alice, conversation, `see ${name}`), place: 0 } };
}

const sourceOf = (name: string, bytes: Uint8Array) => ({
  name,
  size: bytes.length,
  async *stream() {
    yield bytes;
  },
});

async function blobsOf({ system }: Stage, conversation: ConversationId): Promise<string[]> {
  const rows = await system.query("SELECT encode(blob, 'hex') AS id FROM blob WHERE conversation = decode($1, 'hex')", [conversation]);
  return rows.map(({ id }) => String(id));
}

async function sequenceOf(person: Person, conversation: ConversationId, text: string): Promise<number> {
  return until(person, text, async () => {
    const { items } = await person.client.items(conversation, { limit: 50 });
    return items.find((item) => item.kind === "message" && item.text === text)?.sequence;
  });
}

/** What became of fetching it: the error, and what lies in the folder. */
async function fetched(person: Person, at: Sent["at"]): Promise<{ error: unknown; left: Record<string, Buffer> }> {
  using folder = new TemporaryFolder();
  const error = await person.client.files.fetch(at, await fileSink(join(folder.path, "it"))).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, left: Object.fromEntries(readdirSync(folder.path).map((name) => [name, readFileSync(join(folder.path, name))])) };
}

/** A server that gives what it likes: the client says that the file is damaged, and nothing of it stays; an honest server is believed again. */
function damaged(attack: string, give: (asked: AskedBlob, sent: readonly Sent[]) => Promise<GivenBlob>): EvilCase {
  return {
    attack,
    rules: "[S6]",
    async run(stage) {
      const { alice, bob, conversation } = await stage.acquaintances();
      const sent = [await fileFrom(stage, bob, alice, conversation), await fileFrom(stage, bob, alice, conversation, "other.pdf")];
      stage.proxy.script = { blob: (asked) => give(asked, sent) };
      const { error, left } = await fetched(alice, sent[0]!.at);
      expect(error).toBeInstanceOf(FileDamaged);
      expect(left).toEqual({});
      stage.proxy.script = {};
      const honest = await fetched(alice, sent[0]!.at);
      expect([honest.error, Object.keys(honest.left)]).toEqual([undefined, ["it"]]);
      expect(honest.left["it"]!.equals(sent[0]!.bytes)).toBe(true);
      await stage.honestTalk(alice, bob);
    },
  };
}

const all = ({ start }: AskedBlob, bytes: Buffer): GivenBlob => ({
  bytes: [bytes.subarray(start)],
  range: `bytes ${start}-${SEALED - 1}/${SEALED}`,
});

/** What is stored is another thing, and the server says nothing of it. */
const changed = (attack: string, change: (bytes: Buffer) => Buffer): EvilCase =>
  damaged(attack, async (asked) => all(asked, change(await asked.stored())));

const flipped = (at: number) => (bytes: Buffer) => {
  bytes[at]! ^= 1;
  return bytes;
};

const chunksOf = (bytes: Buffer): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / CHUNK) }, (_, index) => bytes.subarray(index * CHUNK, (index + 1) * CHUNK));

const swapped = damaged("a swapped blob: another one of the same size", async (asked, sent) =>
  all(asked, await asked.stored(sent[1]!.blob)),
);

const honestlyShort = damaged("a shortened blob whose size the server tells", async (asked) => {
  const bytes = (await asked.stored()).subarray(0, -1);
  return { bytes: [bytes.subarray(asked.start)], range: `bytes ${asked.start}-${bytes.length - 1}/${bytes.length}` };
});

const longer = damaged("an extended blob whose size the server tells", async (asked) => ({
  bytes: [(await asked.stored()).subarray(asked.start), randomBytes(CHUNK)],
  range: `bytes ${asked.start}-${SEALED + CHUNK - 1}/${SEALED + CHUNK}`,
}));

const ofAnotherPlace = damaged("an answer with another range than was asked for", async (asked) => ({
  bytes: [(await asked.stored()).subarray(CHUNK)],
  range: `bytes ${CHUNK}-${SEALED - 1}/${SEALED}`,
}));

const hiddenPlace = damaged("an answer from another place that does not say so", async (asked) => ({
  bytes: [(await asked.stored()).subarray(CHUNK)],
}));

const nothingThere = damaged("a blob of which the server says that it ends before", async () => ({ bytes: [], status: 416 }));

const endless: EvilCase = {
  attack: "an answer without an end",
  rules: "[S6]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances();
    const sent = await fileFrom(stage, bob, alice, conversation);
    let given = 0;
    const forever = async function* (first: Buffer) {
      for (let bytes = first; ; bytes = randomBytes(65_536)) {
        given += bytes.length;
        yield bytes;
      }
    };
    // Behind the file, of which it is not told: it is whole, and the rest is not waited for.
    stage.proxy.script = { blob: async (asked) => ({ bytes: forever(await asked.stored()) }) };
    const { error, left } = await fetched(alice, sent.at);
    expect([error, left["it"]?.equals(sent.bytes)]).toEqual([undefined, true]);
    // In the place of the file.
    stage.proxy.script = { blob: async () => ({ bytes: forever(randomBytes(65_536)) }) };
    const second = await fetched(alice, sent.at);
    expect(second.error).toBeInstanceOf(FileDamaged);
    expect(second.left).toEqual({});
    // What buffers on the way hold, and no more.
    expect(given).toBeLessThan(32 * 1_048_576);
    await stage.honestTalk(alice, bob);
  },
};

const resumedWithOther: EvilCase = {
  attack: "the rest of another blob after a connection that was cut",
  rules: "[S6]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances();
    const [sent, other] = [await fileFrom(stage, bob, alice, conversation), await fileFrom(stage, bob, alice, conversation, "other.pdf")];
    const starts: number[] = [];
    stage.proxy.script = {
      blob: async (asked) => {
        starts.push(asked.start);
        if (asked.start === 0) return { bytes: [(await asked.stored()).subarray(0, 2 * CHUNK + 100)] };
        return all(asked, await asked.stored(other.blob));
      },
    };
    const { error, left } = await fetched(alice, sent.at);
    expect(error).toBeInstanceOf(FileDamaged);
    expect([left, starts]).toEqual([{}, [0, 2 * CHUNK]]);
    await stage.honestTalk(alice, bob);
  },
};

type Claimed = MessageInitShape<typeof FileSchema>;

/** A member's client that was changed so that a message says of its files whatever it likes. */
async function changedClientOf(stage: Stage, person: Person): Promise<ModifiedClient> {
  return stage.use(await ModifiedClient.open(stage.system, rawDeviceOf(stage.system, await profileOf(person))));
}

async function lies(liar: ModifiedClient, conversation: ConversationId, text: string, file: Claimed): Promise<void> {
  const claims = { key: randomBytes(32), name: "a.bin", mediaType: "image/png", ...file };
  expect(await liar.send(conversation, await liar.message(conversation, text, [claims]))).toBe("appended");
}

const othersBlob: EvilCase = {
  attack: "somebody else's blob named in a message",
  rules: "[S6]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances({ ownBob: true });
    const [carol, dave] = [await stage.honest("carol"), await stage.honest("dave")];
    const theirs = await carol.say(dave.name, "between us");
    await dave.hears(carol.name, "between us");
    const secret = await fileFrom(stage, carol, dave, theirs);
    const blob = Buffer.from(secret.blob, "hex");
    const row = () => stage.system.query("SELECT * FROM blob WHERE blob = $1", [blob]);
    const [before] = await row();
    const liar = await changedClientOf(stage, bob);
    // In the clear it is not taken.
    const named = await liar.message(conversation, "openly");
    expect(await liar.send(conversation, create(SealedMessageSchema, { ...named, blobs: [blob] }))).toBe(ErrorCode.BLOB_MISSING);
    // Inside the server does not see it: nobody comes to the file by that, the liar least of all.
    await lies(liar, conversation, "look what they have", { blob, size: BigInt(BYTES) });
    await alice.hears(bob.name, "look what they have");
    const sequence = await sequenceOf(alice, conversation, "look what they have");
    for (const each of [alice, bob]) {
      const { error, left } = await fetched(each, { conversation, sequence, place: 0 });
      expect((error as FastChatError).code).toBe(ErrorCode.NOT_FOUND);
      expect(left).toEqual({});
    }
    // Nor is it kept for them.
    expect(await row()).toEqual([before]);
    const { left } = await fetched(dave, secret.at);
    expect(left["it"]!.equals(secret.bytes)).toBe(true);
    expect(await alice.texts(bob.name)).not.toContain("openly");
    await stage.honestTalk(alice, bob);
  },
};

const falseSizes: EvilCase = {
  attack: "a file whose message claims another size, type or key",
  rules: "[S6]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances({ ownBob: true });
    const real = await fileFrom(stage, bob, alice, conversation);
    const blob = Buffer.from(real.blob, "hex");
    const liar = await changedClientOf(stage, bob);
    for (const [what, file] of Object.entries<Claimed>({
      smaller: { blob, size: 100n },
      "one byte less": { blob, size: BigInt(BYTES - 1) },
      larger: { blob, size: 4_000_000_000n },
      empty: { blob, size: 0n },
      "another key": { blob, size: BigInt(BYTES), key: randomBytes(32) },
    })) {
      await lies(liar, conversation, what, file);
      await alice.hears(bob.name, what);
      const { error, left } = await fetched(alice, { conversation, sequence: await sequenceOf(alice, conversation, what), place: 0 });
      expect([what, (error as Error).name, left]).toEqual([what, "FileDamaged", {}]);
    }
    // What is no file at all is none.
    for (const [what, file] of Object.entries<Claimed>({
      "larger than can be": { blob, size: 2n ** 64n - 1n },
      "a short key": { blob, key: randomBytes(31) },
    })) {
      await lies(liar, conversation, what, file);
      await alice.hears(bob.name, what);
      const { items } = await alice.client.items(conversation, { limit: 50 });
      expect(items.flatMap((item) => (item.kind === "message" && item.text === what ? item.files : []))).toEqual([]);
    }
    await stage.honestTalk(alice, bob);
  },
};

const evilNames = [
  "../../x",
  "/etc/passwd",
  "..\\..\\x.exe",
  "C:\\con",
  "con.txt",
  "..",
  "",
  ".bashrc",
  "\u001b]0;owned\u0007\u001b[2Jclear.txt",
  "photo\u202egpj.exe",
  "nul\0byte.txt",
  "line\nbreak\r.txt",
  `${"n".repeat(10_000)}.txt`,
  `${"\u0301".repeat(3_000)}.txt`,
  "-rf",
  "~",
  "$(touch x).txt",
  "--checkpoint-action=exec=sh x.sh",
  `photo.jpg${"\u2800".repeat(60)}.exe`,
];

const names: EvilCase = {
  attack: "file names that leave the folder, hide what they are or speak to the terminal",
  rules: "[S6]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances();
    using outer = new TemporaryFolder();
    const folder = join(outer.path, "a", "b");
    mkdirSync(folder, { recursive: true });
    // Somebody else may write there as well: a link is no place for a file, wherever it leads.
    const elsewhere = join(outer.path, "elsewhere");
    writeFileSync(elsewhere, "precious");
    for (const name of ["x", "passwd.fastchat-part"]) symlinkSync(elsewhere, join(folder, name));
    symlinkSync(join(outer.path, "nowhere"), join(folder, "file"));
    for (const [index, name] of evilNames.entries()) {
      await bob.client.files.send(conversation, [{ source: sourceOf(name, Buffer.from(String(index))) }], { text: `name ${index}` });
      await bob.client.sent(conversation, AbortSignal.timeout(20_000));
    }
    await alice.hears(bob.name, `name ${evilNames.length - 1}`);
    const options = { gateway: stage.proxy.url, withinMs: 60_000 };
    const saved = await fastchat(stage.system, ["save", bob.name, "--all", "--to", folder, "--profile", alice.profile], options);
    expect([saved.code, saved.errors]).toEqual([0, ""]);
    const read = await fastchat(stage.system, ["read", bob.name, "--all", "--profile", alice.profile], options);
    for (const shown of [saved.output, read.output]) expect(shown).not.toMatch(/[^\P{Cc}\n]|\p{Bidi_Control}/u);
    expect([readFileSync(elsewhere, "utf8"), readdirSync(outer.path).toSorted()]).toEqual(["precious", ["a", "elsewhere"]]);
    const written = readdirSync(join(outer.path, "a"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(new Set(written.map(({ parentPath }) => parentPath))).toEqual(new Set([folder]));
    expect(new Set(written.map(({ name }) => readFileSync(join(folder, name), "utf8")))).toEqual(new Set(evilNames.keys().map(String)));
    for (const { name } of written) {
      expect(name).not.toMatch(/^[-.~]|[\u2800\p{Cc}\p{Bidi_Control}\\:]|^con(?:\.|$)/iu);
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
    }
    await stage.honestTalk(alice, bob);
  },
};

play([
  swapped,
  changed("a shortened blob: the last byte is missing", (bytes) => bytes.subarray(0, -1)),
  changed("a shortened blob: it ends behind a chunk", (bytes) => bytes.subarray(0, 3 * CHUNK)),
  changed("a shortened blob: its last chunk stands in the place of the third", (bytes) =>
    Buffer.concat([bytes.subarray(0, 2 * CHUNK), bytes.subarray(3 * CHUNK)]),
  ),
  honestlyShort,
  longer,
  changed("a bit turned in the first chunk of a blob", flipped(0)),
  changed("a bit turned in the middle of a blob", flipped(CHUNK + 1_000)),
  changed("a bit turned in the last chunk of a blob", flipped(SEALED - 1)),
  changed("two chunks of a blob exchanged", (bytes) => {
    const [one, two, ...rest] = chunksOf(bytes);
    return Buffer.concat([two!, one!, ...rest]);
  }),
  changed("a chunk of a blob doubled", (bytes) => {
    const [one, two, , last] = chunksOf(bytes);
    return Buffer.concat([one!, two!, two!, last!]);
  }),
  ofAnotherPlace,
  hiddenPlace,
  nothingThere,
  resumedWithOther,
  endless,
  othersBlob,
  falseSizes,
  names,
]);
