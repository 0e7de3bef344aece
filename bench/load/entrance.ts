import { Agent, type IncomingMessage, request as plainRequest, type RequestOptions } from "node:http";
import { request as tlsRequest } from "node:https";
import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { deviceId } from "@fastchat/protocol";
import { signTicketRequest } from "@fastchat/protocol/seal";
import { ErrorSchema } from "@fastchat/protocol/wire/error";
import { ChallengeRequestSchema, ChallengeSchema, TicketRequestSchema, TicketSchema } from "@fastchat/protocol/wire/gateway";

/**
 * A gateway counts what an address asks of it (`limits.requestsPerMinutePerAddress`). All of 127/8 is this machine: so many of a crowd on a gateway's own
 * machine come from one such address.
 */
const TICKETS_PER_ADDRESS = 500;

/** Tickets from a gateway, as clients get them. */
export class Entrance {
  readonly #gateway: URL;
  readonly #isNear: boolean;
  #agent = new Agent({ keepAlive: true });
  #localAddress: string | undefined;
  #tickets = 0;

  constructor(gateway: string) {
    this.#gateway = new URL(gateway);
    this.#isNear = process.platform === "linux" && /^(127\.|localhost$)/.test(this.#gateway.hostname);
  }

  /** Throws where the gateway gives none. */
  async ticket(device: Uint8Array, signingSeed: Uint8Array): Promise<{ readonly url: string; readonly ticket: Uint8Array }> {
    if (this.#isNear && this.#tickets++ % TICKETS_PER_ADDRESS === 0) this.#comeFromElsewhere();
    const { challenge } = await this.#post("/v1/challenge", ChallengeRequestSchema, ChallengeSchema, { device });
    const signature = await signTicketRequest(signingSeed, deviceId(device), challenge);
    return this.#post("/v1/ticket", TicketRequestSchema, TicketSchema, { device, challenge, signature });
  }

  #comeFromElsewhere(): void {
    const any = () => 1 + Math.floor(Math.random() * 250);
    this.#localAddress = `127.${any()}.${any()}.${any()}`;
    this.#agent = new Agent({ keepAlive: true });
  }

  async #post<In extends DescMessage, Out extends DescMessage>(
    path: string,
    takes: In,
    gives: Out,
    body: MessageInitShape<In>,
  ): Promise<MessageShape<Out>> {
    const { status, content } = await this.#exchange(path, toBinary(takes, create(takes, body)));
    if (status === 200) return fromBinary(gives, content);
    const { code, detail } = fromBinary(ErrorSchema, content);
    throw new Error(`the gateway refuses with ${code} ${detail}`.trimEnd());
  }

  #exchange(path: string, body: Uint8Array): Promise<{ readonly status: number; readonly content: Uint8Array }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ readonly status: number; readonly content: Uint8Array }>();
    const headers = { "content-type": "application/x-protobuf", "content-length": body.length };
    const local = this.#localAddress === undefined ? {} : { localAddress: this.#localAddress };
    const options: RequestOptions = { method: "POST", headers, ...local };
    const url = new URL(path, this.#gateway);
    const hear = (response: IncomingMessage): void => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, content: Buffer.concat(parts) }));
      response.on("error", reject);
    };
    const asked = url.protocol === "https:" ? tlsRequest(url, options, hear) : plainRequest(url, { ...options, agent: this.#agent }, hear);
    asked.on("error", reject).end(body);
    return promise;
  }
}
