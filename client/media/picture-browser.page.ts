import { preparePicture } from "./picture-browser.ts";
import { previewRecording } from "./recording-browser.ts";

const base64 = (bytes: Uint8Array): string => bytes.toBase64();

// Runs in a page; picture-browser.test.ts calls these from outside.
Object.assign(globalThis, {
  async prepareHere(file: string): Promise<unknown> {
    const result = await preparePicture(new Blob([Uint8Array.fromBase64(file)]));
    if (result.kind !== "prepared") return result;
    const { thumbnail, thumbhash, ...picture } = result.picture;
    const data = new Uint8Array(await result.blob.arrayBuffer());
    return { picture, data: base64(data), thumbnail: base64(thumbnail), thumbhash: base64(thumbhash) };
  },
  /** Records a second of a moving square, as a camera would. */
  async recordHere(): Promise<string> {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [160, 90];
    const context = canvas.getContext("2d")!;
    let x = 0;
    const drawing = setInterval(() => {
      context.fillStyle = "#060";
      context.fillRect(0, 0, 160, 90);
      context.fillStyle = "#f00";
      context.fillRect((x += 4), 20, 30, 30);
    }, 40);
    const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: "video/webm" });
    const pieces: Blob[] = [];
    recorder.addEventListener("dataavailable", ({ data }) => pieces.push(data));
    const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve));
    recorder.start();
    setTimeout(() => recorder.stop(), 1_000);
    await stopped;
    clearInterval(drawing);
    return base64(new Uint8Array(await new Blob(pieces).arrayBuffer()));
  },
  async previewHere(file: string): Promise<unknown> {
    const preview = await previewRecording(new Blob([Uint8Array.fromBase64(file)]));
    if (preview?.frame === undefined) return preview;
    const { thumbnail, thumbhash, ...frame } = preview.frame;
    return { ...preview, frame, thumbnail: base64(thumbnail), thumbhash: base64(thumbhash) };
  },
});
