import { create } from "@bufbuild/protobuf";
import {
  ErrorCode,
  errorRow,
  FastChatError,
  idBytes,
  limits,
  parseName,
  passwordIdentifiers,
  passwordStretching,
  passwordSuite,
} from "@fastchat/protocol";
import {
  accountIdOf,
  type AccountState,
  applyAccountLinks,
  buildAccountCreate,
  buildAddDevice,
  isMissingFrom,
  type NewDevice,
  newDeviceId,
  sameOrLonger,
} from "@fastchat/protocol/chain";
import {
  accountPublicKeyHash,
  checkAccountKey,
  deviceSealingKeyHash,
  equal,
  generateRecoveryEntropy,
  generateSealingKey,
  generateSigningKey,
  newMasterKey,
  publicKeyOf,
  random,
  recoveryKeyOf,
  recoveryWordsOf,
  sealAccountKey,
  sealedCopyHash,
  signRecovery,
  unwrapKey,
  wrapKey,
} from "@fastchat/protocol/seal";
import { type SignedLink, type Wrap, WrapPurpose, WrapSchema } from "@fastchat/protocol/wire/account";
import type { SignInFinished } from "@fastchat/protocol/wire/gateway";
import { fromBase64Url, toBase64Url } from "./base64.ts";
import { accountKeyRecord } from "./account-keys.ts";
import { AccountForked, saveKnownAccount } from "./accounts.ts";
import type { Me, SignUpOptions, SignUpResult } from "./api.ts";
import { Gateway, GatewayUnreachable } from "./gateway.ts";
import { weaknessOf } from "./password.ts";
import { type AccountKeySecret, loadProfile, type LocalProfile, saveProfile } from "./profile.ts";
import type { Storage } from "./storage.ts";

const FINISH_ATTEMPTS = 3;
const SIGN_IN_ATTEMPTS = 3;

/** Only who has just given a password needs it, and its WebAssembly takes long to load. */
export async function loadOpaque() {
  const { client, ready } = await import("@serenity-kit/opaque");
  await ready;
  return client;
}

/** Names of the places of an account's wraps [P2]. */
export const places = { password: "password", recovery: "recovery", identity: "identity", accountKey: accountKeyRecord } as const;

/** Makes an account and its first device, and keeps the device's part in an empty profile. */
export async function signUp(storage: Storage, options: SignUpOptions): Promise<SignUpResult> {
  return refusing(async () => {
    await mustBeEmpty(storage);
    const parsed = parseName(options.name);
    if (parsed.kind === "invalid") throw new FastChatError(ErrorCode.NAME_INVALID);
    const { name } = parsed;
    const password = options.password.normalize("NFKC");
    const weak = await weaknessOf(password, name);
    if (weak !== undefined) return weak;

    const gateway = new Gateway(options.gateway);
    const [info] = await Promise.all([gateway.info(), loadOpaque()]);
    mustKnowSuite(info.passwordSuite);
    const invitation = options.invitation ?? "";
    const { record, exportKey, passwordServerKey, state } = await registerPassword(name, password, async (registrationRequest) => {
      const started = await gateway.startSignUp({ name, registrationRequest, invitation });
      await options.confirm?.();
      return started;
    });

    const made = await makeAccount(name, exportKey);
    const me: Me = { name, account: accountIdOf(made.create), device: made.device, gateway: gateway.url };
    const finish = {
      name,
      registrationRecord: record,
      create: made.create,
      attachments: made.attachments,
      invitation,
      state,
    };
    await insist(
      async () => {
        made.create.receipt = (await gateway.finishSignUp(finish)).receipt;
      },
      // Somebody has the name: ours, if the answer to an earlier attempt was lost.
      ErrorCode.NAME_TAKEN,
      () => gateway.ticket(me.device, made.signingSeed, []),
    );
    const profile: LocalProfile = {
      me,
      signingSeed: made.signingSeed,
      sealingSecret: made.sealingSecret,
      accountKeys: [made.accountKey],
      passwordServerKey,
    };
    const links = [made.create];
    const own = { state: verified(links), links, publicKey: made.attachments.accountPublicKey };
    await storage.commit([...saveProfile(profile), saveKnownAccount(own)]);
    return { kind: "signed-up", me, recoveryWords: made.recoveryWords };
  });
}

