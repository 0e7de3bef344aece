import { randomBytes } from "node:crypto";
import { create, fromBinary, type MessageInitShape, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  type AccountId,
  type ClientMessageId,
  clientMessageId,
  type ConversationId,
  type DeviceId,
  type ErrorCode,
  FastChatError,
  idBytes,
  limits,
  passwordIdentifiers,
} from "@fastchat/protocol";
import {
  type AccountState,
  applyAccountLinks,
  applyConversationLink,
  buildAccountCreate,
  buildAddDevice,
  buildRevoke,
  buildSucceed,
  type ConversationChange,
  type ConversationState,
  directConversationId,
  directCreate,
  draftLink,
  finishLink,
  newDeviceId,
  newestEpoch,
  remainingDevices,
} from "@fastchat/protocol/chain";
import {
  accountPublicKeyHash,
  deviceSealingKeyHash,
  generateSealingKey,
  keyIdOf,
  newEpochKey,
  publicKeyOf,
  sealEpochKey,
  sealAccountKey,
  sealedCopyHash,
  sealedKeysHash,
  sealMessage,
  signBlobPassRequest,
  signTicketRequest,
} from "@fastchat/protocol/seal";
import { type AccountAttachments, AccountAttachmentsSchema, type SignedLink, WrapPurpose } from "@fastchat/protocol/wire/account";
import { type LinkEntry, MessageContentSchema, type SealedKey, type SealedMessage } from "@fastchat/protocol/wire/conversation";
import { ErrorSchema } from "@fastchat/protocol/wire/error";
import {
  type ClientFrame,
  ClientPacketSchema,
  type HelloSchema,
  type ServerFrame,
  ServerPacketSchema,
} from "@fastchat/protocol/wire/frames";
import * as wire from "@fastchat/protocol/wire/gateway";
import { client as opaque, ready } from "@serenity-kit/opaque";
import { WebSocket } from "ws";

// For tests: people with real keys who speak the protocol frame by frame, so that a test can also say what no real client would.

/** As cheap as it gets: the server never sees it. */
export const keyStretching = { "argon2id-custom": { iterations: 1, memory: 8, parallelism: 1 } } as const;
const bytes = (text: string): Uint8Array => Buffer.from(text, "base64url");
const text = (content: Uint8Array): string => Buffer.from(content).toString("base64url");

/** One POST to the gateway; an answer other than 200 throws the FastChatError that it carries. */
export async function post<In extends DescMessage, Out extends DescMessage>(
  gateway: string,
  path: string,
  takes: In,
  gives: Out,
  body: MessageInitShape<In>,
  headers: Record<string, string> = {},
): Promise<MessageShape<Out>> {
  const response = await fetch(gateway + path, {
    method: "POST",
    headers: { "content-type": "application/x-protobuf", ...headers },
    body: Buffer.from(toBinary(takes, create(takes, body))),
  });
  const content = new Uint8Array(await response.arrayBuffer());
  if (response.ok) return fromBinary(gives, content);
  const { code, detail, retryAfterMs } = fromBinary(ErrorSchema, content);
  throw new FastChatError(code, { detail, retryAfterMs });
}

export interface TestDevice {
  readonly device: DeviceId;
  readonly signingSeed: Uint8Array;
}

export interface TestPerson {
  readonly name: string;
  readonly password: string;
  readonly account: AccountId;
  readonly identitySeed: Uint8Array;
  readonly accountKey: { readonly secret: Uint8Array; readonly publicKey: Uint8Array };
  readonly links: SignedLink[];
  state: AccountState;
  readonly devices: TestDevice[];
}

const wrap = (purpose: WrapPurpose) => ({ purpose, version: 1, sealed: randomBytes(74) });

export interface SignUpParts {
  readonly person: TestPerson;
  readonly link: SignedLink;
  readonly attachments: AccountAttachments;
  readonly recoverySeed: Uint8Array;
}

