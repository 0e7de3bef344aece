import { ZipWriter } from "@zip.js/zip.js/lib/zip-core-native.js";
import { Encrypter } from "age-encryption";
import type { ExportLock, ExportOptions, ExportResult, ExportSummary } from "./api-export.ts";
import { type ArchiveFile, exportFiles } from "./export-account.ts";
import type { ExportSource } from "./export-source.ts";
import { weaknessOf } from "./password.ts";

/** Work of scrypt for a passphrase, as a power of two: that of the `age` program, 256 MiB and about a second. */
const SCRYPT_WORK = 18;

/** Everything as one archive: a ZIP file, inside age unless it is wanted plain. */
export async function exportArchive(source: ExportSource, options: ExportOptions): Promise<ExportResult> {
  const { lock } = options;
  if (lock.kind === "passphrase") {
    const weak = await weaknessOf(lock.passphrase, source.me.name);
    if (weak !== undefined) return weak;
  }
  const encrypter = lock.kind === "plain" ? undefined : encrypterFor(lock);
  if (encrypter === "no-recipient") return { kind: "no-recipient" };
  const summary = Promise.withResolvers<ExportSummary>();
  // Who only reads the stream hears of a failure there.
  summary.promise.catch(() => undefined);
  let told: ExportSummary | undefined;
  const zip = zipOf(
    exportFiles(source, options, (given) => (told = given)),
    (error) => (error === undefined && told !== undefined ? summary.resolve(told) : summary.reject(error)),
  );
  const stream = encrypter === undefined ? zip : await encrypter.encrypt(zip);
  return { kind: "archive", stream: stream as ReadableStream<Uint8Array<ArrayBuffer>>, summary: summary.promise };
}

function encrypterFor(lock: Exclude<ExportLock, { kind: "plain" }>): Encrypter | "no-recipient" {
  const encrypter = new Encrypter();
  if (lock.kind === "passphrase") {
    encrypter.setPassphrase(lock.passphrase);
    encrypter.setScryptWorkFactor(SCRYPT_WORK);
    return encrypter;
  }
  try {
    encrypter.addRecipient(lock.recipient);
    return encrypter;
  } catch {
    return "no-recipient";
  }
}

/** Made as fast as it is read: what is not read yet is not made yet. `ended` with an error: it failed, or whoever read it had enough. */
function zipOf(files: AsyncGenerator<ArchiveFile>, ended: (error?: unknown) => void): ReadableStream<Uint8Array> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const write = async (): Promise<void> => {
    const zip = new ZipWriter(writable, { useWebWorkers: false, keepOrder: true, level: 6 });
    for await (const { name, text } of files) await zip.add(name, streamOf(text));
    await zip.close();
  };
  write().then(
    () => ended(),
    async (error: unknown) => {
      ended(error);
      await writable.abort(error).catch(() => undefined);
    },
  );
  return readable;
}

function streamOf(text: ArchiveFile["text"]): ReadableStream<Uint8Array> {
  const pieces = Symbol.asyncIterator in text ? text[Symbol.asyncIterator]() : text[Symbol.iterator]();
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      await pieces.return?.();
    },
  });
}