/** What the server answers to OPAQUE's RegistrationRequest. */
interface StartedRegistration {
  readonly registrationResponse: Uint8Array;
  /** The gateway's own. */
  readonly state: Uint8Array;
}

/** OPAQUE's registration (RFC 9807, 5) up to its record, which is to be sent. */
export async function registerPassword(
  name: string,
  password: string,
  start: (registrationRequest: Uint8Array<ArrayBuffer>) => Promise<StartedRegistration>,
) {
  const opaque = await loadOpaque();
  const { clientRegistrationState, registrationRequest } = opaque.startRegistration({ password });
  const { registrationResponse, state } = await start(fromBase64Url(registrationRequest));
  const registered = ofExchange(() =>
    opaque.finishRegistration({
      clientRegistrationState,
      registrationResponse: toBase64Url(registrationResponse),
      password,
      identifiers: passwordIdentifiers(name),
      keyStretching: passwordStretching,
    }),
  );
  if (registered === undefined) throw serverLied("no answer to a registration");
  return {
    state,
    record: fromBase64Url(registered.registrationRecord),
    exportKey: fromBase64Url(registered.exportKey),
    passwordServerKey: registered.serverStaticPublicKey,
  };
}

/**
 * OPAQUE's registration of a password that is to take the place of another one, up to its record.
 *
 * @param expectedServerKey of the password server, as this account's devices know it; undefined: not known here
 */
export async function registerNewPassword(
  gateway: Gateway,
  { state: { name }, grant }: Pick<OpenedKeys, "grant" | "state">,
  password: string,
  expectedServerKey?: string,
): ReturnType<typeof registerPassword> {
  const registered = await registerPassword(name, password, (registrationRequest) => gateway.startPassword({ grant, registrationRequest }));
  if (expectedServerKey !== undefined && registered.passwordServerKey !== expectedServerKey) throw serverLied("another password server");
  return registered;
}

/** What password or recovery words open. To be forgotten as soon as it was used [P3]. */
export interface OpenedKeys {
  readonly state: AccountState;
  readonly links: readonly SignedLink[];
  readonly masterKey: Uint8Array;
  readonly identitySeed: Uint8Array;
  /** Oldest first. */
  readonly accountKeys: readonly AccountKeySecret[];
  /** X-Wing public key of the newest generation. */
  readonly publicKey: Uint8Array;
  readonly grant: Uint8Array;
  /** The newest version of each wrap [P2]. */
  readonly wrapVersions: ReadonlyMap<WrapPurpose, number>;
  /** A device is signed in beside which there may be no other [H8]. */
  readonly alreadySignedIn: boolean;
}

export interface OpenedAccount extends OpenedKeys {
  readonly passwordServerKey: string;
}

/** What a device that was signed in before knows of its account, and what must be the same again [G5], [P1]. */
export interface KnownOwnAccount {
  readonly state: AccountState;
  readonly passwordServerKey: string;
}

/**
 * Runs the password exchange and opens what lies under it. Throws FastChatError; AccountForked when the chain that comes
 * with it is neither the known one nor a continuation of it: nothing may be written on top of that one.
 */
export async function openAccount(gateway: Gateway, name: string, givenPassword: string, known?: KnownOwnAccount): Promise<OpenedAccount> {
  const password = givenPassword.normalize("NFKC");
  const opaque = await loadOpaque();
  const { clientLoginState, startLoginRequest } = opaque.startLogin({ password });
  const started = await gateway.startSignIn({ name, loginRequest: fromBase64Url(startLoginRequest) });
  mustKnowSuite(started.passwordSuite);
  // A record that is not this password's cannot be told from a password that is not this record's; neither is what is no record.
  const login = ofExchange(() =>
    opaque.finishLogin({
      clientLoginState,
      loginResponse: toBase64Url(started.loginResponse),
      password,
      identifiers: passwordIdentifiers(name),
      keyStretching: passwordStretching,
    }),
  );
  if (login === undefined) throw new FastChatError(ErrorCode.WRONG_PASSWORD);
  if (known !== undefined && known.passwordServerKey !== login.serverStaticPublicKey) throw serverLied("another password server");
  const finished = await gateway.finishSignIn({ state: started.state, loginFinish: fromBase64Url(login.finishLoginRequest) });
  const opened = await openFinished(finished, name, { purpose: "masterUnderExportKey", secret: fromBase64Url(login.exportKey) }, known);
  return { ...opened, passwordServerKey: login.serverStaticPublicKey };
}

