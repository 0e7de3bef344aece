/**
 * How many guesses at a password are left, for all gateways together. May be lost: then the count begins anew.
 *
 * who: from where, as the gateways alone can tell; empty: from anywhere. full_at: when as many are left again as there can be; until then each attempt
 * puts it off by the time that one takes to come back.
 */
export const signInAttempts = `
CREATE UNLOGGED TABLE sign_in_attempt (
  name text NOT NULL,
  who bytea NOT NULL,
  full_at timestamptz NOT NULL,
  PRIMARY KEY (name, who)
) WITH (fillfactor = 50);
`;
