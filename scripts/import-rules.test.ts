import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { findImportFaults } from "./import-rules.ts";

function faultsIn(files: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), "import-rules-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return findImportFaults(root).map((fault) => `${fault.file}:${fault.line} ${fault.specifier}`);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("imports that go down the order are fine", () => {
  expect(
    faultsIn({
      "protocol/seal/keys.ts": `import { x } from "../limits.ts";\nimport { sha256 } from "@noble/hashes/sha2.js";\n`,
      "client/inbox.ts": `import { x } from "@fastchat/protocol/chain";\n`,
      "server/chat/frames.ts": `export { x } from "@fastchat/protocol";\n`,
      "terminal/up.ts": `const server = await import("@fastchat/server");\n`,
      "terminal/send.ts": `import { open } from "@fastchat/client/node";\n`,
      "client/inbox.test.ts": `import { alice } from "@fastchat/testing";\n`,
      "testing/cluster.ts": `import { up } from "@fastchat/server";\n`,
      "terminal/bench.ts": `const load = await import("../bench/load/index.ts");\n`,
      "bench/load/system.ts": `import { read } from "../../server/up/state-file.ts";\nimport { Baseline } from "../baseline/baseline.ts";\n`,
      "bench/speed.ts": `import { startSystem } from "@fastchat/testing";\nimport { Crowds } from "./load/crowds.ts";\n`,
    }),
  ).toEqual([]);
});

test.each([
  ["protocol/wire.ts", `\nimport type { X } from "@fastchat/client";\n`, "protocol/wire.ts:2 @fastchat/client"],
  ["protocol/wire.ts", `import "../server/limits.ts";\n`, "protocol/wire.ts:1 ../server/limits.ts"],
  ["client/inbox.ts", `import { store } from "@fastchat/server/store";\n`, "client/inbox.ts:1 @fastchat/server/store"],
  ["server/bus/bus.ts", `const x = await import("../../client/index.ts");\n`, "server/bus/bus.ts:1 ../../client/index.ts"],
  ["server/bus/bus.ts", `export {\n  alice,\n} from "@fastchat/testing";\n`, "server/bus/bus.ts:3 @fastchat/testing"],
  ["bench/load/run.ts", `import { startSystem } from "@fastchat/testing";\n`, "bench/load/run.ts:1 @fastchat/testing"],
  ["bench/baseline/server.ts", `import { cpuOf } from "../measure.ts";\n`, "bench/baseline/server.ts:1 ../measure.ts"],
])("an import that goes up is a fault: %s %s", (file, text, fault) => {
  expect(faultsIn({ [file]: text })).toEqual([fault]);
});

test("a second file of the terminal that imports the server is a fault", () => {
  const text = `import { up } from "@fastchat/server";\n`;
  expect(faultsIn({ "terminal/a.ts": text, "terminal/b.ts": text })).toEqual(["terminal/b.ts:1 @fastchat/server"]);
});
