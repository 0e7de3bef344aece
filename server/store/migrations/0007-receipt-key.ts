/**
 * [H6] Known to this installation alone, and to who has a copy of its data: by it a server knows again what it took. 32 bytes, of which two random
 * UUIDs fill 244 bits: PostgreSQL has no other source of them without an extension.
 */
export const receiptKey = `
ALTER TABLE installation ADD COLUMN receipt_key bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
`;
