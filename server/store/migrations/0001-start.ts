/**
 * The first tables. Ids and hashes are bytea; times are milliseconds since 1970 (UTC) by the servers' clocks. Every hot statement
 * names one conversation, account or device, so that the tables can be split by those.
 */
export const start = `
CREATE TABLE installation (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  incarnation integer NOT NULL
);
INSERT INTO installation (incarnation) VALUES (1);

-- Accounts

CREATE TABLE account (
  account bytea PRIMARY KEY,
  name text NOT NULL UNIQUE,
  head_index integer NOT NULL,
  head_hash bytea NOT NULL,
  closed boolean NOT NULL DEFAULT false,
  last_seen bigint NOT NULL DEFAULT 0
);

CREATE TABLE account_link (
  account bytea NOT NULL,
  index integer NOT NULL,
  hash bytea NOT NULL,
  body bytea NOT NULL,
  signature bytea NOT NULL,
  cosignature bytea NOT NULL,
  PRIMARY KEY (account, index)
);

CREATE TABLE account_key (
  account bytea NOT NULL,
  generation integer NOT NULL,
  public_key bytea NOT NULL,
  PRIMARY KEY (account, generation)
);

CREATE TABLE account_wrap (
  account bytea NOT NULL,
  purpose smallint NOT NULL,
  version integer NOT NULL,
  sealed bytea NOT NULL,
  PRIMARY KEY (account, purpose, version)
);

CREATE TABLE sign_in_record (
  account bytea PRIMARY KEY,
  record bytea NOT NULL,
  setup text NOT NULL
);

-- ended: index of the link that revoked it or signed it out.
CREATE TABLE device (
  device bytea PRIMARY KEY,
  account bytea NOT NULL,
  signing_key bytea NOT NULL,
  sealing_key bytea NOT NULL,
  added integer NOT NULL,
  ended integer
);
CREATE INDEX device_account ON device (account);

CREATE TABLE device_copy (
  account bytea NOT NULL,
  device bytea NOT NULL,
  generation integer NOT NULL,
  sealed bytea NOT NULL,
  PRIMARY KEY (device, generation)
);

CREATE TABLE vault (
  account bytea PRIMARY KEY,
  revision integer NOT NULL,
  entries integer NOT NULL
);

CREATE TABLE vault_entry (
  account bytea NOT NULL,
  slot bytea NOT NULL,
  generation integer NOT NULL,
  version integer NOT NULL,
  sealed bytea NOT NULL,
  revision integer NOT NULL,
  PRIMARY KEY (account, slot)
);
CREATE INDEX vault_entry_revision ON vault_entry (account, revision);

CREATE TABLE invitation (
  hash bytea PRIMARY KEY,
  uses integer NOT NULL,
  expires bigint NOT NULL
);

-- Conversations. What stands beside head and head_time is what the newest link says, so that the statement that appends can judge.

CREATE TABLE conversation (
  conversation bytea PRIMARY KEY,
  kind smallint NOT NULL,
  head bigint NOT NULL DEFAULT 0,
  head_time bigint NOT NULL DEFAULT 0,
  link_index integer NOT NULL DEFAULT 0,
  link_hash bytea NOT NULL DEFAULT '',
  epoch integer NOT NULL DEFAULT 0,
  oldest_good_epoch integer NOT NULL DEFAULT 0,
  turn_due boolean NOT NULL DEFAULT false,
  closed boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

-- account_head: index of the account-chain head that the conversation has recorded for this member [C1].
CREATE TABLE member (
  conversation bytea NOT NULL,
  account bytea NOT NULL,
  role smallint NOT NULL,
  may_write boolean NOT NULL,
  account_head integer NOT NULL,
  PRIMARY KEY (conversation, account)
);
CREATE INDEX member_account ON member (account);

-- kind: 1 message (body: SealedMessage), 2 link (LinkEntry), 3 incarnation (Witness), 4 erased (Erased).
CREATE TABLE entry (
  conversation bytea NOT NULL,
  sequence bigint NOT NULL,
  time bigint NOT NULL,
  account bytea NOT NULL,
  device bytea NOT NULL,
  client_message_id bytea,
  kind smallint NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (conversation, sequence),
  UNIQUE (conversation, device, client_message_id)
);
ALTER TABLE entry ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE conversation_link (
  conversation bytea NOT NULL,
  index integer NOT NULL,
  hash bytea NOT NULL,
  sequence bigint NOT NULL,
  PRIMARY KEY (conversation, index)
);

CREATE TABLE sealed_key (
  conversation bytea NOT NULL,
  account bytea NOT NULL,
  epoch integer NOT NULL,
  generation integer NOT NULL,
  sealed bytea NOT NULL,
  PRIMARY KEY (conversation, account, epoch)
);

CREATE TABLE slot (
  conversation bytea NOT NULL,
  account bytea NOT NULL,
  device bytea NOT NULL,
  epoch integer NOT NULL,
  counter bigint NOT NULL,
  ciphertext bytea NOT NULL,
  PRIMARY KEY (conversation, account)
) WITH (fillfactor = 50);

-- What may be lost: servers register again, clients get new tickets.

-- run: random, new at each start of a server, so that the numbers of its hints are never compared with those of an earlier run.
CREATE UNLOGGED TABLE chat_server (
  name text PRIMARY KEY,
  run text NOT NULL,
  url text NOT NULL,
  connections integer NOT NULL,
  bytes_per_second bigint NOT NULL,
  hints bigint NOT NULL,
  draining boolean NOT NULL,
  beat timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE UNLOGGED TABLE ticket (
  hash bytea PRIMARY KEY,
  device bytea NOT NULL,
  account bytea NOT NULL,
  server text NOT NULL,
  expires timestamptz NOT NULL
);
CREATE INDEX ticket_device ON ticket (device);
CREATE INDEX ticket_expires ON ticket (expires);

CREATE UNLOGGED TABLE presence (
  account bytea NOT NULL,
  run text NOT NULL,
  PRIMARY KEY (account, run)
);
CREATE INDEX presence_run ON presence (run);

-- Appends a batch of messages in one call. Packed columns: conversations, accounts and devices 32 bytes an item, client message ids 16,
-- epochs and body lengths one array element, bodies one behind the other.
--
-- Phase 1 locks the conversations in the order of their ids, so that two batches cannot wait for each other in a circle. Phase 2 is a new
-- statement and so has a new snapshot (READ COMMITTED): it sees every entry and every change of the rows that were committed while phase 1
-- waited. From then until the commit nobody else appends to these conversations: head + n is gap-free, and the unique index cannot be hit.
-- Verdicts: 0 stored, 1 stored before (its first sequence number and time), 2 not found, 3 device ended, 4 device not recorded in the
-- conversation, 5 conversation closed, 6 may not write, 7 stale epoch (also: a turn is due), 8 held back behind a refused one.
CREATE FUNCTION append_messages(
  item_count integer, conversations bytea, accounts bytea, devices bytea, client_message_ids bytea,
  epochs integer[], lengths integer[], bodies bytea, server_time bigint
) RETURNS TABLE (item integer, verdict smallint, at_sequence bigint, at_time bigint)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
  wanted bytea[];
BEGIN
  SELECT array_agg(DISTINCT substring(conversations FROM i * 32 - 31 FOR 32)) INTO wanted FROM generate_series(1, item_count) AS i;
  PERFORM 1 FROM conversation WHERE conversation.conversation = ANY (wanted) ORDER BY conversation.conversation FOR NO KEY UPDATE;
  RETURN QUERY
  WITH offered AS MATERIALIZED (
    SELECT i,
      substring(conversations FROM i * 32 - 31 FOR 32) AS conversation,
      substring(accounts FROM i * 32 - 31 FOR 32) AS account,
      substring(devices FROM i * 32 - 31 FOR 32) AS device,
      substring(client_message_ids FROM i * 16 - 15 FOR 16) AS client_message_id,
      epochs[i] AS epoch,
      lengths[i] AS length,
      (sum(lengths[i]) OVER (ORDER BY i) - lengths[i])::integer AS offset_before
    FROM generate_series(1, item_count) AS i
  ), judged AS MATERIALIZED (
    SELECT o.*, e.sequence AS stored_sequence, e.time AS stored_time, c.head, c.head_time,
      CASE
        WHEN c.conversation IS NULL OR m.account IS NULL THEN 2
        WHEN e.sequence IS NOT NULL THEN 1
        WHEN d.device IS NULL OR d.account <> o.account OR d.ended IS NOT NULL THEN 3
        WHEN d.added > m.account_head THEN 4
        WHEN c.closed THEN 5
        WHEN NOT m.may_write THEN 6
        WHEN c.turn_due OR o.epoch < c.oldest_good_epoch OR o.epoch > c.epoch THEN 7
        ELSE 0
      END AS own_verdict
    FROM offered o
    LEFT JOIN conversation c ON c.conversation = o.conversation
    LEFT JOIN member m ON m.conversation = o.conversation AND m.account = o.account
    LEFT JOIN device d ON d.device = o.device
    LEFT JOIN entry e ON e.conversation = o.conversation AND e.device = o.device AND e.client_message_id = o.client_message_id
  ), ordered AS MATERIALIZED (
    SELECT j.*, CASE WHEN own_verdict = 0 AND COALESCE(bool_or(own_verdict > 1) OVER (
      PARTITION BY conversation, device ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), false)
      THEN 8 ELSE own_verdict END AS final_verdict
    FROM judged j
  ), numbered AS MATERIALIZED (
    SELECT o.*,
      CASE WHEN final_verdict = 0
        THEN head + count(*) FILTER (WHERE final_verdict = 0) OVER (PARTITION BY conversation ORDER BY i)
        ELSE stored_sequence END AS new_sequence,
      CASE WHEN final_verdict = 0 THEN GREATEST(head_time, server_time) ELSE stored_time END AS new_time
    FROM ordered o
  ), stored AS (
    INSERT INTO entry (conversation, sequence, time, account, device, client_message_id, kind, body)
    SELECT conversation, new_sequence, new_time, account, device, client_message_id, 1,
      substring(bodies FROM offset_before + 1 FOR length)
    FROM numbered WHERE final_verdict = 0
  ), moved AS (
    UPDATE conversation c SET head = x.head, head_time = x.head_time
    FROM (
      SELECT conversation, max(new_sequence) AS head, max(new_time) AS head_time
      FROM numbered WHERE final_verdict = 0 GROUP BY conversation
    ) x
    WHERE c.conversation = x.conversation
  )
  SELECT i, final_verdict::smallint, new_sequence, new_time FROM numbered;
END
$function$;
`;
