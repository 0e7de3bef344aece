import type { StoredEntry } from "./entries.ts";

/**
 * A query for one page: consecutive entries of one log, all of them in one row of few values, since a row and a value each cost both sides more than the
 * bytes of a short message. One walk along the primary key, which ends at the limit: the sum over the rows so far needs no row behind. Lengths of bodies
 * that lie outside the row are known without reading them. Authors' ids have 32 bytes.
 *
 * All are SQL. @param where conversation and range @param order of the walk, ASC or DESC @param first sequence number that is in it whatever its size
 * @param limit most entries @param bytes most of them together
 */
export const pageOf = (page: {
  readonly where: string;
  readonly order: "ASC" | "DESC";
  readonly first: string;
  readonly limit: string;
  readonly bytes: string;
}): string => `
  SELECT
    min(sequence) AS first,
    string_agg(int8send(time) || int2send(kind) || int4send(octet_length(body)) || account || device, ''::bytea ORDER BY sequence) AS heads,
    string_agg(body, ''::bytea ORDER BY sequence) AS bodies
  FROM (
    SELECT sequence, time, account, device, kind, body,
      sum(octet_length(body) + 100) OVER (ORDER BY sequence ${page.order} ROWS UNBOUNDED PRECEDING) AS bytes
    FROM entry WHERE ${page.where}
    ORDER BY sequence ${page.order} LIMIT ${page.limit}
  ) AS page
  WHERE bytes <= ${page.bytes} OR sequence = ${page.first}`;

/** A row of that; all are null where the page is empty. */
export interface PackedEntries {
  readonly first: number | null;
  readonly heads: Buffer | null;
  readonly bodies: Buffer | null;
}

const at = { time: 0, kind: 8, length: 10, account: 14, device: 46 };
/** Of an entry, but for its body. */
export const entryHeadBytes = 78;

/** Entries at hand, packed as that row has them: ascending and gap-free, one at least. */
export function packEntries(entries: readonly StoredEntry[]): { readonly first: number; readonly heads: Buffer; readonly bodies: Buffer } {
  const heads = Buffer.allocUnsafe(entryHeadBytes * entries.length);
  for (const [index, { time, kind, body, account, device }] of entries.entries()) {
    const head = index * entryHeadBytes;
    heads.writeBigInt64BE(BigInt(time), head + at.time);
    heads.writeInt16BE(kind, head + at.kind);
    heads.writeInt32BE(body.length, head + at.length);
    heads.set(account, head + at.account);
    heads.set(device, head + at.device);
  }
  return { first: entries[0]!.sequence, heads, bodies: Buffer.concat(entries.map(({ body }) => body)) };
}

/** Ascending and gap-free. */
export function unpackEntries({ first, heads, bodies }: PackedEntries): StoredEntry[] {
  if (first === null || heads === null || bodies === null) return [];
  let from = 0;
  return Array.from({ length: heads.length / entryHeadBytes }, (_, index) => {
    const head = index * entryHeadBytes;
    const length = heads.readInt32BE(head + at.length);
    const body = bodies.subarray(from, from + length);
    from += length;
    return {
      sequence: first + index,
      time: Number(heads.readBigInt64BE(head + at.time)),
      account: heads.subarray(head + at.account, head + at.device),
      device: heads.subarray(head + at.device, head + entryHeadBytes),
      kind: heads.readInt16BE(head + at.kind),
      body,
    };
  });
}
