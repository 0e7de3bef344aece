import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { type BlobId, limits } from "@fastchat/protocol";
import { ConfigError } from "../config.ts";
import type { Appended, BlobPlace, BlobStore, Piece, StoredBlob } from "./blob-store.ts";
import { Bucket, BucketError, elements, escaped, isFull, textAt } from "./bucket.ts";
import { checkForm, PieceRefused } from "./piece.ts";

const { blobPieceBytes } = limits;
/** A store may need its time to put thousands of parts together. */
const COMPLETE_MS = 300_000;
const PAGE = "1000";
/** Each gateway may have begun one or two. */
const UPLOADS_OF_ONE = 1_000;

interface Part {
  readonly number: number;
  readonly bytes: number;
  readonly etag: string;
  readonly modified: number;
}

interface Upload {
  readonly id: string;
  readonly key: string;
  readonly initiated: number;
}

/** Parts that follow each other from the first, all full but the last. */
interface Run extends Upload {
  readonly parts: readonly Part[];
  readonly bytes: number;
}

/**
 * A blob is an object, its upload a multipart upload with one part per piece; a blob of one piece is put at once. Nothing is remembered between calls: the upload is
 * found by its key, its length by its parts.
 *
 * Two gateways that begin one upload at the same time begin two. The longest counts, of equal ones the older: so none that was told to be stored gets lost, and
 * pieces of two are never mixed. Completing one aborts the others; should one be left over, the object hides it until both are removed.
 */
export class BucketBlobStore implements BlobStore {
  readonly #bucket: Bucket;
  readonly #place: BlobPlace & { readonly kind: "bucket" };

  constructor(place: BlobPlace & { readonly kind: "bucket" }) {
    this.#place = place;
    this.#bucket = new Bucket(place);
  }

  async uploaded(id: BlobId): Promise<number> {
    const { bytes } = await this.#look(id);
    return bytes;
  }

