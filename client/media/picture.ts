import { limits } from "@fastchat/protocol";
import { UNKNOWN_TYPE } from "./kinds.ts";

/**
 * [S6] A picture as it is sent: upright, in sRGB, of bounded size, and without anything that its maker did not see: no EXIF, no place, no
 * XMP, IPTC or comment, no colour profile, no thumbnail of what it was before it was cropped.
 */
export interface PreparedPicture {
  readonly mediaType: "image/jpeg" | "image/webp" | "image/png";
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
  readonly animated: boolean;
  /** JPEG or WebP, of the first frame, within `limits.thumbnailBytes` and `limits.thumbnailSide`. */
  readonly thumbnail: Uint8Array;
  /** A blur of the picture (https://evanw.github.io/thumbhash/), at most `limits.thumbhashBytes`. */
  readonly thumbhash: Uint8Array;
}

/** Why a file is not sent as a picture; it can be sent as a file. */
export type PictureFault =
  | { readonly kind: "not-a-picture"; readonly mediaType: string }
  /** A picture, but of a type that cannot be read here. */
  | { readonly kind: "unsupported-picture"; readonly mediaType: string }
  /** An animation, and nothing here could make it anew. */
  | { readonly kind: "animated-picture" }
  | { readonly kind: "picture-too-large"; readonly limit: keyof typeof units; readonly is: number; readonly atMost: number }
  /** It ends too early, or is broken otherwise. */
  | { readonly kind: "broken-picture" }
  | { readonly kind: "picture-too-slow" }
  /** This machine has no library for pictures. */
  | { readonly kind: "no-picture-library" };

/**
 * One plain sentence that says what to do.
 * @param asFile how to send something as a file, in the words of who shows it: `as a file with --file`
 */
export function pictureFaultSentence(fault: PictureFault, asFile = "as a file"): string {
  const instead = `: send it ${asFile}.`;
  switch (fault.kind) {
    case "not-a-picture":
      return `This is not a picture${nameOf(fault.mediaType)}${instead}`;
    case "unsupported-picture":
      return `Pictures of the type ${fault.mediaType} cannot be read here: turn it into a JPEG or PNG, or send it ${asFile}.`;
    case "animated-picture":
      return `This moving picture cannot be made anew here${instead}`;
    case "picture-too-large":
      return `This picture is too large, ${amount(fault.is, fault.limit)} of at most ${amount(fault.atMost, fault.limit)}${instead}`;
    case "broken-picture":
      return `This picture is broken or not complete, and others might not see it: get it again, or send it ${asFile}.`;
    case "picture-too-slow":
      return `This picture takes too long to read${instead}`;
    case "no-picture-library":
      return `Pictures cannot be read on this machine${instead}`;
    default:
      return fault satisfies never;
  }
}

const nameOf = (mediaType: string): string => (mediaType === UNKNOWN_TYPE ? "" : `, but ${mediaType}`);

/** What is counted, by how many at once. */
const units = { bytes: [1_000_000, "MB"], pixels: [1_000_000, "million pixels"], frames: [1, "frames"] } as const;

function amount(count: number, limit: keyof typeof units): string {
  const [one, name] = units[limit];
  return `${Math.ceil(count / one).toLocaleString("en")} ${name}`;
}

export const tooManyBytes = (is: number): PictureFault => ({
  kind: "picture-too-large",
  limit: "bytes",
  is,
  atMost: limits.pictureInputBytes,
});

export const tooManyPixels = (is: number, atMost: number): PictureFault => ({ kind: "picture-too-large", limit: "pixels", is, atMost });

export const tooManyFrames = (is: number): PictureFault => ({
  kind: "picture-too-large",
  limit: "frames",
  is,
  atMost: limits.pictureFrames,
});

/** Sizes and qualities of a thumbnail, from the best to the one that always fits. */
export const thumbnailTries: readonly (readonly [side: number, quality: number])[] = [
  [limits.thumbnailSide, 60],
  [limits.thumbnailSide, 40],
  [limits.thumbnailSide, 25],
  [128, 25],
  [96, 20],
  [64, 20],
  [32, 20],
];

/** Longest side of what a ThumbHash is made of. */
export const THUMBHASH_SIDE = 100;
/** Of JPEG and WebP; 100 is the best. */
export const PICTURE_QUALITY = 82;
