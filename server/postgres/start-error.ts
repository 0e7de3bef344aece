/**
 * Why the embedded PostgreSQL does not start. Who runs the server must act; `message` is one sentence that says how.
 * - `in-use`: another FastChat holds the data folder
 * - `unreachable`: PostgreSQL's user cannot enter, or this user cannot write, the data folder
 * - `unsupported`: no binaries for this platform, or the data is of another major version of PostgreSQL
 * - `failed`: PostgreSQL itself ended; `message` has its last words
 */
export class PostgresStartError extends Error {
  readonly kind: "in-use" | "unreachable" | "unsupported" | "failed";

  constructor(kind: PostgresStartError["kind"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "PostgresStartError";
    this.kind = kind;
  }
}
