import { createHash } from "node:crypto";
import { once } from "node:events";
import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as TlsAgent, request as httpsRequest } from "node:https";
import { setTimeout as wait } from "node:timers/promises";
import { AwsV4Signer } from "aws4fetch";
import type { BlobPlace, Piece } from "./blob-store.ts";
import { checkedPiece } from "./piece.ts";

/** Milliseconds that a store may stay silent: while it connects, before it answers, while it takes or gives bytes. */
const SILENCE_MS = 30_000;
/** Tries of a request that can be repeated, and milliseconds before the second; four times as many before each further one. */
const TRIES = 3;
const FIRST_PAUSE_MS = 100;
/** Of an answer that is read whole: a page of 1,000 items has some 400 kB. */
const ANSWER_BYTES = 8_388_608;
const SOCKETS = 128;
/** From here on (bytes) the store is asked whether it takes a piece, before it is sent; milliseconds to wait for its word, as some never say it. */
const ASKED_FIRST_BYTES = 1_048_576;
const WORD_MS = 1_000;

const emptySha256 = createHash("sha256").digest();

/** The store said no. */
export class BucketError extends Error {
  override readonly name = "BucketError";
  readonly status: number;
  /** Its own word, such as NoSuchBucket; empty where it has none. */
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(`The S3 store answered ${status}${code === "" ? "" : ` ${code}`}${message === "" ? "" : `: ${message}`}`);
    this.status = status;
    this.code = code;
  }
}

interface Question {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Inside the bucket; empty: the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly silenceMs?: number;
}

/**
 * Signed requests to one bucket of any S3-compatible store, over Node's own HTTP. The bucket stands in the path, which every store understands. The digest of a piece is
 * known before its bytes, and is just what S3's signature wants: so a piece is streamed, signed and verified by both sides.
 */
export class Bucket {
  readonly #base: URL;
  readonly #place: BlobPlace & { readonly kind: "bucket" };
  readonly #agent: Agent;

  constructor(place: BlobPlace & { readonly kind: "bucket" }) {
    this.#place = place;
    this.#base = new URL(`${place.endpoint.replace(/\/+$/, "")}/${place.bucket}`);
    const options = { keepAlive: true, maxSockets: SOCKETS };
    this.#agent = this.#base.protocol === "https:" ? new TlsAgent(options) : new Agent(options);
  }

  /**
   * The whole answer as text. Tried again when the store is busy or the connection fails, also while the answer is read; throws BucketError for what it
   * refuses.
   */
  ask(question: Question): Promise<string> {
    return this.#tried(question, async (response) => textOf(await accepted(response)));
  }

  /**
   * The same, for an answer that is streamed, which is tried again up to its begin; who does not read it to its end destroys it. It fails when the store
   * stays silent while somebody waits for bytes.
   */
  open(question: Question): Promise<IncomingMessage> {
    return this.#tried(question, accepted);
  }