  async append(id: BlobId, piece: Piece, bytes: AsyncIterable<Uint8Array>): Promise<Appended> {
    checkForm(piece);
    const found = await this.#look(id);
    // After a short piece, the last, nothing follows.
    if (piece.offset !== found.bytes || found.bytes % blobPieceBytes !== 0 || found.isWhole)
      return { kind: "wrong-offset", uploaded: found.bytes };
    const key = this.#key(id);
    try {
      if (piece.isLast && piece.offset === 0) await this.#bucket.put(key, {}, piece, bytes);
      else {
        const uploadId = found.upload?.id ?? (await this.#begin(key));
        await this.#bucket.put(key, { partNumber: String(piece.offset / blobPieceBytes + 1), uploadId }, piece, bytes);
      }
      return { kind: "appended", uploaded: piece.offset + piece.length };
    } catch (error) {
      if (error instanceof PieceRefused) return { kind: error.kind };
      if (isFull(error)) return { kind: "full" };
      // Completed or removed meanwhile.
      if (isCode(error, "NoSuchUpload")) return { kind: "wrong-offset", uploaded: await this.uploaded(id) };
      throw error;
    }
  }

  async complete(id: BlobId, size: number): Promise<"complete" | "incomplete"> {
    const found = await this.#look(id);
    if (!found.isWhole) {
      if (found.upload === undefined || found.bytes !== size || size === 0) return "incomplete";
      if (!(await this.#finish(found.upload))) return (await this.#size(this.#key(id))) === size ? "complete" : "incomplete";
    } else if (found.bytes !== size) return "incomplete";
    for (const other of found.uploads) if (found.isWhole || other !== found.upload) await this.#abort(other);
    return "complete";
  }

  async read(id: BlobId, { start, end }: { readonly start: number; readonly end: number }): Promise<Readable | undefined> {
    const key = this.#key(id);
    if (end <= start) return (await this.#size(key)) === undefined ? undefined : Readable.from([], { objectMode: false });
    try {
      return await this.#bucket.open({ method: "GET", key, headers: { range: `bytes=${start}-${end - 1}` } });
    } catch (error) {
      if (isStatus(error, 404) && !isCode(error, "NoSuchBucket")) return undefined;
      if (isStatus(error, 416)) return Readable.from([], { objectMode: false });
      throw error;
    }
  }

  async remove(id: BlobId): Promise<void> {
    const key = this.#key(id);
    for (const upload of await this.#uploadsOf(key)) await this.#abort(upload);
    await this.#bucket.ask({ method: "DELETE", key }).catch((error: unknown) => {
      if (!isStatus(error, 404)) throw error;
    });
  }

  /** MinIO tells no uploads but those of a whole key, so partial ones do not come there; by default it removes them itself after a day. */
  async *list(): AsyncGenerator<StoredBlob, void> {
    const { prefix } = this.#place;
    for (let token: string | undefined = ""; token !== undefined;) {
      const query = { "list-type": "2", prefix, "max-keys": PAGE, ...(token !== "" && { "continuation-token": token }) };
      const page: string = await this.#bucket.ask({ method: "GET", key: "", query });
      for (const item of elements(page, "Contents")) {
        const id = this.#idOf(textAt(item, "Key"));
        if (id !== undefined) yield { id, bytes: numberAt(item, "Size"), whole: true, modified: timeAt(item, "LastModified") };
      }
      token = textAt(page, "IsTruncated") === "true" ? textAt(page, "NextContinuationToken") : undefined;
    }
    for await (const upload of this.#uploads(prefix)) {
      const id = this.#idOf(upload.key);
      if (id === undefined || (await this.#size(upload.key)) !== undefined) continue;
      const run = await this.#run(upload);
      if (run !== undefined)
        yield { id, bytes: run.bytes, whole: false, modified: Math.max(run.initiated, ...run.parts.map(({ modified }) => modified)) };
    }
  }

  async check(): Promise<void> {
    const { bucket, prefix, endpoint } = this.#place;
    const key = `${prefix}check-${randomBytes(8).toString("hex")}`;
    try {
      const content = Buffer.from("FastChat");
      const piece = { offset: 0, length: content.length, sha256: createHash("sha256").update(content).digest(), isLast: true };
      await this.#bucket.put(
        key,
        {},
        piece,
        (async function* () {
          yield content;
        })(),
      );
      await this.#bucket.ask({ method: "GET", key });
      await this.#bucket.ask({ method: "DELETE", key });
      await this.#bucket.ask({ method: "GET", key: "", query: { "list-type": "2", prefix: key, "max-keys": "1" } });
      const upload = { id: await this.#begin(key), key, initiated: 0 };
      await this.#run(upload);
      await this.#abort(upload);
      await this.#uploadsOf(key);
    } catch (error) {
      if (isFull(error)) return;
      throw new ConfigError(
        `Files cannot be stored in the bucket ${bucket} at ${endpoint} (${(error as Error).message}): ${advice(error)}.`,
        {
          cause: error,
        },
      );
    }
  }

  /** What there is of a blob. In this order: an upload that is completed in between is seen as whole. */
  async #look(id: BlobId): Promise<{ bytes: number; isWhole: boolean; upload?: Run; uploads: readonly Upload[] }> {
    const key = this.#key(id);
    const uploads = await this.#uploadsOf(key);
    const size = await this.#size(key);
    if (size !== undefined) return { bytes: size, isWhole: true, uploads };
    let longest: Run | undefined;
    for (const upload of uploads) {
      const run = await this.#run(upload);
      if (run !== undefined && (longest === undefined || run.bytes > longest.bytes)) longest = run;
    }
    // The rest are told by what they are a copy of.
    const others = uploads.map((upload) => (upload.id === longest?.id ? longest : upload));
    return { bytes: longest?.bytes ?? 0, isWhole: false, ...(longest !== undefined && { upload: longest }), uploads: others };
  }

  /** Of the whole object; undefined where there is none. */
  async #size(key: string): Promise<number | undefined> {
    try {
      const answer = await this.#bucket.open({ method: "HEAD", key });
      answer.resume();
      return Number(answer.headers["content-length"]);
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw error;
    }
  }

  async #begin(key: string): Promise<string> {
    const answer = await this.#bucket.ask({ method: "POST", key, query: { uploads: "" } });
    const id = textAt(answer, "UploadId");
    if (id === undefined) throw new Error("The S3 store gave no id for an upload.");
    return id;
  }

  /** False: another has completed or removed it. */
  async #finish({ key, id, parts }: Run): Promise<boolean> {
    const list = parts.map(({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>${escaped(etag)}</ETag></Part>`).join("");
    const body = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${list}</CompleteMultipartUpload>`;
    try {
      const answer = await this.#bucket.ask({ method: "POST", key, query: { uploadId: id }, body, silenceMs: COMPLETE_MS });
      // Here S3 may fail after it said 200.
      const [fault] = elements(answer, "Error");
      if (fault !== undefined) throw new BucketError(200, textAt(fault, "Code") ?? "", textAt(fault, "Message") ?? "");
      return true;
    } catch (error) {
      if (isCode(error, "NoSuchUpload")) return false;
      throw error;
    }
  }

  async #abort({ key, id }: Upload): Promise<void> {
    await this.#bucket.ask({ method: "DELETE", key, query: { uploadId: id } }).catch((error: unknown) => {
      if (!isStatus(error, 404)) throw error;
    });
  }

  /** Oldest first. */
  async #uploadsOf(key: string): Promise<Upload[]> {
    const uploads: Upload[] = [];
    for await (const upload of this.#uploads(key)) {
      if (upload.key !== key) continue;
      uploads.push(upload);
      if (uploads.length > UPLOADS_OF_ONE) throw new Error(`The S3 store has more than ${UPLOADS_OF_ONE} uploads of one blob.`);
    }
    return uploads.toSorted((one, other) => one.initiated - other.initiated || (one.id < other.id ? -1 : 1));
  }

