export type ImageFormat = "PNG" | "JPEG" | "WebP" | "GIF";

const startsWith = (bytes: Uint8Array, text: string, at = 0): boolean =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1", at, at + text.length) === text;

/** What a picture is by its first bytes, whatever its file is called; undefined: none that groups can have. */
export function imageFormat(bytes: Uint8Array): ImageFormat | undefined {
  if (startsWith(bytes, "\x89PNG\r\n\x1a\n")) return "PNG";
  if (startsWith(bytes, "\xff\xd8\xff")) return "JPEG";
  if (startsWith(bytes, "RIFF") && startsWith(bytes, "WEBP", 8)) return "WebP";
  if (startsWith(bytes, "GIF87a") || startsWith(bytes, "GIF89a")) return "GIF";
  return undefined;
}

/** Where cameras and programs put what they know about a picture, the place where it was taken among it: EXIF and XMP. */
const METADATA: Readonly<Record<ImageFormat, readonly string[]>> = {
  JPEG: ["Exif\0\0", "http://ns.adobe.com/xap/"],
  PNG: ["eXIf", "XML:com.adobe.xmp"],
  WebP: ["EXIF", "XMP "],
  GIF: ["XMP DataXMP"],
};

/** Whether a picture says more than it shows. */
export function hasMetadata(bytes: Uint8Array, format: ImageFormat): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  return METADATA[format].some((mark) => text.includes(mark));
}