  async #tried<Result>(question: Question, take: (response: IncomingMessage) => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        const sent = await this.#send(
          question,
          question.body === undefined ? emptySha256 : createHash("sha256").update(question.body).digest(),
        );
        sent.request.end(question.body);
        return await take(await sent.response);
      } catch (error) {
        const isPassing = !(error instanceof BucketError) || error.status >= 500 || error.status === 429;
        if (!isPassing || isFull(error) || attempt === TRIES) throw error;
        await wait(FIRST_PAUSE_MS * 4 ** (attempt - 1) * (0.5 + Math.random()));
      }
    }
  }

  /** Sends a piece as it comes, once. Throws PieceRefused before the store has all of it, BucketError when the store refuses it. */
  async put(key: string, query: Readonly<Record<string, string>>, piece: Piece, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const isAsked = piece.length >= ASKED_FIRST_BYTES;
    const headers = { "content-length": String(piece.length), ...(isAsked && { expect: "100-continue" }) };
    const { request, response } = await this.#send({ method: "PUT", key, query, headers }, piece.sha256);
    let answer: IncomingMessage | undefined;
    void response.then(
      (early) => (answer = early),
      () => undefined,
    );
    try {
      if (isAsked) {
        request.flushHeaders();
        await Promise.race([once(request, "continue"), response, wait(WORD_MS, undefined, { ref: false })]);
      }
      for await (const chunk of checkedPiece(piece, bytes)) {
        // An answer before the end is a refusal.
        if (answer !== undefined) break;
        if (!request.write(chunk)) await Promise.race([once(request, "drain"), response]);
      }
      if (answer === undefined) request.end();
      await textOf(await accepted(await response));
    } finally {
      // After a whole answer this only gives up a connection that was not read to its end.
      if (!request.writableFinished) request.destroy();
    }
  }

  async #send(
    { method, key, query = {}, headers, silenceMs = SILENCE_MS }: Question,
    sha256: Uint8Array,
  ): Promise<{ request: ClientRequest; response: Promise<IncomingMessage> }> {
    const url = new URL(key === "" ? this.#base : `${this.#base.href}/${key}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const { credentials, region } = this.#place;
    const signed = await new AwsV4Signer({
      method,
      url: url.href,
      headers: { ...headers, "x-amz-content-sha256": Buffer.from(sha256).toString("hex") },
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: credentials.secretAccessKey,
      ...(credentials.sessionToken !== undefined && { sessionToken: credentials.sessionToken }),
      service: "s3",
      region,
    }).sign();
    const start = url.protocol === "https:" ? httpsRequest : httpRequest;
    const request = start(signed.url, { method, headers: Object.fromEntries(signed.headers), agent: this.#agent, timeout: silenceMs });
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.once("response", resolve);
      // It stays: a connection that is given up may fail once more.
      request.on("error", reject);
      request.once("close", () => reject(new Error("The S3 store closed the connection.")));
    });
    response.catch(() => undefined);
    let got: IncomingMessage | undefined;
    request.once("response", (message: IncomingMessage) => (got = message));
    request.on("timeout", () => {
      // Bytes that nobody fetched: the reader is slow, not the store. Neither is it when a piece comes slowly and all of it so far is sent.
      const isSenderSlow = !request.writableEnded && request.writableLength === 0 && request.socket?.connecting === false;
      if (got === undefined ? isSenderSlow : got.readableLength > 0) return;
      const silent = new Error(`The S3 store did not answer for ${silenceMs / 1000} s.`);
      got?.destroy(silent);
      request.destroy(silent);
    });
    return { request, response };
  }
}

/** Whether the store has no room: what MinIO, Ceph and others say. */
export const isFull = (error: unknown): boolean =>
  error instanceof BucketError &&
  (error.status === 507 || ["QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity"].includes(error.code));

async function accepted(response: IncomingMessage): Promise<IncomingMessage> {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return response;
  const text = await textOf(response).catch(() => "");
  throw new BucketError(status, textAt(text, "Code") ?? "", textAt(text, "Message") ?? "");
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let count = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    count += chunk.length;
    if (count > ANSWER_BYTES) throw new Error("The answer of the S3 store is too long.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The contents of all elements of a name. S3's answers are flat lists without attributes that matter; a document of another kind gives nothing. */
export function elements(xml: string, name: string): string[] {
  const found: string[] = [];
  const [open, close] = [`<${name}>`, `</${name}>`];
  // Each place is looked at once, whatever stands there: an expression would look for each end anew.
  for (let at = 0; ;) {
    const start = xml.indexOf(open, at);
    const end = start < 0 ? -1 : xml.indexOf(close, start);
    if (end < 0) return found;
    found.push(xml.slice(start + open.length, end));
    at = end + close.length;
  }
}

/** The text of the first element of a name. */
export function textAt(xml: string, name: string): string | undefined {
  return elements(xml, name)[0]?.replaceAll(/&(lt|gt|quot|apos|amp|#\d+|#x[0-9a-fA-F]+);/g, (_, entity: string) => {
    if (entity.startsWith("#x")) return String.fromCodePoint(Number.parseInt(entity.slice(2), 16));
    if (entity.startsWith("#")) return String.fromCodePoint(Number(entity.slice(1)));
    return { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" }[entity]!;
  });
}

export const escaped = (text: string): string => text.replaceAll(/[<>&"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
