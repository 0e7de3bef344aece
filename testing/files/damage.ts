import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sealedFileSize } from "@fastchat/protocol/seal";
import type { System } from "../system.ts";

/** Turns a bit of what the server stores of a file of so many bytes, in its first piece. */
export async function damageStored(system: System, bytes: number, at: number): Promise<void> {
  const rows = await system.query("SELECT encode(blob, 'hex') AS id FROM blob WHERE size = $1", [sealedFileSize(bytes)]);
  for (const { id } of rows) {
    const name = String(id);
    const piece = join(system.folder, "data", "blobs", name.slice(0, 2), name, "00000");
    const content = readFileSync(piece);
    content[at]! ^= 1;
    writeFileSync(piece, content);
  }
}