/** An account as a client would make it, before the server knows of it. The wraps hold nothing: the server cannot tell. */
export async function makePerson(name: string): Promise<SignUpParts> {
  const identitySeed = randomBytes(32);
  const recoverySeed = randomBytes(32);
  const accountKey = await generateSealingKey();
  const nonce = randomBytes(32);
  const signingSeed = randomBytes(32);
  const sealing = await generateSealingKey();
  const keys = { signingSeed, sealingKeyHash: deviceSealingKeyHash(sealing.publicKey), nonce: randomBytes(32) };
  const device = newDeviceId(keys);
  const copy = (await sealAccountKey({ generation: 1, secret: accountKey.secret }, nonce, { device, publicKey: sealing.publicKey }))!;
  const wraps = [
    wrap(WrapPurpose.MASTER_BY_PASSWORD),
    wrap(WrapPurpose.MASTER_BY_RECOVERY),
    wrap(WrapPurpose.IDENTITY_BY_MASTER),
    wrap(WrapPurpose.ACCOUNT_KEY_BY_MASTER),
  ];
  const link = buildAccountCreate({
    name,
    nonce,
    identitySeed,
    recoveryPublicKey: publicKeyOf(recoverySeed),
    device: keys,
    accountKey: {
      publicKeyHash: accountPublicKeyHash(accountKey.publicKey),
      wrappedHash: sealedCopyHash(wraps[3]!.sealed),
      copies: new Map([[device, sealedCopyHash(copy)]]),
    },
  });
  const attachments = create(AccountAttachmentsSchema, {
    accountPublicKey: accountKey.publicKey,
    deviceSealingKey: sealing.publicKey,
    copies: [{ device: idBytes(device), generation: 1, sealed: copy }],
    wraps,
  });
  const state = stateOf([link]);
  const password = `${name}'s long password`;
  const devices = [{ device, signingSeed }];
  const person = { name, password, account: state.account, identitySeed, accountKey, links: [link], state, devices };
  return { person, link, attachments, recoverySeed };
}

export function stateOf(links: readonly SignedLink[], before?: AccountState): AccountState {
  const result = applyAccountLinks(before, links);
  if (result.kind !== "valid") throw new Error(`the test's own chain is ${JSON.stringify(result)}`);
  return result.state;
}

/** The person's chain grows by a link that the server took. */
export function take(person: TestPerson, link: SignedLink): void {
  person.state = stateOf([link], person.state);
  person.links.push(link);
}

/** What `finish` takes besides the account. */
export async function startSignUp(
  gateway: string,
  name: string,
  password: string,
  invitation = "",
): Promise<{ readonly registrationRecord: Uint8Array; readonly state: Uint8Array }> {
  await ready;
  const { clientRegistrationState, registrationRequest } = opaque.startRegistration({ password });
  const { registrationResponse, state } = await post(gateway, "/v1/sign-up/start", wire.SignUpStartSchema, wire.SignUpStartedSchema, {
    name,
    registrationRequest: bytes(registrationRequest),
    invitation,
  });
  const { registrationRecord } = opaque.finishRegistration({
    clientRegistrationState,
    registrationResponse: text(registrationResponse),
    password,
    identifiers: passwordIdentifiers(name),
    keyStretching,
  });
  return { registrationRecord: bytes(registrationRecord), state };
}

export async function signUp(gateway: string, name: string, invitation = ""): Promise<TestPerson> {
  const { person, link, attachments } = await makePerson(name);
  const started = await startSignUp(gateway, name, person.password, invitation);
  const finished = await post(gateway, "/v1/sign-up/finish", wire.SignUpFinishSchema, wire.SignUpFinishedSchema, {
    name,
    ...started,
    create: link,
    attachments,
    invitation,
  });
  link.receipt = finished.receipt;
  return person;
}

/** The password exchange; throws FastChatError, also for a password that the client itself sees to be wrong. */
export async function signIn(
  gateway: string,
  name: string,
  password: string,
  headers: Record<string, string> = {},
  finishAt = gateway,
): Promise<wire.SignInFinished | "wrong-password"> {
  await ready;
  const { clientLoginState, startLoginRequest } = opaque.startLogin({ password });
  const startBody = { name, loginRequest: bytes(startLoginRequest) };
  const started = await post(gateway, "/v1/sign-in/start", wire.SignInStartSchema, wire.SignInStartedSchema, startBody, headers);
  const finished = opaque.finishLogin({
    clientLoginState,
    loginResponse: text(started.loginResponse),
    password,
    identifiers: passwordIdentifiers(name),
    keyStretching,
  });
  if (finished === undefined) return "wrong-password";
  const finishBody = { state: started.state, loginFinish: bytes(finished.finishLoginRequest) };
  return post(finishAt, "/v1/sign-in/finish", wire.SignInFinishSchema, wire.SignInFinishedSchema, finishBody, headers);
}

/** Signs in and adds a device; the person's chain has grown afterwards. */
export async function addDevice(gateway: string, person: TestPerson): Promise<TestDevice> {
  const signedIn = await signIn(gateway, person.name, person.password);
  if (signedIn === "wrong-password") throw new Error("the test's own password is wrong");
  return addDeviceBy(gateway, person, signedIn.grant);
}

