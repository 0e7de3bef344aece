import sharp, { type Sharp } from "sharp";
import { expect, test } from "vitest";
import { barePicture } from "./bare-picture.ts";
import { animation, noise, photo, tracesIn, transparentPng } from "../../testing/pictures.ts";

test("[S6] what an encoder wrote beside the pixels is taken away, and the pixels stay", async () => {
  const transparent = await transparentPng(40, 30);
  const talkative = (picture: Sharp): Sharp =>
    picture
      .withIccProfile("p3")
      .withExif({ IFD0: { Make: "Kamera" } })
      .withXmp("<xmp/>");
  const pictures = {
    jpeg: await photo(40, 30),
    webp: await talkative(noise(40, 30)).webp().toBuffer(),
    "webp to see through": await talkative(sharp(transparent)).webp().toBuffer(),
    moving: await talkative(sharp(await animation(40, 30, 2, "webp"), { animated: true }))
      .webp()
      .toBuffer(),
    png: await talkative(noise(40, 30)).png().toBuffer(),
    palette: await talkative(sharp(transparent)).png({ palette: true }).toBuffer(),
  };
  const pixelsOf = (bytes: Uint8Array): Promise<Buffer> => sharp(bytes, { ignoreIcc: true, animated: true }).raw().toBuffer();
  for (const [name, picture] of Object.entries(pictures)) {
    expect([name, ...tracesIn(picture)]).not.toEqual([name]);
    const bare = barePicture(picture);
    // What follows a JPEG's end is no encoder's.
    expect([name, ...tracesIn(name === "jpeg" ? bare.subarray(0, bare.lastIndexOf(0xd9)) : bare)]).toEqual([name]);
    expect([name, (await pixelsOf(bare)).equals(await pixelsOf(picture))]).toEqual([name, true]);
    expect(barePicture(picture.subarray(0, 30)).length).toBeLessThanOrEqual(30);
  }
  expect(barePicture(Buffer.from("text"))).toEqual(Buffer.from("text"));
});
