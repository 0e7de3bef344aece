import { open, writeFile } from "node:fs/promises";
import { readPictureHeader } from "@fastchat/client/media";
import { limits } from "@fastchat/protocol";
import { ourCommand } from "../../config.ts";
import { Failure, exitCodes, usage } from "../../failure.ts";
import { placeObject } from "../shapes.ts";
import { printChange } from "./change.ts";
import { type GroupContext, groupCommand, infoOf } from "./group-command.ts";
import { hasMetadata, imageFormat } from "./image-format.ts";

export const picture = groupCommand({
  name: "picture",
  description: "Give a group a picture, or save the one that it has",
  example: '"Chess club" board.png',
  args: {
    file: { type: "positional", required: false, description: "PNG, JPEG, WebP or GIF" },
    save: { type: "string", valueHint: "FILE", description: "Write the picture that it has to a file" },
    none: { type: "boolean", description: "Take the picture away" },
  },
  async run(context, args) {
    const { client, group, title } = context;
    const { file, save } = args;
    const none = args.none === true;
    if ([file !== undefined, save !== undefined, none].filter(Boolean).length !== 1)
      throw usage(`Say one of a file, --save and --none: ${ourCommand} group picture "Chess club" board.png.`);
    if (save !== undefined) return savePicture(context, save);
    const bytes = file === undefined ? new Uint8Array() : await readPicture(file);
    await client.groups.setProfile(group.id, { picture: bytes });
    await printChange(context, "picture", none ? `${title} has no picture now.` : `${title} has a new picture.`);
  },
});

const kib = (bytes: number): string => `${Math.ceil(bytes / 1024).toLocaleString("en")} KiB`;

/** Throws Failure when there is none that a group can have. */
async function readPicture(file: string): Promise<Uint8Array> {
  const bytes = await readStart(file, limits.groupPictureBytes + 1);
  if (bytes.length > limits.groupPictureBytes)
    throw usage(`${file} is too large: a group's picture has at most ${kib(limits.groupPictureBytes)}; make it smaller.`);
  const format = imageFormat(bytes);
  if (format === undefined) throw usage(`${file} is no picture that FastChat knows: take a PNG, JPEG, WebP or GIF.`);
  const { groupPictureSide } = limits;
  const header = readPictureHeader(bytes);
  if (header === undefined) throw usage(`${file} is broken or not complete: get it again.`);
  if (Math.max(header.width, header.height) > groupPictureSide)
    throw usage(`${file} is too large: a group's picture has at most ${groupPictureSide} pixels on each side; make it smaller.`);
  if (hasMetadata(bytes, format))
    throw usage(`${file} carries more than the picture, perhaps the place where it was taken (EXIF, XMP): save it without that first.`);
  return bytes;
}

async function readStart(file: string, longest: number): Promise<Uint8Array> {
  try {
    await using handle = await open(file);
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(longest) });
    return new Uint8Array(buffer.subarray(0, bytesRead));
  } catch (error) {
    throw usage(`${file} cannot be read: ${whyNot(error)}.`);
  }
}

async function savePicture(context: GroupContext, file: string): Promise<void> {
  const { output, group, title } = context;
  const bytes = (await infoOf(context)).picture;
  if (bytes.length === 0) throw new Failure(exitCodes.refused, "no-picture", `${title} has no picture.`);
  try {
    await writeFile(file, bytes);
  } catch (error) {
    throw usage(`${file} cannot be written: ${whyNot(error)}.`);
  }
  const format = imageFormat(bytes) ?? null;
  await output.print(
    { type: "group-picture", ...placeObject(group), file, bytes: bytes.length, format },
    `Saved the picture of ${title}, ${format ?? "of an unknown format"}, ${kib(bytes.length)}, as ${file}.`,
  );
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  EACCES: "you may not",
  EISDIR: "it is a folder",
  ENOTDIR: "there is no such folder",
  ENOSPC: "the disk is full",
};

function whyNot(error: unknown): string {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") throw error;
  return WHY[error.code] ?? error.code;
}
