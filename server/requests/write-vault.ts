import { create } from "@bufbuild/protobuf";
import { ErrorCode, FastChatError, isHash, limits } from "@fastchat/protocol";
import { VaultWrittenSchema } from "@fastchat/protocol/wire/frames";
import type { VaultEntry } from "@fastchat/protocol/wire/vault";
import { checkNumbers, malformed } from "../chat/access.ts";
import { tellVaultMoved } from "../chat/account-news.ts";
import type { Handler } from "../chat/context.ts";
import { writeVault as storeEntries } from "../store/vault.ts";

export const writeVault: Handler<"writeVault"> = async (chat, session, { entries, putBack }) => {
  checkVaultEntries(entries);
  if (entries.length === 0) throw malformed("a write of no entry");
  await chat.rates.vaultWrites.takeOrThrow(session.device);
  const written = await storeEntries(chat.database, session.account, session.device, entries, putBack);
  switch (written.kind) {
    case "written": {
      const { revision } = written;
      tellVaultMoved(chat.delivery, { account: session.account, revision }, session);
      chat.hints.tell(["vault", session.account, revision]);
      return { case: "vaultWritten", value: create(VaultWrittenSchema, { revision }) };
    }
    case "conflict":
      throw new FastChatError(ErrorCode.VERSION_CONFLICT);
    case "full":
      throw new FastChatError(ErrorCode.TOO_LARGE, { detail: "The vault is full." });
    case "device-ended":
      throw new FastChatError(ErrorCode.DEVICE_REVOKED);
    default:
      return written satisfies never;
  }
};

/** Form and size of entries; every slot once. Throws. */
export function checkVaultEntries(entries: readonly VaultEntry[]): void {
  if (entries.length > limits.vaultEntriesPerWrite) throw new FastChatError(ErrorCode.TOO_LARGE);
  const slots = new Set<string>();
  for (const { slot, version, generation, sealed } of entries) {
    if (!isHash(slot) || version < 1 || generation < 1 || sealed.length === 0) throw malformed("no vault entry");
    checkNumbers(version, generation);
    if (sealed.length > limits.vaultEntryBytes) throw new FastChatError(ErrorCode.TOO_LARGE);
    slots.add(Buffer.from(slot).toString("hex"));
  }
  if (slots.size !== entries.length) throw malformed("a slot twice");
}