  async *#uploads(prefix: string): AsyncGenerator<Upload, void> {
    let marker: { "key-marker": string; "upload-id-marker": string } | undefined;
    do {
      const page = await this.#bucket.ask({ method: "GET", key: "", query: { uploads: "", prefix, "max-uploads": PAGE, ...marker } });
      for (const item of elements(page, "Upload")) {
        yield { id: textAt(item, "UploadId") ?? "", key: textAt(item, "Key") ?? "", initiated: timeAt(item, "Initiated") };
      }
      const isMore = textAt(page, "IsTruncated") === "true";
      marker = isMore
        ? { "key-marker": textAt(page, "NextKeyMarker") ?? "", "upload-id-marker": textAt(page, "NextUploadIdMarker") ?? "" }
        : undefined;
    } while (marker !== undefined);
  }

  /** Undefined: it is not there any more. */
  async #run(upload: Upload): Promise<Run | undefined> {
    const parts: Part[] = [];
    let bytes = 0;
    for (let marker: string | undefined = "0"; marker !== undefined;) {
      const query = { uploadId: upload.id, "max-parts": PAGE, ...(marker !== "0" && { "part-number-marker": marker }) };
      let page: string;
      try {
        page = await this.#bucket.ask({ method: "GET", key: upload.key, query });
      } catch (error) {
        if (isStatus(error, 404)) return undefined;
        throw error;
      }
      for (const item of elements(page, "Part")) {
        const part = {
          number: numberAt(item, "PartNumber"),
          bytes: numberAt(item, "Size"),
          etag: textAt(item, "ETag") ?? "",
          modified: timeAt(item, "LastModified"),
        };
        if (part.number !== parts.length + 1 || bytes % blobPieceBytes !== 0) return { ...upload, parts, bytes };
        parts.push(part);
        if (parts.length > limits.blobPieces) throw new Error(`The S3 store has more than ${limits.blobPieces} parts of one upload.`);
        bytes += part.bytes;
      }
      marker = textAt(page, "IsTruncated") === "true" ? textAt(page, "NextPartNumberMarker") : undefined;
    }
    return { ...upload, parts, bytes };
  }

  #key(id: BlobId): string {
    return `${this.#place.prefix}${id}`;
  }

  #idOf(key: string | undefined): BlobId | undefined {
    const { prefix } = this.#place;
    const id = key?.startsWith(prefix) === true ? key.slice(prefix.length) : "";
    return /^[0-9a-f]{64}$/.test(id) ? (id as BlobId) : undefined;
  }
}

const numberAt = (xml: string, name: string): number => Number(textAt(xml, name));
const timeAt = (xml: string, name: string): number => Date.parse(textAt(xml, name) ?? "") || 0;
const isStatus = (error: unknown, status: number): boolean => error instanceof BucketError && error.status === status;
const isCode = (error: unknown, code: string): boolean => error instanceof BucketError && error.code === code;

function advice(error: unknown): string {
  if (isCode(error, "NoSuchBucket")) return "make the bucket, or correct BLOB_URL";
  if (isStatus(error, 401) || isStatus(error, 403)) {
    return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be of somebody who may read, write, delete and list objects and multipart uploads there";
  }
  if (error instanceof BucketError) return "look whether endpoint and region in BLOB_URL are right";
  return "look whether the endpoint in BLOB_URL is right and can be reached from here";
}
