import { create } from "@bufbuild/protobuf";
import { clientMessageId, type ConversationId } from "@fastchat/protocol";
import { type ConversationState, newestEpoch } from "@fastchat/protocol/chain";
import { type MessageContext, random, sealMessage, sealSlot } from "@fastchat/protocol/seal";
import { MessageContentSchema, type SealedMessage, type SealedSlot, SlotContentSchema } from "@fastchat/protocol/wire/conversation";
import { join } from "node:path";
import { loadProfile, type LocalProfile } from "../../client/profile.ts";
import { keys, read, schemas } from "../../client/records.ts";
import { decodeSnapshot } from "../../client/snapshot.ts";
import { openSqliteStorage } from "../../client/storage-sqlite.ts";
import type { Person } from "../person.ts";

/** What whoever has a device in hand can take out of it, to seal with it whatever they like. */
export class DeviceSecrets {
  readonly profile: LocalProfile;
  readonly #context: MessageContext;
  readonly #key: Uint8Array;

  private constructor(profile: LocalProfile, context: MessageContext, key: Uint8Array) {
    this.profile = profile;
    this.#context = context;
    this.#key = key;
  }

  /** Of a device that has closed. */
  static async take(person: Person, conversation: ConversationId): Promise<DeviceSecrets> {
    const storage = openSqliteStorage(join(person.home, person.profile));
    try {
      const profile = (await loadProfile(storage))!;
      const chain = (await read(storage, keys.chain(conversation), schemas.chain))!;
      const { epoch, openingLink } = newestEpoch(decodeSnapshot<ConversationState>(chain.snapshot)!);
      const { account, device } = profile.me;
      const key = (await storage.get(keys.epochKey(conversation, epoch)))!;
      return new DeviceSecrets(profile, { conversation, account, device, epoch, openingLink }, key);
    } finally {
      await storage.close();
    }
  }

  message(text: string, counter: number): Promise<SealedMessage> {
    const content = create(MessageContentSchema, { time: BigInt(Date.now()), counter, kind: { case: "text", value: { text } } });
    const envelope = { clientMessageId: clientMessageId(random(16)) };
    return sealMessage(this.#key, this.#context, envelope, content, this.profile.signingSeed);
  }

  slot(counter: number): Promise<SealedSlot> {
    return sealSlot(this.#key, this.#context, create(SlotContentSchema, { counter }), this.profile.signingSeed);
  }
}
