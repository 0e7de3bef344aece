/**
 * Encrypted files, under the SHA-256 of their bytes, which lie in the blob store [S6]. A blob is of one conversation and one message: the entry
 * of that device and client message id, once it is there, keeps it. `look_at`: when it is looked at next whether one does; `begun`, `look_at` in
 * milliseconds since 1970.
 */
export const blobs = `
CREATE TABLE blob (
  blob bytea PRIMARY KEY,
  conversation bytea NOT NULL,
  account bytea NOT NULL,
  device bytea NOT NULL,
  client_message_id bytea NOT NULL,
  size bigint NOT NULL,
  begun bigint NOT NULL,
  whole boolean NOT NULL DEFAULT false,
  look_at bigint NOT NULL
);
CREATE INDEX blob_conversation ON blob (conversation);
CREATE INDEX blob_account ON blob (account);
CREATE INDEX blob_look_at ON blob (look_at);
CREATE INDEX blob_begun ON blob (begun);
`;