/** Adds a device with a sign-in's grant. */
export async function addDeviceBy(
  gateway: string,
  person: TestPerson,
  grant: Uint8Array,
  { replacesOthers = false }: { readonly replacesOthers?: boolean } = {},
): Promise<TestDevice> {
  const sealing = await generateSealingKey();
  const signingSeed = randomBytes(32);
  const keys = { signingSeed, sealingKeyHash: deviceSealingKeyHash(sealing.publicKey), nonce: randomBytes(32) };
  const device = newDeviceId(keys);
  const recipient = { device, publicKey: sealing.publicKey };
  const generation = person.state.accountKeys.length;
  const copy = (await sealAccountKey({ generation, secret: person.accountKey.secret }, person.state.nonce, recipient))!;
  const link = buildAddDevice(person.state, { identitySeed: person.identitySeed, device: keys, sealedHash: sealedCopyHash(copy) });
  const answer = await post(gateway, "/v1/devices", wire.AddDeviceSchema, wire.DeviceAddedSchema, {
    grant,
    link,
    attachments: { deviceSealingKey: sealing.publicKey, copies: [{ device: idBytes(device), generation, sealed: copy }] },
    replacesOthers,
  });
  link.receipt = answer.receipt;
  take(person, link);
  const added = { device, signingSeed };
  person.devices.push(added);
  return added;
}

/** A new account key for these devices, and what lies beside the link that brings it. Nobody can open the copies: the server cannot tell. */
async function nextAccountKey(person: TestPerson, remaining: readonly DeviceId[]) {
  const generation = person.state.accountKeys.length + 1;
  const key = await generateSealingKey();
  const wraps = [WrapPurpose.ACCOUNT_KEY_BY_MASTER, WrapPurpose.ACCOUNT_KEY_BY_NEXT].map((purpose, index) => ({
    purpose,
    version: generation - index,
    sealed: randomBytes(74),
  }));
  const copies = await Promise.all(
    remaining.map(async (device) => {
      const { publicKey } = await generateSealingKey();
      return { device, sealed: (await sealAccountKey({ generation, secret: key.secret }, person.state.nonce, { device, publicKey }))! };
    }),
  );
  const accountKey = {
    publicKeyHash: accountPublicKeyHash(key.publicKey),
    wrappedHash: sealedCopyHash(wraps[0]!.sealed),
    previousHash: sealedCopyHash(wraps[1]!.sealed),
    copies: new Map(copies.map(({ device, sealed }) => [device, sealedCopyHash(sealed)])),
  };
  const attachments = {
    accountPublicKey: key.publicKey,
    copies: copies.map(({ device, sealed }) => ({ device: idBytes(device), generation, sealed })),
    wraps,
  };
  return { accountKey, attachments };
}

/** A `revoke` of one device with what lies beside it. */
export async function buildRevocation(person: TestPerson, ended: TestDevice) {
  const { accountKey, attachments } = await nextAccountKey(person, remainingDevices(person.state, [ended.device]));
  const link = buildRevoke(person.state, { identitySeed: person.identitySeed, devices: [ended.device], accountKey });
  return { link, attachments };
}

/** A `succeed` after which one device stays, with what lies beside it; the new secrets are random bytes, and the record is nobody's. */
export async function buildSuccession(person: TestPerson, { device }: TestDevice) {
  const { accountKey, attachments } = await nextAccountKey(person, [device]);
  const newIdentitySeed = randomBytes(32);
  const recoveryPublicKey = publicKeyOf(randomBytes(32));
  const link = buildSucceed(person.state, { identitySeed: person.identitySeed, newIdentitySeed, recoveryPublicKey, device, accountKey });
  const { MASTER_BY_PASSWORD, MASTER_BY_RECOVERY, IDENTITY_BY_MASTER } = WrapPurpose;
  const others = [MASTER_BY_PASSWORD, MASTER_BY_RECOVERY, IDENTITY_BY_MASTER].map((purpose) => ({
    purpose,
    version: 2,
    sealed: randomBytes(74),
  }));
  return { link, attachments: { ...attachments, wraps: [...attachments.wraps, ...others] }, newIdentitySeed };
}

export async function getTicket(gateway: string, { device, signingSeed }: TestDevice, avoid: string[] = []): Promise<wire.Ticket> {
  const challenge = await getChallenge(gateway, device);
  const signature = await signTicketRequest(signingSeed, device, challenge);
  return post(gateway, "/v1/ticket", wire.TicketRequestSchema, wire.TicketSchema, { device: idBytes(device), challenge, signature, avoid });
}

