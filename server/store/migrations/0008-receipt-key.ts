/** [H6] Known to this installation alone, and to who has a copy of its data: by it a server knows again what it took. */
export const receiptKey = `
ALTER TABLE installation ADD COLUMN receipt_key bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
`;
