import { join } from "node:path";
import { expect, test } from "vitest";
import { TemporaryFolder } from "@fastchat/testing";
import { type ConversationId, ErrorCode, limits } from "@fastchat/protocol";
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

test("[H5] [S6] files that would fill a QuickChat session's memory are refused before one is read", async () => {
  const files = new ClientFiles({
    mostBytes: limits.quickFilesBytes,
    check: () => Promise.reject(new Error("there would be room")),
  } as Partial<ClientFilesParts> as ClientFilesParts);
  const stream = (): never => {
    throw new Error("it was read");
  };
  const source = (size: number) => ({ source: { name: "large", size, stream } });
  const half = limits.quickFilesBytes / 2;
  const conversation = "ab".repeat(32) as ConversationId;
  const refusal = files.send(conversation, [source(half), source(half + 1)]);
  await expect(refusal).rejects.toMatchObject({ code: ErrorCode.FILE_TOO_LARGE });
  await expect(refusal).rejects.toThrow(/QuickChat holds what it sends in memory, up to 512 MiB .* at once/u);
  await expect(files.send(conversation, [source(half), source(half)])).rejects.toThrow("there would be room");
});
