import { once } from "node:events";
import { limits } from "@fastchat/protocol";
import { signUp, type TestPerson, TestSocket } from "../../server/test-client.ts";
import { TcpProxy } from "../../testing/faults/tcp-proxy.ts";

// Many people with real keys and cheap passwords. `node crowd.ts GATEWAY BLOCK NAME...`: signs them up and says so; told "connect", it
// opens their sockets; told "count", it says what they received since it was told so before.

const [gatewayUrl, block, ...names] = process.argv.slice(2) as [string, string, ...string[]];
const gateway = new URL(gatewayUrl);
/** A gateway takes so many sign-ups at once from one address. */
const PER_ADDRESS = limits.signUpsBurstPerAddress - 20;
const AT_ONCE = 8;

export interface Received {
  readonly sockets: number;
  readonly bytes: number;
  readonly packets: number;
  /** When the last one came, milliseconds since 1970. */
  readonly last: number;
}

/** Several at a time. */
async function forEach<T>(all: readonly T[], work: (each: T) => Promise<void>): Promise<void> {
  const left = all.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const each of left) await work(each);
    }),
  );
}

const people: TestPerson[] = [];
await using proxies = new AsyncDisposableStack();
for (let from = 0; from < names.length; from += PER_ADDRESS) {
  // All of 127/8 is this machine: each such address has its own limits.
  const localAddress = `127.0.${block}.${1 + from / PER_ADDRESS}`;
  const target = { host: gateway.hostname, port: Number(gateway.port), localAddress };
  const proxy = proxies.use(await TcpProxy.start(target));
  await forEach(names.slice(from, from + PER_ADDRESS), async (name) => {
    people.push(await signUp(`http://127.0.0.1:${proxy.port}`, name));
  });
}
process.send!("signed up");

let received: { bytes: number; packets: number; last: number } = { bytes: 0, packets: 0, last: 0 };
const sockets: TestSocket[] = [];
let pinging: ReturnType<typeof setInterval> | undefined;
process.on("message", (told: "connect" | "count") => {
  void (async () => {
    if (told === "connect") {
      await forEach(people, async ({ devices }) => {
        const socket = await TestSocket.welcome(gatewayUrl, devices[0]!);
        // What comes is counted, not read.
        socket.socket.removeAllListeners("message");
        socket.socket.on("message", (packet: Buffer) => {
          received.bytes += packet.length;
          received.packets++;
          received.last = performance.timeOrigin + performance.now();
        });
        sockets.push(socket);
      });
      pinging ??= setInterval(() => {
        for (const socket of sockets) if (socket.closeCode === undefined) socket.say({ case: "ping", value: {} });
      }, limits.idleMs / 3);
    }
    const open = sockets.filter(({ closeCode }) => closeCode === undefined).length;
    process.send!({ sockets: open, ...received } satisfies Received);
    received = { bytes: 0, packets: 0, last: 0 };
  })();
});
await once(process, "disconnect");
clearInterval(pinging);
for (const { socket } of sockets) socket.terminate();
