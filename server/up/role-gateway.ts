import { randomBytes } from "node:crypto";
import { defaultGatewayPort } from "@fastchat/protocol/local";
import { openBlobStore } from "../blobs/open-blob-store.ts";
import { readConfig } from "../config.ts";
import { openLog } from "../events.ts";
import { type Gateway, startGateway } from "../gateway/gateway.ts";
import { readSecrets } from "../gateway/secret-file.ts";
import { invitationHash } from "../gateway/sign-up.ts";
import { addInvitation } from "../store/accounts.ts";
import type { Database } from "../store/database.ts";
import { onFreePort } from "./free-port.ts";
import { untilEnd } from "./lifetime.ts";
import { findDatabaseUrl, openStore } from "./open-store.ts";
import { announce, type RoleOptions, say, whyThere } from "./role.ts";

/** Accounts that the invitation of a new installation is good for. */
const START_INVITATION_USES = 20;
const INVITATION_DAYS = 7;
const DAY_MS = 86_400_000;

/** `fastchat gateway`: runs until it is told to stop. Throws ConfigError with a sentence for people. */
export async function runGateway(options: RoleOptions = {}): Promise<void> {
  const config = readConfig(options.data);
  const log = openLog({ level: config.logLevel, role: "gateway" });
  const ended = untilEnd();
  await using store = await openStore({ url: await findDatabaseUrl(config), place: config.bus, listens: false, log });
  const blobs = await openBlobStore(config.blobs);
  await blobs.check();
  const secrets = await readSecrets(config.secretFile, log);
  const wanted = options.port ?? defaultGatewayPort;
  await using gateway = await onFreePort(wanted, (port) =>
    startGateway({
      ...config,
      blobs,
      database: store.database,
      bus: store.bus,
      secrets,
      log,
      port,
    }),
  );
  const invitation = await startInvitation(store.database, gateway);
  if (invitation !== undefined) log.event("info", "invitation-made", {});
  announce({ kind: "ready", url: gateway.url, port: gateway.port, name: "gateway", invitation }, () => {
    say(`The gateway listens on ${gateway.url}${whyThere(gateway.port, wanted)}`);
    if (invitation === undefined) return;
    say(`The first ${START_INVITATION_USES} people sign up with this invitation, within ${INVITATION_DAYS} days: ${invitation}`);
  });
  await ended;
}

/** Where sign-up needs an invitation and nobody has one yet: for the people whom an installation begins with. */
async function startInvitation(database: Database, gateway: Gateway): Promise<string | undefined> {
  if (gateway.signUp !== "invitation") return undefined;
  const anybody = await database.query.selectFrom("account").select("account").limit(1).executeTakeFirst();
  if (anybody !== undefined) return undefined;
  const invitation = randomBytes(12).toString("base64url");
  await addInvitation(database, {
    hash: invitationHash(invitation),
    uses: START_INVITATION_USES,
    expires: Date.now() + INVITATION_DAYS * DAY_MS,
  });
  return invitation;
}
