/** RegistrationRecord (RFC 9807, 5.1): client public key 32, masking key 64, envelope nonce 32 and tag 64 bytes. */
const REGISTRATION_RECORD_BYTES = 192;

/** Whether this can be what a password is checked against. */
export const isSignInRecord = (record: Uint8Array): boolean => record.length === REGISTRATION_RECORD_BYTES;
