import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type AccountId, type ConversationId, idBytes } from "@fastchat/protocol";
import { type JoinRequest, JoinRequestSchema } from "@fastchat/protocol/wire/conversation";
import type { Kysely } from "kysely";
import type { Database } from "./database.ts";
import type { Tables } from "./tables.ts";

export interface NewJoinRequest {
  readonly conversation: ConversationId;
  readonly account: AccountId;
  readonly request: JoinRequest;
  /** How many of its kind may wait: who has no invitation takes nobody's place who has one. */
  readonly most: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export type JoinRequestResult =
  | { readonly kind: "kept" }
  | { readonly kind: "member" }
  /** As many wait as may. */
  | { readonly kind: "full" };

/**
 * Keeps a request to join, in the place of an older one of the account. The conversation is locked while it is written, so that no link makes the
 * account a member at the same time and leaves the request behind; a flood that finds no place takes no lock.
 */
export async function keepJoinRequest(database: Database, request: NewJoinRequest): Promise<JoinRequestResult> {
  const hindrance = await hindranceOf(database.query, request);
  if (hindrance !== undefined) return hindrance;
  return database.query.transaction().execute(async (transaction): Promise<JoinRequestResult> => {
    const conversation = idBytes(request.conversation);
    await transaction
      .selectFrom("conversation")
      .select("head")
      .where("conversation", "=", conversation)
      .forNoKeyUpdate()
      .executeTakeFirstOrThrow();
    const since = await hindranceOf(transaction, request);
    if (since !== undefined) return since;
    // What this version does not know of it is not kept: its size has a bound.
    const body = toBinary(JoinRequestSchema, request.request, { writeUnknownFields: false });
    const values = { request: body, invited: isInvited(request), time: request.now };
    await transaction
      .insertInto("join_request")
      .values({ conversation, account: idBytes(request.account), ...values })
      .onConflict((conflict) => conflict.columns(["conversation", "account"]).doUpdateSet(values))
      .execute();
    return { kind: "kept" };
  });
}

const isInvited = ({ request }: NewJoinRequest): boolean => request.invitation.length > 0;

async function hindranceOf(
  query: Kysely<Tables>,
  request: NewJoinRequest,
): Promise<Exclude<JoinRequestResult, { kind: "kept" }> | undefined> {
  const { conversation, account, most } = request;
  const id = idBytes(conversation);
  const { member, others } = await query
    .selectNoFrom((select) => [
      select
        .exists(select.selectFrom("member").select("role").where("conversation", "=", id).where("account", "=", idBytes(account)))
        .as("member"),
      select
        .selectFrom("join_request")
        .select((count) => count.fn.countAll<number>().as("count"))
        .where("conversation", "=", id)
        .where("account", "!=", idBytes(account))
        .where("invited", "=", isInvited(request))
        .as("others"),
    ])
    .executeTakeFirstOrThrow();
  if (member) return { kind: "member" };
  return (others ?? 0) >= most ? { kind: "full" } : undefined;
}

export interface WaitingJoinRequests {
  /** Those with an invitation first, the oldest of each kind first. */
  readonly requests: readonly { readonly request: JoinRequest; readonly time: number }[];
  /** How many wait. */
  readonly total: number;
}

export async function readJoinRequests(database: Database, conversation: ConversationId, limit: number): Promise<WaitingJoinRequests> {
  const rows = await database.query
    .selectFrom("join_request")
    .select(["request", "time", (select) => select.fn.countAll<number>().over().as("total")])
    .where("conversation", "=", idBytes(conversation))
    .orderBy("invited", "desc")
    .orderBy("time")
    .orderBy("account")
    .limit(limit)
    .execute();
  const requests = rows.map(({ request, time }) => ({ request: fromBinary(JoinRequestSchema, request), time }));
  return { requests, total: rows[0]?.total ?? 0 };
}

export async function dropJoinRequest(database: Database, conversation: ConversationId, account: AccountId): Promise<void> {
  await database.query
    .deleteFrom("join_request")
    .where("conversation", "=", idBytes(conversation))
    .where("account", "=", idBytes(account))
    .execute();
}
