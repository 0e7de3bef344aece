/**
 * An account may want to be signed in on one device at a time [H8]. `replaced`: index of the `add_device` since which a device is let in no more,
 * whatever the chain says of it.
 */
export const sessions = `
ALTER TABLE account ADD COLUMN single_session boolean NOT NULL DEFAULT false;
ALTER TABLE device ADD COLUMN replaced bigint;
`;