export async function getBlobPass(gateway: string, { device, signingSeed }: TestDevice): Promise<Uint8Array> {
  const challenge = await getChallenge(gateway, device);
  const signature = await signBlobPassRequest(signingSeed, device, challenge);
  const asked = { device: idBytes(device), challenge, signature };
  return (await post(gateway, "/v1/blobs/pass", wire.BlobPassRequestSchema, wire.BlobPassSchema, asked)).pass;
}

export async function getChallenge(gateway: string, device: DeviceId): Promise<Uint8Array> {
  const asked = { device: idBytes(device) };
  return (await post(gateway, "/v1/challenge", wire.ChallengeRequestSchema, wire.ChallengeSchema, asked)).challenge;
}

type RequestBody = { [Case in NonNullable<ClientFrame["body"]["case"]>]: { case: Case; value: object } }[NonNullable<
  ClientFrame["body"]["case"]
>];
type AnswerCase = NonNullable<ServerFrame["body"]["case"]>;
type AnswerValue<Case extends AnswerCase> = Extract<ServerFrame["body"], { case: Case }>["value"];

/** A socket on which frames are said and heard. */
export class TestSocket implements AsyncDisposable {
  readonly socket: WebSocket;
  /** Everything that came, in order. */
  readonly frames: ServerFrame[] = [];
  closeCode: number | undefined;
  #next = 1;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer) => {
      this.frames.push(...fromBinary(ServerPacketSchema, data).frames);
    });
    socket.on("error", () => undefined);
    socket.on("close", (code) => {
      this.closeCode = code;
    });
  }

  static async open(url: string, headers: Record<string, string> = {}): Promise<TestSocket> {
    const socket = new WebSocket(url, { perMessageDeflate: false, headers });
    const opened = new TestSocket(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    return opened;
  }

  /** Signed in as a device; `ticket` names the server. */
  static async welcome(gateway: string, device: TestDevice, avoid: string[] = []): Promise<TestSocket> {
    const { url, ticket } = await getTicket(gateway, device, avoid);
    const socket = await TestSocket.open(url);
    await socket.hello(ticket);
    return socket;
  }

  hello(ticket: Uint8Array, changes: MessageInitShape<typeof HelloSchema> = {}): Promise<AnswerValue<"welcome">> {
    const { protocolVersions, suites } = limits;
    const value = { versions: [...protocolVersions], suites: [...suites], ticket, agent: "test/1", ...changes };
    return this.ask({ case: "hello", value }, "welcome");
  }

  /** Says several frames in one packet; the numbers of their requests. */
  say(...bodies: RequestBody[]): number[] {
    const frames = bodies.map((body) => ({ request: this.#next++, body }) as MessageInitShape<typeof ClientPacketSchema>);
    this.socket.send(toBinary(ClientPacketSchema, create(ClientPacketSchema, { frames } as MessageInitShape<typeof ClientPacketSchema>)));
    return frames.map((frame) => (frame as { request: number }).request);
  }

  /** The answer to a request; throws the FastChatError that it carries. */
  async answer<Case extends AnswerCase>(request: number, expected: Case): Promise<AnswerValue<Case>> {
    const frame = await this.until((each) => each.request === request);
    if (frame.body.case === "error") throw new FastChatError(frame.body.value.code, { detail: frame.body.value.detail });
    if (frame.body.case !== expected) throw new Error(`answered ${frame.body.case} instead of ${expected}`);
    return frame.body.value as AnswerValue<Case>;
  }

  ask<Case extends AnswerCase>(body: RequestBody, expected: Case): Promise<AnswerValue<Case>> {
    return this.answer(this.say(body)[0]!, expected);
  }

  /** The code of the error that a request is answered with. */
  async refusal(body: RequestBody): Promise<ErrorCode> {
    const request = this.say(body).at(-1);
    const frame = await this.until((each) => each.request === request);
    if (frame.body.case !== "error") throw new Error(`answered ${frame.body.case} instead of an error`);
    return frame.body.value.code;
  }

  /** The first frame, past or to come, for which this holds. */
  async until(holds: (frame: ServerFrame) => boolean): Promise<ServerFrame> {
    for (let seen = 0, tries = 0; ; tries++) {
      for (; seen < this.frames.length; seen++) if (holds(this.frames[seen]!)) return this.frames[seen]!;
      if (this.closeCode !== undefined) throw new Error(`the socket closed with ${this.closeCode}`);
      if (tries > 2_000) throw new Error("that frame did not come");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** The close code. */
  async closed(): Promise<number> {
    for (let tries = 0; this.closeCode === undefined; tries++) {
      if (tries > 3_000) throw new Error("the socket did not close");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return this.closeCode;
  }

  /** Sequence numbers of live entries that came for a conversation. */
  live(conversation: ConversationId): number[] {
    return this.frames.flatMap(({ request, body }) =>
      request === 0 && body.case === "entries" && Buffer.from(body.value.conversation).toString("hex") === conversation
        ? body.value.entries.map((entry) => entry.sequence)
        : [],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate();
    await this.closed();
  }
}

/** A direct conversation as one of its people knows it. */
export class TestConversation {
  readonly id: ConversationId;
  readonly people: readonly TestPerson[];
  state: ConversationState | undefined;
  epochKey = newEpochKey();

  constructor(...people: TestPerson[]) {
    this.people = people;
    this.id = directConversationId(people[0]!.account, (people[1] ?? people[0]!).account);
  }

  /** `create`, or a `rekey`, by somebody's device: what AppendLink takes. `taken` applies it here. */
  async opening(by: TestPerson, device: TestDevice = by.devices[0]!): Promise<{ entry: LinkEntry; sealedKeys: SealedKey[] }> {
    const [one, other = one] = this.people;
    const change: ConversationChange =
      this.state === undefined
        ? directCreate(one!.account, other!.account, randomBytes(32))
        : { case: "rekey", value: { reason: "a test" } };
    const known = new Map(this.people.map((person) => [person.account, { state: person.state, links: person.links }]));
    const drafted = draftLink({
      state: this.state,
      author: { account: by.account, device: device.device },
      known,
      change,
      opening: { kind: "fresh" },
    });
    if (drafted.kind === "invalid") throw new Error(`the test's own link is invalid: ${drafted.reason}`);
    const { opening } = drafted.draft;
    this.epochKey = newEpochKey();
    const sealedKeys: SealedKey[] = [];
    for (const { account, generation } of opening!.recipients) {
      const { accountKey } = this.people.find((person) => person.account === account)!;
      const sealed = await sealEpochKey(this.epochKey, opening!.context, opening!.epoch, {
        account,
        generation,
        publicKey: accountKey.publicKey,
      });
      sealedKeys.push(sealed!);
    }
    const commitments = { keyId: keyIdOf(opening!.context, this.epochKey), sealedKeysHash: sealedKeysHash(sealedKeys) };
    return { entry: finishLink(drafted.draft, device.signingSeed, commitments), sealedKeys };
  }

  /** Applies a link that the server took. */
  taken(entry: LinkEntry): void {
    const result = applyConversationLink(this.state, entry);
    if (result.kind !== "valid") throw new Error(`the test's own link is ${JSON.stringify(result)}`);
    this.state = result.state;
  }

  /** Makes `create` or `rekey` and has the server take it. */
  async open(socket: TestSocket, by: TestPerson, device?: TestDevice): Promise<void> {
    const { entry, sealedKeys } = await this.opening(by, device);
    await socket.ask({ case: "appendLink", value: { conversation: idBytes(this.id), entry, sealedKeys } }, "appended");
    this.taken(entry);
  }

  message(content: string, by: TestPerson, options: TestMessageOptions = {}): Promise<SealedMessage> {
    return sealText(content, by, { id: this.id, state: this.state!, epochKey: this.epochKey }, options);
  }

  send = (message: SealedMessage, resume = false) =>
    ({ case: "send", value: { conversation: idBytes(this.id), message, resume } }) satisfies { case: "send"; value: object };
}

export interface TestMessageOptions {
  readonly device?: TestDevice;
  readonly id?: ClientMessageId;
  readonly epoch?: number;
}

/** A message by somebody's device, in the newest epoch if no other is named. */
export function sealText(
  content: string,
  by: TestPerson,
  { id, state, epochKey }: { readonly id: ConversationId; readonly state: ConversationState; readonly epochKey: Uint8Array },
  options: TestMessageOptions,
): Promise<SealedMessage> {
  const device = options.device ?? by.devices[0]!;
  const newest = newestEpoch(state);
  const context = {
    conversation: id,
    account: by.account,
    device: device.device,
    epoch: options.epoch ?? newest.epoch,
    openingLink: newest.openingLink,
  };
  const value = create(MessageContentSchema, { time: 1n, counter: 1, kind: { case: "text", value: { text: content } } });
  const clientMessageId_ = options.id ?? clientMessageId(randomBytes(16));
  return sealMessage(epochKey, context, { clientMessageId: clientMessageId_ }, value, device.signingSeed);
}

/** The error's code that a request came to; 0: it went through. */
export const codeOf = (promise: Promise<unknown>): Promise<number> =>
  promise.then(
    () => 0,
    (error: unknown) => {
      if (error instanceof FastChatError) return error.code;
      throw error;
    },
  );
