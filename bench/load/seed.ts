import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import type pg from "pg";

/** Somebody with one device, made by SQL: only the key by which it gets tickets is behind it, since nothing of an opaque load is ever opened. */
export interface LoadUser {
  readonly account: Uint8Array;
  readonly device: Uint8Array;
  readonly signingSeed: Uint8Array;
  readonly signingKey: Uint8Array;
}

export interface LoadConversation {
  readonly id: Uint8Array;
  /** Indices of its users. */
  readonly members: readonly number[];
}

const hex = (ids: readonly Uint8Array[]): Buffer[] => ids.map((id) => Buffer.from(id));

export async function seedUsers(client: pg.ClientBase, count: number): Promise<LoadUser[]> {
  const users = Array.from({ length: count }, () => {
    const { d, x } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
    const [signingSeed, signingKey] = [Buffer.from(d!, "base64url"), Buffer.from(x!, "base64url")];
    return { account: randomBytes(32), device: randomBytes(32), signingSeed, signingKey };
  });
  await client.query(
    `INSERT INTO account (account, name, head_index, head_hash)
     SELECT account, 'load-' || encode(substring(account FROM 1 FOR 8), 'hex'), 1, account FROM unnest($1::bytea[]) AS account`,
    [hex(users.map(({ account }) => account))],
  );
  await client.query(
    `INSERT INTO device (device, account, signing_key, sealing_key, added)
     SELECT device, account, signing_key, account, 1 FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS made (device, account, signing_key)`,
    [hex(users.map(({ device }) => device)), hex(users.map(({ account }) => account)), hex(users.map(({ signingKey }) => signingKey))],
  );
  return users;
}

/** Of these members, each of whom may write. `head`: so long is the log, whose entries are not there. */
export async function seedConversations(
  client: pg.ClientBase,
  users: readonly LoadUser[],
  memberships: readonly (readonly number[])[],
  kind: "direct" | "group",
): Promise<LoadConversation[]> {
  const conversations = memberships.map((members) => ({ id: randomBytes(32), members }));
  await client.query(
    `INSERT INTO conversation (conversation, kind, link_index, epoch, oldest_good_epoch)
     SELECT conversation, $2, 1, 1, 1 FROM unnest($1::bytea[]) AS conversation`,
    [hex(conversations.map(({ id }) => id)), kind === "direct" ? 1 : 2],
  );
  const rows = conversations.flatMap(({ id, members }) => members.map((member) => ({ id, account: users[member]!.account })));
  for (let from = 0; from < rows.length; from += 10_000) {
    const some = rows.slice(from, from + 10_000);
    await client.query(
      `INSERT INTO member (conversation, account, role, may_write, account_head)
       SELECT conversation, account, 1, true, 1 FROM unnest($1::bytea[], $2::bytea[]) AS pair (conversation, account)`,
      [hex(some.map(({ id }) => id)), hex(some.map(({ account }) => account))],
    );
  }
  return conversations;
}

export interface ServerPlace {
  readonly name: string;
  readonly url: string;
}

/** The chat servers that are there, by name. */
export async function serverPlaces(client: pg.ClientBase): Promise<ServerPlace[]> {
  const { rows } = await client.query<ServerPlace>("SELECT name, url FROM chat_server WHERE NOT draining ORDER BY name");
  return rows;
}

/** A ticket for each user at the server of the same index. */
export async function seedTickets(
  client: pg.ClientBase,
  users: readonly LoadUser[],
  servers: readonly ServerPlace[],
): Promise<Uint8Array[]> {
  const tickets = users.map(() => randomBytes(32));
  await client.query(
    `INSERT INTO ticket (hash, device, account, server, expires)
     SELECT hash, device, account, server, clock_timestamp() + interval '10 minutes'
     FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[]) AS ticket (hash, device, account, server)`,
    [
      tickets.map((ticket) => createHash("sha256").update(ticket).digest()),
      hex(users.map(({ device }) => device)),
      hex(users.map(({ account }) => account)),
      servers.map(({ name }) => name),
    ],
  );
  return tickets;
}

/** What was seeded and what came of it goes again: a system that people use is left as it was. */
export async function removeSeeded(
  client: pg.ClientBase,
  users: readonly LoadUser[],
  conversations: readonly LoadConversation[],
): Promise<void> {
  const ids = hex(conversations.map(({ id }) => id));
  const accounts = hex(users.map(({ account }) => account));
  const devices = hex(users.map(({ device }) => device));
  for (const table of ["entry", "member", "conversation"])
    await client.query(`DELETE FROM ${table} WHERE conversation = ANY ($1::bytea[])`, [ids]);
  // In order, as the servers note who was seen, so that nobody waits for another in a circle.
  for (const table of ["ticket", "device_seen", "device"])
    await client.query(
      `DELETE FROM ${table} WHERE device IN (SELECT device FROM ${table} WHERE device = ANY ($1::bytea[]) ORDER BY device FOR UPDATE)`,
      [devices],
    );
  await client.query("DELETE FROM account WHERE account = ANY ($1::bytea[])", [accounts]);
}
