import { create } from "@bufbuild/protobuf";
import { ErrorCode, idBytes, isHash, limits } from "@fastchat/protocol";
import { type Hello, WelcomeSchema } from "@fastchat/protocol/wire/frames";
import { reasonOf } from "../events.ts";
import type { HeadsReader } from "../store/conversations.ts";
import type { TicketTaker } from "../store/tickets.ts";
import type { Connection } from "./connection.ts";
import type { ChatContext } from "./context.ts";
import { Session } from "./session.ts";
import { encodeFrame } from "./wire.ts";

export interface HelloContext {
  readonly chat: ChatContext;
  readonly server: string;
  readonly tickets: TicketTaker;
  readonly heads: HeadsReader;
  readonly isDraining: () => boolean;
}

/**
 * The first frame of a connection: agrees on version and suite, uses the ticket up, and lets the session watch its conversations before it is
 * welcomed, so that whatever is appended after the welcome comes live and whatever was appended before is in the heads that it asks for then.
 * Undefined: it was refused, answered and closed.
 */
export async function openSession(
  context: HelloContext,
  connection: Connection,
  request: number,
  hello: Hello,
): Promise<Session | undefined> {
  const { chat } = context;
  const refuse = (code: ErrorCode, detail?: string): undefined => {
    connection.refuse(request, code, detail);
    connection.close(code, detail);
    return undefined;
  };
  const version = newestCommon(limits.protocolVersions, hello.versions);
  const suite = newestCommon(limits.suites, hello.suites);
  if (version === undefined || suite === undefined) {
    const newer = isAbove(hello.versions, limits.protocolVersions) || isAbove(hello.suites, limits.suites);
    return refuse(ErrorCode.VERSION_TOO_OLD, newer ? "This server is too old for the client: ask whoever runs it to update." : undefined);
  }
  if (context.isDraining()) return refuse(ErrorCode.MOVED);
  if (!isHash(hello.ticket)) return refuse(ErrorCode.TICKET_INVALID);
  try {
    const taken = await context.tickets.take(hello.ticket);
    if (taken.kind === "invalid") return refuse(ErrorCode.TICKET_INVALID);
    if (taken.kind === "shut-out") return refuse(taken.code);
    const { account, device, running } = taken;
    const heads = await context.heads.of(account);
    if (connection.isClosed) return undefined;
    const session = new Session(connection, account, device);
    connection.admit();
    const { server } = context;
    const time = BigInt(chat.now());
    const welcome = { version, suite, server, time, running, account: idBytes(account), device: idBytes(device) };
    connection.send(encodeFrame(request, { case: "welcome", value: create(WelcomeSchema, welcome) }));
    chat.delivery.add(session);
    for (const { conversation, sequence } of heads) chat.delivery.watch(session, conversation, sequence);
    return session;
  } catch (error) {
    chat.log.event("warn", "request-failed", { request: "hello", reason: reasonOf(error) });
    return refuse(ErrorCode.MOVED, "The database did not answer: connect again.");
  }
}

function newestCommon(ours: readonly number[], theirs: readonly number[]): number | undefined {
  const common = ours.filter((number) => theirs.includes(number));
  return common.length === 0 ? undefined : Math.max(...common);
}

/** Whether all that the client knows came after all that we know. */
const isAbove = (theirs: readonly number[], ours: readonly number[]): boolean =>
  theirs.length > 0 && Math.min(...theirs) > Math.max(...ours);
