import { join } from "node:path";
import { expect, test } from "vitest";
import { TemporaryFolder } from "@fastchat/testing";
import { ErrorCode } from "@fastchat/protocol";
import { ClientFiles, type ClientFilesParts } from "./client-files.ts";
import { fileSink } from "./files-node.ts";

test("[S6] a file that cannot be looked up, or is none, leaves its place to the next attempt", async () => {
  using folder = new TemporaryFolder();
  const path = join(folder.path, "photo.jpg");
  const place = { sequence: 1, place: 0 } as never;
  let fileAt: ClientFilesParts["fileAt"] = () => Promise.reject(new Error("the storage is closed"));
  const files = new ClientFiles({ fileAt: (given) => fileAt(given) } as ClientFilesParts);
  await expect(files.fetch(place, await fileSink(path))).rejects.toThrow("the storage is closed");
  fileAt = async () => undefined;
  await expect(files.fetch(place, await fileSink(path))).rejects.toMatchObject({ code: ErrorCode.NOT_FOUND });
  await (await fileSink(path)).close(false);
});
