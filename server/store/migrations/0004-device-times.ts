/** When each device was last connected, for its owner. Like presence, it need not survive a crash of the database. */
export const deviceTimes = `
CREATE UNLOGGED TABLE device_seen (
  device bytea PRIMARY KEY,
  last_seen bigint NOT NULL
);
`;
