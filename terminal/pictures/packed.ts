import { deflateSync } from "node:zlib";

/** Below this compression gains nothing. */
const WORTH_IT = 1_024;

/** In zlib's format, RFC 1950. */
export const packed = (bytes: Uint8Array): Buffer => deflateSync(bytes, { level: bytes.length < WORTH_IT ? 0 : 6 });
