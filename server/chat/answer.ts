import { ErrorCode, FastChatError } from "@fastchat/protocol";
import type { ClientFrame } from "@fastchat/protocol/wire/frames";
import { reasonOf } from "../events.ts";
import { requests } from "../requests/index.ts";
import { failureOf } from "../store/database.ts";
import type { ChatContext, Handler, RequestCase } from "./context.ts";
import type { Session } from "./session.ts";

/** Hands a frame to the handler of its request, at once and in order; answers with what that gives, or with the error that it throws. */
export function answerRequest(chat: ChatContext, session: Session, { request, body }: ClientFrame): void {
  const { connection } = session;
  if (body.case === undefined) return connection.refuse(request, ErrorCode.UNKNOWN_REQUEST);
  if (body.case === "hello") return connection.close(ErrorCode.MALFORMED, "A second hello.");
  chat.metrics.frames.inc({ request: body.case });
  connection.beginRequest();
  // The map gives each case its own handler; the union of both sides is more than the compiler follows.
  const handler = requests[body.case] as Handler<RequestCase>;
  void answer(chat, session, request, body.case, handler(chat, session, body.value));
}

async function answer(
  chat: ChatContext,
  { connection }: Session,
  request: number,
  what: RequestCase,
  answered: ReturnType<Handler<RequestCase>>,
): Promise<void> {
  try {
    const body = await answered;
    if (body === undefined) return;
    if (body.case === "encoded") {
      if (request !== 0) connection.send(body.frame(request));
    } else connection.answer(request, body);
  } catch (error) {
    const refusal = refusalOf(chat, what, error);
    chat.metrics.errors.inc({ code: refusal.row.name });
    connection.refuse(request, refusal.code, refusal.message, refusal.retryAfterMs);
  } finally {
    connection.endRequest();
  }
}

function refusalOf(chat: ChatContext, request: RequestCase, error: unknown): FastChatError {
  if (error instanceof FastChatError) return error;
  chat.log.event("warn", "request-failed", { request, reason: reasonOf(error) });
  const failure = failureOf(error);
  return new FastChatError(failure.kind === "refused" && failure.full ? ErrorCode.STORAGE_FULL : ErrorCode.UNAVAILABLE, { cause: error });
}