/** undefined: the server's part has not the form of one, of which the library throws. */
function ofExchange<Result>(finish: () => Result): Result | undefined {
  try {
    return finish();
  } catch {
    return undefined;
  }
}

/** What opens the master key. */
type MasterKeyUnder = { readonly purpose: "masterUnderExportKey" | "masterUnderRecoveryKey"; readonly secret: Uint8Array };

/** The same by the recovery words, which this server must know as this account's [P2]. Throws FastChatError. */
export async function openByRecovery(gateway: Gateway, name: string, entropy: Uint8Array): Promise<OpenedKeys> {
  const recovery = recoveryKeyOf(entropy);
  const { state } = await gateway.startRecovery({ name });
  const signature = await signRecovery(recovery.signing.seed, { name, state });
  const finished = await gateway.finishRecovery({ state, signature });
  const opened = await openFinished(finished, name, { purpose: "masterUnderRecoveryKey", secret: recovery.wrapSecret });
  if (!equal(opened.state.recoveryKey, recovery.signing.publicKey)) throw serverLied("another recovery key");
  return opened;
}

/** What a server gives who proved to be the owner, held against itself and all that is known. Asks nobody. Throws as `openAccount`. */
export async function openFinished(
  finished: SignInFinished,
  name: string,
  under: MasterKeyUnder,
  known?: KnownOwnAccount,
): Promise<OpenedKeys> {
  const state = verified(finished.links);
  if (state.name !== name || !equal(idBytes(state.account), finished.account)) throw serverLied("of another account");
  if (known !== undefined && !sameOrLonger(known.state.hashes, state.hashes)) throw new AccountForked(known.state);
  mustBeNewest(state, finished);
  if (state.closed) throw new FastChatError(ErrorCode.ACCOUNT_CLOSED);
  const secrets = await unwrapAll(state, finished, under);
  if (!equal(secrets.publicKey, finished.accountPublicKey)) throw serverLied("not the public key of the account key");
  const { links, grant, alreadySignedIn } = finished;
  return { ...secrets, state, links, grant, alreadySignedIn };
}

async function unwrapAll(state: AccountState, { wraps }: SignInFinished, { purpose: under, secret: underSecret }: MasterKeyUnder) {
  const { nonce } = state;
  const newest = (purpose: WrapPurpose) =>
    wraps.filter((wrap) => wrap.purpose === purpose).toSorted((one, other) => other.version - one.version)[0];
  const unwrap = (purpose: Parameters<typeof unwrapKey>[0], secret: Uint8Array, record: string, wrap: Wrap | undefined): Uint8Array => {
    if (wrap === undefined) throw serverLied("a wrap is missing");
    const opened = unwrapKey(purpose, secret, { account: nonce, record, version: wrap.version }, wrap.sealed);
    if (opened.kind === "unknown-suite") throw new FastChatError(ErrorCode.VERSION_TOO_OLD);
    if (opened.kind !== "unwrapped") throw serverLied("a wrap does not open");
    return opened.secret;
  };
  const [place, wrapPurpose] =
    under === "masterUnderExportKey"
      ? [places.password, WrapPurpose.MASTER_BY_PASSWORD]
      : [places.recovery, WrapPurpose.MASTER_BY_RECOVERY];
  const masterWrap = newest(wrapPurpose);
  const masterKey = unwrap(under, underSecret, place, masterWrap);
  const wrapVersions = new Map(wraps.map(({ purpose }) => [purpose, newest(purpose)!.version]));
  const identitySeed = unwrap("identityUnderMaster", masterKey, places.identity, newest(WrapPurpose.IDENTITY_BY_MASTER));
  if (!equal(publicKeyOf(identitySeed), state.identityKey)) throw serverLied("not the identity key of the chain");

  const accountKeys: AccountKeySecret[] = [];
  let publicKey: Uint8Array | undefined;
  let newer: Uint8Array | undefined;
  for (const { generation, publicKeyHash } of state.accountKeys.toReversed()) {
    const purpose: WrapPurpose = newer === undefined ? WrapPurpose.ACCOUNT_KEY_BY_MASTER : WrapPurpose.ACCOUNT_KEY_BY_NEXT;
    const wrap = wraps.find((each) => each.purpose === purpose && each.version === generation);
    const secret =
      newer === undefined
        ? unwrap("accountKeyUnderMaster", masterKey, places.accountKey, wrap)
        : unwrap("olderAccountKeyUnderNewer", newer, places.accountKey, wrap);
    const checked = await checkAccountKey(secret, publicKeyHash);
    if (checked.kind !== "opened") throw serverLied("not the account key of the chain");
    publicKey ??= checked.publicKey;
    accountKeys.unshift({ generation, secret });
    newer = secret;
  }
  if (publicKey === undefined) throw serverLied("no account key");
  return { masterKey, identitySeed, accountKeys, publicKey, wrapVersions };
}

