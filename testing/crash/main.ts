/**
 * The crash test as a command: `node testing/crash/main.ts [OPTIONS]`, where OPTIONS is a JSON object of CrashOptions over the small
 * size, or that which SIZE names; "cluster" is three chat servers, each in a network of its own, two gateways and a NATS, and everything that can happen to them.
 * Prints what happens to standard error, one JSON object of faults and counts to standard output, and ends with 1 when there are faults.
 */
import { countFaults } from "./checker.ts";
import { OwnNetwork } from "../faults/own-network.ts";
import { type CrashOptions, everyClusterFault, runCrashTest } from "./run.ts";
import { sizes } from "./sizes.ts";

// Told to stop: servers and PostgreSQL notice that this process is gone, and its folder goes with it.
process.once("SIGTERM", () => process.exit(143));

const seed = Math.floor(Math.random() * 2 ** 31);
const given = JSON.parse(process.argv[2] ?? "{}") as Partial<CrashOptions>;
const { SIZE } = process.env;
const size = SIZE === "cluster" || SIZE === "large" ? sizes[SIZE] : sizes.small;
const isCluster = SIZE === "cluster";
const ownNetworks = isCluster && OwnNetwork.isPossible();
if (isCluster && !ownNetworks)
  console.error("No network namespaces here (they take root, and ip): proxies pass nothing on in their place.");
const cluster = { bus: "nats", servers: 3, gateways: 2, faults: everyClusterFault, ownNetworks } as const;
const options = { seed, ...size, ...(isCluster && cluster), ...given };
const result = await runCrashTest({ ...options, log: (line) => console.error(line) });
console.log(JSON.stringify({ ...result, kinds: countFaults(result.faults), faults: result.faults.slice(0, 20) }));
process.exitCode = result.faults.length > 0 ? 1 : 0;
