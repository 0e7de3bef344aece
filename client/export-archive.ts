import { Encrypter } from "age-encryption";
import type { ExportLock, ExportOptions, ExportResult, ExportSummary } from "./api-export.ts";
import { writeAccount } from "./export-account.ts";
import type { ExportSource } from "./export-source.ts";
import { ArchiveWriter } from "./export-zip.ts";
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
  const { zip, summary } = zipOf(source, options);
  const stream = encrypter === undefined ? zip : await encrypter.encrypt(zip);
  return { kind: "archive", stream: stream as ReadableStream<Uint8Array<ArrayBuffer>>, summary };
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

/** Made as fast as it is read: what is not read yet is not made yet. The summary rejects when it failed, or whoever read it had enough. */
function zipOf(source: ExportSource, options: ExportOptions): { zip: ReadableStream<Uint8Array>; summary: Promise<ExportSummary> } {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const ended = new AbortController();
  const write = async (): Promise<ExportSummary> => {
    const archive = new ArchiveWriter(writable, ended.signal);
    const summary = await writeAccount(source, options, archive);
    await archive.close();
    return summary;
  };
  const summary = write();
  // Who only reads the stream hears of a failure there.
  summary.catch((error: unknown) => writable.abort(error).catch(() => undefined));
  return { zip: telling(readable, (reason) => ended.abort(reason)), summary };
}

/** The same; tells when whoever reads it has had enough, which its writer learns only with what it writes next. */
function telling(stream: ReadableStream<Uint8Array>, onCancel: (reason: unknown) => void): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel(reason) {
        onCancel(reason);
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