async function makeAccount(name: string, exportKey: Uint8Array) {
  const nonce = random(32);
  const identity = generateSigningKey();
  const recoveryEntropy = generateRecoveryEntropy();
  const recovery = recoveryKeyOf(recoveryEntropy);
  const masterKey = newMasterKey();
  const accountKey = await generateSealingKey();
  const { keys, signingSeed, sealing } = await makeDevice();
  const device = newDeviceId(keys);
  const copy = await sealAccountKey({ generation: 1, secret: accountKey.secret }, nonce, { device, publicKey: sealing.publicKey });
  if (copy === undefined) throw new Error("a key just made cannot be sealed to");
  const wrapped = wrapKey("accountKeyUnderMaster", masterKey, { account: nonce, record: places.accountKey, version: 1 }, accountKey.secret);
  const first = (record: string) => ({ account: nonce, record, version: 1 });
  const wrap = (purpose: WrapPurpose, sealed: Uint8Array) => create(WrapSchema, { purpose, version: 1, sealed });
  return {
    create: buildAccountCreate({
      name,
      nonce,
      identitySeed: identity.seed,
      recoveryPublicKey: recovery.signing.publicKey,
      device: keys,
      accountKey: {
        publicKeyHash: accountPublicKeyHash(accountKey.publicKey),
        wrappedHash: sealedCopyHash(wrapped),
        copies: new Map([[device, sealedCopyHash(copy)]]),
      },
    }),
    attachments: {
      accountPublicKey: accountKey.publicKey,
      deviceSealingKey: sealing.publicKey,
      copies: [{ device: idBytes(device), generation: 1, sealed: copy }],
      wraps: [
        wrap(WrapPurpose.MASTER_BY_PASSWORD, wrapKey("masterUnderExportKey", exportKey, first(places.password), masterKey)),
        wrap(WrapPurpose.MASTER_BY_RECOVERY, wrapKey("masterUnderRecoveryKey", recovery.wrapSecret, first(places.recovery), masterKey)),
        wrap(WrapPurpose.IDENTITY_BY_MASTER, wrapKey("identityUnderMaster", masterKey, first(places.identity), identity.seed)),
        wrap(WrapPurpose.ACCOUNT_KEY_BY_MASTER, wrapped),
      ],
    },
    device,
    signingSeed,
    sealingSecret: sealing.secret,
    accountKey: { generation: 1, secret: accountKey.secret },
    recoveryWords: recoveryWordsOf(recoveryEntropy),
  };
}

async function makeDevice() {
  const signing = generateSigningKey();
  const sealing = await generateSealingKey();
  const keys: NewDevice = { signingSeed: signing.seed, sealingKeyHash: deviceSealingKeyHash(sealing.publicKey), nonce: random(32) };
  return { keys, signingSeed: signing.seed, sealing };
}

