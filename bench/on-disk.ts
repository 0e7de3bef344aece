import { tmpdir } from "node:os";

// Tests lie in memory where there is room (testing/temporary-folder.ts), where nothing is flushed: what is measured here lies where temporary files do.
process.env["TMPDIR"] ??= tmpdir();

export { startSystem } from "@fastchat/testing";
