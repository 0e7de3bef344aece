import { Uint8ArrayReader, ZipReader } from "@zip.js/zip.js/lib/zip-core-native.js";
import { Decrypter } from "age-encryption";

/** The files of a ZIP archive by name; each is held against its checksum. */
export async function filesInArchive(archive: Uint8Array): Promise<Map<string, string>> {
  const decoder = new TextDecoder();
  return new Map([...(await bytesInArchive(archive))].map(([name, bytes]) => [name, decoder.decode(bytes)]));
}

/** The same as bytes. */
export async function bytesInArchive(archive: Uint8Array): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const entry of await new ZipReader(new Uint8ArrayReader(archive)).getEntries()) {
    if (entry.directory) continue;
    files.set(entry.filename, new Uint8Array(await entry.arrayBuffer({ checkSignature: true })));
  }
  return files;
}

/** What a file in the age format holds. Throws where the secret is another one. */
export function decryptedByAge(
  file: Uint8Array,
  secret: { readonly passphrase: string } | { readonly identity: string },
): Promise<Uint8Array> {
  const decrypter = new Decrypter();
  if ("passphrase" in secret) decrypter.addPassphrase(secret.passphrase);
  else decrypter.addIdentity(secret.identity);
  return decrypter.decrypt(file);
}
