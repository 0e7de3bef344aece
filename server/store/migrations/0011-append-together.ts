/**
 * Messages of which every one is as it should be, as nearly all are: appended by two plain statements, at half the cost of `append_messages`.
 */
export const appendTogether = `
-- Appends all or, with SQLSTATE FC001 (or 23505, where one stands in the log already), none: then append_messages judges each.
--
-- conversations: each once, ascending. counts, lowest_epochs, highest_epochs: of the messages for each. Then for each message: places, the number of
-- its conversation; ordinals, its own number among those of its conversation, both from 1; accounts and devices 32 bytes, client message ids 16;
-- offsets and lengths of its body in bodies, from 1. Gives the head that each conversation had before, and the time of its messages.
--
-- Phase 1 locks the conversations in the order of their ids and judges what stands in their rows, as they are once nobody else holds them. Phase 2 is
-- a new statement and so has a new snapshot (READ COMMITTED): it sees every member and device as of then. Until the commit nobody else appends to these
-- conversations: head + n is gap-free. Both walk indexes from the batch's own items on, in their order: \`= ANY\` by the settings of the connections that
-- append (database.ts), the joins by OFFSET 0, which keeps them as they stand.
CREATE FUNCTION append_together(
  conversations bytea[], counts integer[], lowest_epochs integer[], highest_epochs integer[],
  places integer[], ordinals integer[], accounts bytea, devices bytea, client_message_ids bytea,
  offsets integer[], lengths integer[], bodies bytea, server_time bigint, OUT befores bigint[], OUT times bigint[]
)
LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
DECLARE
  stored integer;
BEGIN
  WITH moved AS (
    UPDATE conversation SET head = head + counts[array_position(conversations, conversation)], head_time = GREATEST(head_time, server_time)
    WHERE conversation = ANY (conversations) AND NOT closed AND NOT turn_due
      AND lowest_epochs[array_position(conversations, conversation)] >= oldest_good_epoch
      AND highest_epochs[array_position(conversations, conversation)] <= epoch
    RETURNING array_position(conversations, conversation) AS place, head, head_time
  )
  SELECT array_agg(head - counts[place] ORDER BY place), array_agg(head_time ORDER BY place) INTO befores, times FROM moved;
  IF cardinality(befores) IS DISTINCT FROM cardinality(counts) THEN
    RAISE EXCEPTION USING ERRCODE = 'FC001', MESSAGE = 'a conversation takes no message like these';
  END IF;
  INSERT INTO entry (conversation, sequence, time, account, device, client_message_id, kind, body)
  SELECT o.conversation, befores[places[i]] + ordinals[i], times[places[i]], o.account, o.device,
    substring(client_message_ids FROM i * 16 - 15 FOR 16), 1, substring(bodies FROM offsets[i] FOR lengths[i])
  FROM (
    SELECT i, conversations[places[i]] AS conversation, substring(accounts FROM i * 32 - 31 FOR 32) AS account,
      substring(devices FROM i * 32 - 31 FOR 32) AS device
    FROM generate_series(1, cardinality(places)) AS i
  ) o
  CROSS JOIN LATERAL (
    SELECT account_head FROM member m WHERE m.conversation = o.conversation AND m.account = o.account AND m.may_write OFFSET 0
  ) m
  CROSS JOIN LATERAL (
    SELECT 1 FROM device d WHERE d.device = o.device AND d.account = o.account AND d.ended IS NULL AND d.added <= m.account_head OFFSET 0
  ) d;
  GET DIAGNOSTICS stored = ROW_COUNT;
  IF stored <> cardinality(places) THEN
    RAISE EXCEPTION USING ERRCODE = 'FC001', MESSAGE = 'somebody may not write there';
  END IF;
END
$function$;
`;
