import { join } from "node:path";

// Programs of the load tester that run in processes of their own: files here, or of the bundle that this file is part of
// (scripts/bundle-terminal.js gives them these names).

const isBundled = import.meta.filename.endsWith(".js");
const program = (source: string, bundled: string): string => join(import.meta.dirname, isBundled ? bundled : source);

export const crowdProgram = program("crowd.ts", "bench-crowd.js");
export const encryptedCrowdProgram = program("encrypted-crowd.ts", "bench-encrypted-crowd.js");
export const baselineProgram = program("../baseline/server.ts", "bench-baseline.js");
