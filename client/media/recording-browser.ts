import type { PreparedPicture } from "./picture.ts";
import { previewsOf } from "./picture-browser.ts";
import { judgedDuration } from "./received.ts";

/** What a browser knows of a video or a sound without playing it; each part may be missing. */
export interface RecordingPreview {
  readonly durationMs: number | undefined;
  /** Of a video that this browser plays: a frame near its beginning. */
  readonly frame: (Pick<PreparedPicture, "thumbnail" | "thumbhash"> & { readonly width: number; readonly height: number }) | undefined;
}

const LOOKED_FOR_MS = 10_000;
/** The very first frame is often black. */
const FRAME_SECONDS = 1;
/** Some recorders write no duration; a seek far behind the end finds it. */
const BEHIND_ANY_END_SECONDS = 1e7;

/** Undefined: the browser at hand does not play it. */
export async function previewRecording(file: Blob): Promise<RecordingPreview | undefined> {
  const video = document.createElement("video");
  const within = AbortSignal.timeout(LOOKED_FOR_MS);
  const address = URL.createObjectURL(file);
  video.muted = true;
  video.preload = "auto";
  try {
    const opened = happened(video, "loadeddata", within);
    video.src = address;
    await opened;
    if (video.duration === Infinity) await seek(video, BEHIND_ANY_END_SECONDS, within);
    const durationMs = judgedDuration(1_000 * video.duration);
    const { videoWidth: width, videoHeight: height } = video;
    if (width === 0 || height === 0) return { durationMs, frame: undefined };
    await seek(video, durationMs === undefined ? 0 : Math.min(FRAME_SECONDS, durationMs / 2_000), within);
    return { durationMs, frame: { width, height, ...(await previewsOf({ source: video, width, height })) } };
  } catch {
    return undefined;
  } finally {
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(address);
  }
}

async function seek(video: HTMLVideoElement, seconds: number, within: AbortSignal): Promise<void> {
  const there = happened(video, "seeked", within);
  video.currentTime = seconds;
  await there;
}

function happened(video: HTMLVideoElement, event: "loadeddata" | "seeked", within: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const over = new AbortController();
  const { signal } = over;
  video.addEventListener(event, () => resolve(), { signal });
  video.addEventListener("error", () => reject(new Error("It cannot be played")), { signal });
  within.addEventListener("abort", () => reject(new Error("It took too long")), { signal });
  return promise.finally(() => over.abort());
}
