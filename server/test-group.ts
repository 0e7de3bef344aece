import { randomBytes } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type ConversationId, idBytes } from "@fastchat/protocol";
import {
  additionsOf,
  applyConversationLink,
  type ConversationChange,
  type ConversationState,
  draftLink,
  finishLink,
  groupCreate,
  removalOf,
} from "@fastchat/protocol/chain";
import {
  deriveEpochKey,
  keyIdOf,
  newEpochKey,
  sealedKeysHash,
  sealedProfileHash,
  sealEpochKey,
  sealProfile,
} from "@fastchat/protocol/seal";
import {
  type LinkEntry,
  type PolicySchema,
  type SealedKey,
  type SealedMessage,
  SignedProfileSchema,
} from "@fastchat/protocol/wire/conversation";
import { create } from "@bufbuild/protobuf";
import { sealText, type TestDevice, type TestMessageOptions, type TestPerson, type TestSocket } from "./test-client.ts";

/** What AppendLink takes, and the epoch key once it did. */
export interface MadeLink {
  readonly entry: LinkEntry;
  readonly sealedKeys: SealedKey[];
  readonly epochKey: Uint8Array;
}

export interface LinkOptions {
  readonly device?: TestDevice;
  /** Default: as the change needs. */
  readonly opening?: "fresh" | "derived" | "none";
  /** Sealed; default: what an epoch takes along where there is one. */
  readonly profile?: Uint8Array;
  /** Whose heads the author knows; default: of everybody whom `people` has. */
  readonly knows?: readonly TestPerson[];
}

const epochsOf = { create: "fresh", add: "derived", remove: "fresh", rekey: "fresh" } as const;

/** For tests: a group as one who knows all its people's keys knows it. */
export class TestGroup {
  readonly people: TestPerson[];
  state: ConversationState | undefined;
  epochKey: Uint8Array = newEpochKey();

  constructor(...people: TestPerson[]) {
    this.people = people;
  }

  get id(): ConversationId {
    return this.state!.conversation;
  }

  /** A link on top of what is known here, by somebody whom the rules allow it. */
  async link(by: TestPerson, change: ConversationChange, options: LinkOptions = {}): Promise<MadeLink> {
    const { device = by.devices[0]!, knows = this.people } = options;
    const kind = options.opening ?? (change.case !== undefined && change.case in epochsOf ? epochsOf[change.case as "add"] : "none");
    const drafted = draftLink({
      state: this.state,
      author: { account: by.account, device: device.device },
      known: new Map(knows.map((person) => [person.account, { state: person.state, links: person.links }])),
      change,
      ...(kind === "none" ? {} : { opening: { kind } }),
      profile: options.profile !== undefined,
    });
    if (drafted.kind === "invalid") throw new Error(`the test's own link is invalid: ${drafted.reason}`);
    const { opening } = drafted.draft;
    if (opening === undefined) {
      const entry = finishLink(drafted.draft, device.signingSeed, undefined, options.profile);
      return { entry, sealedKeys: [], epochKey: this.epochKey };
    }
    const { context, epoch, previous, bodyWithoutCommitments } = opening;
    const epochKey =
      kind === "derived" ? deriveEpochKey(this.epochKey, this.id, { previous: previous!, bodyWithoutCommitments }) : newEpochKey();
    const sealedKeys: SealedKey[] = [];
    for (const recipient of opening.recipients) {
      const { publicKey } = this.people.find((person) => person.account === recipient.account)!.accountKey;
      sealedKeys.push((await sealEpochKey(epochKey, context, epoch, { ...recipient, publicKey }))!);
    }
    const inherited = this.state?.profileHash === undefined ? undefined : sealProfile(epochKey, context, epoch, someProfile());
    const profile = options.profile ?? inherited;
    const commitments = {
      keyId: keyIdOf(context, epochKey),
      sealedKeysHash: sealedKeysHash(sealedKeys),
      ...(profile !== undefined && { profileHash: sealedProfileHash(profile) }),
    };
    return { entry: finishLink(drafted.draft, device.signingSeed, commitments, profile), sealedKeys, epochKey };
  }

  /** Applies a link that the server took. */
  taken({ entry, epochKey }: Pick<MadeLink, "entry" | "epochKey">): void {
    const result = applyConversationLink(this.state, entry);
    if (result.kind !== "valid") throw new Error(`the test's own link is ${JSON.stringify(result)}`);
    this.state = result.state;
    this.epochKey = epochKey;
  }

  request({ entry, sealedKeys }: Pick<MadeLink, "entry" | "sealedKeys">) {
    const conversation = this.state === undefined ? new Uint8Array(0) : idBytes(this.id);
    return { case: "appendLink", value: { conversation, entry, sealedKeys } } as const;
  }

  /** Has the server take a link; its place in the log. */
  async write(socket: TestSocket, by: TestPerson, change: ConversationChange, options: LinkOptions = {}): Promise<number> {
    const made = await this.link(by, change, options);
    const { sequence } = await socket.ask(this.request(made), "appended");
    this.taken(made);
    return sequence;
  }

  /** Of all people, by the first of them, who is admin. */
  create(socket: TestSocket, policy: MessageInitShape<typeof PolicySchema> = {}, options: LinkOptions = {}): Promise<number> {
    const [first] = this.people;
    const members = new Map(this.people.map((person) => [person.account, person === first ? ("admin" as const) : ("member" as const)]));
    return this.write(socket, first!, groupCreate(members, randomBytes(32), policy), options);
  }

  async add(socket: TestSocket, by: TestPerson, ...newcomers: TestPerson[]): Promise<number> {
    this.people.push(...newcomers.filter((person) => !this.people.includes(person)));
    return this.write(socket, by, additionsOf(new Map(newcomers.map((person) => [person.account, "member"]))));
  }

  remove(socket: TestSocket, by: TestPerson, ...people: TestPerson[]): Promise<number> {
    return this.write(socket, by, removalOf(people.map((person) => person.account)));
  }

  message(content: string, by: TestPerson, options: TestMessageOptions = {}): Promise<SealedMessage> {
    return sealText(content, by, { id: this.id, state: this.state!, epochKey: this.epochKey }, options);
  }

  send = (message: SealedMessage, resume = false) =>
    ({ case: "send", value: { conversation: idBytes(this.id), message, resume } }) as const;
}

/** The server cannot tell what it says. */
export const someProfile = () =>
  create(SignedProfileSchema, {
    content: randomBytes(40),
    account: randomBytes(32),
    device: randomBytes(32),
    signature: randomBytes(64),
  });
