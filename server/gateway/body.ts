import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { ErrorCode, FastChatError } from "@fastchat/protocol";

/** Throws MALFORMED. Unknown fields are left out: each would take many times its bytes, and nothing that is signed is a field of these. */
export function readBody<Schema extends DescMessage>(schema: Schema, body: unknown): MessageShape<Schema> {
  if (!(body instanceof Uint8Array)) throw new FastChatError(ErrorCode.MALFORMED);
  try {
    return fromBinary(schema, body, { readUnknownFields: false });
  } catch (error) {
    throw new FastChatError(ErrorCode.MALFORMED, { cause: error });
  }
}
