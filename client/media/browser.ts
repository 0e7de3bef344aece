export { preparePicture, type PreparedResult } from "./picture-browser.ts";
export { previewRecording, type RecordingPreview } from "./recording-browser.ts";
