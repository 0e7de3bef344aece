/** Groups: who was a member, who asks to be one, who brought whom, public names, and retention. Each is written in the transaction of a link. */
export const groups = `
-- members: how many there are. members_add: any of them may add others, not admins alone.
ALTER TABLE conversation ADD COLUMN members integer NOT NULL DEFAULT 0, ADD COLUMN members_add boolean NOT NULL DEFAULT false;
UPDATE conversation SET members = (SELECT count(*) FROM member WHERE member.conversation = conversation.conversation);

-- added_by: author of the link that added it.
ALTER TABLE member ADD COLUMN added_by bytea NOT NULL DEFAULT '';
UPDATE member SET added_by = entry.account FROM entry WHERE entry.conversation = member.conversation AND entry.sequence = 1;

-- until: sequence number of the link that ended it, beyond which it reads nothing.
CREATE TABLE former_member (
  conversation bytea NOT NULL,
  account bytea NOT NULL,
  until bigint NOT NULL,
  added_by bytea NOT NULL,
  PRIMARY KEY (conversation, account)
);
CREATE INDEX former_member_account ON former_member (account);

-- request: JoinRequest. invited: it shows an invitation.
CREATE TABLE join_request (
  conversation bytea NOT NULL,
  account bytea NOT NULL,
  request bytea NOT NULL,
  invited boolean NOT NULL,
  time bigint NOT NULL,
  PRIMARY KEY (conversation, account)
);

CREATE TABLE public_group (
  name text PRIMARY KEY,
  conversation bytea NOT NULL UNIQUE
);

-- retention_seconds: 32 bits without a sign; 0: for ever. erased_to: no message up to this number has a body. erase_at: when the next message is
-- due, or earlier; NULL: never. No append changes what the index names, so that it costs them nothing.
ALTER TABLE conversation ADD COLUMN retention_seconds bigint NOT NULL DEFAULT 0,
  ADD COLUMN erased_to bigint NOT NULL DEFAULT 0, ADD COLUMN erase_at bigint;
CREATE INDEX conversation_erase_at ON conversation (erase_at) WHERE erase_at IS NOT NULL;
`;
