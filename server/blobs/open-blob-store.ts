import type { BlobPlace, BlobStore } from "./blob-store.ts";
import { FolderBlobStore } from "./blob-store-folder.ts";

/** Touches nothing there yet: `check` does. */
export async function openBlobStore(place: BlobPlace): Promise<BlobStore> {
  switch (place.kind) {
    case "folder":
      return new FolderBlobStore(place.path);
    case "bucket": {
      // Most installations have no bucket, and need not load what talks to one.
      const { BucketBlobStore } = await import("./blob-store-bucket.ts");
      return new BucketBlobStore(place);
    }
    default:
      return place satisfies never;
  }
}