export async function addDevice(gateway: Gateway, account: OpenedKeys, replacesOthers: boolean) {
  const { state, identitySeed, grant } = account;
  const { keys, signingSeed, sealing } = await makeDevice();
  const device = newDeviceId(keys);
  const newest = account.accountKeys.at(-1)!;
  const sealed = await sealAccountKey(newest, state.nonce, { device, publicKey: sealing.publicKey });
  if (sealed === undefined) throw new Error("a key just made cannot be sealed to");
  const link = buildAddDevice(state, { identitySeed, device: keys, sealedHash: sealedCopyHash(sealed) });
  const attachments = {
    deviceSealingKey: sealing.publicKey,
    copies: [{ device: idBytes(device), generation: newest.generation, sealed }],
  };
  const links = [...account.links, link];
  const after = verified([link], state);
  await insist(
    async () => {
      link.receipt = (await gateway.addDevice({ grant, link, attachments, replacesOthers })).receipt;
    },
    // Another link stands there: ours, if the answer to an earlier attempt was lost.
    ErrorCode.STALE_HEAD,
    () => gateway.ticket(device, signingSeed, []),
  );
  return { device, signingSeed, sealingSecret: sealing.secret, links, state: after };
}

/**
 * Tries a request again whose outcome is unknown. Where an answer with `code` then may mean that the first attempt had
 * succeeded, `proof` tells, in the place of the answer: it throws when it had not.
 */
export async function insist<Answer, Proof>(
  request: () => Promise<Answer>,
  code: ErrorCode,
  proof: () => Promise<Proof>,
): Promise<Answer | Proof> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await request();
    } catch (error) {
      const unknown = error instanceof GatewayUnreachable;
      if (unknown && attempt < FINISH_ATTEMPTS) continue;
      if (attempt === 1 || !(error instanceof FastChatError && error.code === code)) throw error;
      try {
        return await proof();
      } catch {
        throw error;
      }
    }
  }
}

/** What a sign-in gave is worth nothing as soon as the account has moved: a device was added, say. Then all of it is done again. @param over says so */
export async function asLongAsItHolds<Result>(
  work: () => Promise<Result>,
  over: ReadonlySet<ErrorCode> = new Set([ErrorCode.SIGN_IN_EXPIRED]),
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const isOver = error instanceof FastChatError && over.has(error.code);
      if (!isOver || attempt === SIGN_IN_ATTEMPTS) throw error;
    }
  }
}

export async function mustBeEmpty(storage: Storage): Promise<void> {
  if ((await loadProfile(storage)) !== undefined) throw new Error("Somebody is signed in in this profile: sign out first, or use another.");
}

export function mustKnowSuite(suite: number): void {
  if (suite !== passwordSuite) throw new FastChatError(ErrorCode.VERSION_TOO_OLD);
}

/** @param from the state that the links follow; undefined: they begin the chain */
function verified(links: readonly SignedLink[], from?: AccountState): AccountState {
  const result = applyAccountLinks(from, links);
  if (result.kind === "incomplete" && result.reason === "version") throw new FastChatError(ErrorCode.VERSION_TOO_OLD);
  if (result.kind !== "valid") throw serverLied("no valid account chain");
  return result.state;
}

/**
 * [H1] Nothing is signed on top of a chain that lacks what a conversation of the account records. A server that holds back both is found out
 * by the first entry that names the newer head [A4].
 */
function mustBeNewest(state: AccountState, { links, recorded }: Pick<SignInFinished, "links" | "recorded">): void {
  if (recorded.slice(0, limits.recordedLinks).some((link) => isMissingFrom(state, links, link))) {
    throw new FastChatError(ErrorCode.ACCOUNT_OUTDATED);
  }
}

/** [P4] One and the same for whatever came from the server and is not what the account's keys and chain say: nothing of it is used. */
const LIE =
  "The server answered with something that is not this account's: nothing of it was used. Try again; if that does not help, ask whoever runs it.";

/** @param what for logs */
export const serverLied = (what: string) =>
  new FastChatError(ErrorCode.SIGNATURE_INVALID, {
    detail: `The server answered with something that is not this account's: ${what}.`,
    sentence: LIE,
  });

/** Errors of the table as a result; unexpected ones stay exceptions. */
export async function refusing<T>(work: () => Promise<T>): Promise<T | { kind: "refused"; code: ErrorCode; sentence: string }> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FastChatError) return { kind: "refused", code: error.code, sentence: error.row.sentence };
    if (error instanceof GatewayUnreachable)
      return { kind: "refused", code: ErrorCode.NO_SERVER, sentence: errorRow(ErrorCode.NO_SERVER).sentence };
    throw error;
  }
}
