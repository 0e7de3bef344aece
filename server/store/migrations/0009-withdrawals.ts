/**
 * What their authors withdraw [S5]. Entries of kind 5 are messages that are given to nobody any more, and whose bodies wait to be erased.
 */
export const withdrawals = `
CREATE INDEX entry_withdrawn ON entry (conversation, sequence) WHERE kind = 5;

-- Blobs of a message are found without a look at the others of its conversation, which may be many, while that is locked.
CREATE INDEX blob_message ON blob (conversation, device, client_message_id);
DROP INDEX blob_conversation;

-- Appends a batch as append_messages does, and with each message that is stored takes those out of reach that it withdraws: messages of the same
-- account that stand in the log before it; what else it names is left as it is. Of the sequence numbers in \`withdrawn\` an item has those behind the end of
-- the item before it, up to its own. Files of what is withdrawn are looked at by the next clean-up.
CREATE FUNCTION append_messages_and_withdraw(
  item_count integer, conversations bytea, accounts bytea, devices bytea, client_message_ids bytea,
  epochs integer[], lengths integer[], bodies bytea, server_time bigint, withdrawn_ends integer[], withdrawn bigint[]
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
  appended record;
  wanted bigint[];
BEGIN
  FOR appended IN SELECT * FROM append_messages(
    item_count, conversations, accounts, devices, client_message_ids, epochs, lengths, bodies, server_time
  ) LOOP
    item := appended.item;
    verdict := appended.verdict;
    at_sequence := appended.at_sequence;
    at_time := appended.at_time;
    RETURN NEXT;
    wanted := withdrawn[COALESCE(withdrawn_ends[appended.item - 1], 0) + 1 : withdrawn_ends[appended.item]];
    IF appended.verdict <> 0 OR cardinality(wanted) = 0 THEN
      CONTINUE;
    END IF;
    WITH gone AS (
      UPDATE entry SET kind = 5
      WHERE entry.conversation = substring(conversations FROM appended.item * 32 - 31 FOR 32) AND entry.sequence = ANY (wanted)
        AND entry.sequence < appended.at_sequence
        AND entry.account = substring(accounts FROM appended.item * 32 - 31 FOR 32) AND entry.kind = 1
      RETURNING entry.conversation, entry.device, entry.client_message_id
    )
    UPDATE blob SET look_at = 0 FROM gone
    WHERE blob.conversation = gone.conversation AND blob.device = gone.device AND blob.client_message_id = gone.client_message_id;
  END LOOP;
END
$function$;
`;
