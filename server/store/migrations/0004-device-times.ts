/** When each device was last connected, for its owner. Milliseconds since 1970; 0: not since this is written down. */
export const deviceTimes = `
ALTER TABLE device ADD COLUMN last_seen bigint NOT NULL DEFAULT 0;
`;
