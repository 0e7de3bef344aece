/**
 * What holds for all processes of an installation. `setting`: what whoever runs it chose while it ran; "strategy": how gateways choose chat servers.
 * `rate`: what nobody may do more often by doing it at several servers, guesses at a password among it; a bucket by its key, and when it will be full again:
 * until then each that is taken puts that off by the time that one takes to come. It may be lost.
 */
export const severalServers = `
CREATE TABLE setting (
  name text PRIMARY KEY,
  value text NOT NULL
);

CREATE UNLOGGED TABLE rate (
  key text PRIMARY KEY,
  full_at timestamptz NOT NULL
) WITH (fillfactor = 50);
`;
