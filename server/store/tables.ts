import type { Generated } from "kysely";

/** The tables as Kysely sees them; migrations/ says what they mean. */
export interface Tables {
  migration: { version: number; name: string };
  installation: { only_one: boolean; incarnation: number; receipt_key: Uint8Array };
  account: {
    account: Uint8Array;
    name: string;
    head_index: number;
    head_hash: Uint8Array;
    closed: Generated<boolean>;
    last_seen: Generated<number>;
    single_session: Generated<boolean>;
  };
  account_link: {
    account: Uint8Array;
    index: number;
    hash: Uint8Array;
    body: Uint8Array;
    signature: Uint8Array;
    cosignature: Uint8Array;
    time: number;
  };
  account_key: { account: Uint8Array; generation: number; public_key: Uint8Array };
  account_wrap: { account: Uint8Array; purpose: number; version: number; sealed: Uint8Array };
  sign_in_record: { account: Uint8Array; record: Uint8Array; setup: string };
  device: {
    device: Uint8Array;
    account: Uint8Array;
    signing_key: Uint8Array;
    sealing_key: Uint8Array;
    added: number;
    ended: number | null;
    replaced: Generated<number | null>;
  };
  device_seen: { device: Uint8Array; last_seen: number };
  device_copy: { account: Uint8Array; device: Uint8Array; generation: number; sealed: Uint8Array };
  vault: { account: Uint8Array; revision: number; entries: number };
  vault_entry: {
    account: Uint8Array;
    slot: Uint8Array;
    generation: number;
    version: number;
    sealed: Uint8Array;
    revision: number;
  };
  invitation: { hash: Uint8Array; uses: number; expires: number };
  conversation: {
    conversation: Uint8Array;
    kind: number;
    head: Generated<number>;
    head_time: Generated<number>;
    link_index: Generated<number>;
    link_hash: Generated<Uint8Array>;
    epoch: Generated<number>;
    oldest_good_epoch: Generated<number>;
    turn_due: Generated<boolean>;
    closed: Generated<boolean>;
    members: Generated<number>;
    members_add: Generated<boolean>;
    retention_seconds: Generated<number>;
    erased_to: Generated<number>;
    erase_at: Generated<number | null>;
  };
  member: {
    conversation: Uint8Array;
    account: Uint8Array;
    role: number;
    may_write: boolean;
    account_head: number;
    added_by: Generated<Uint8Array>;
  };
  former_member: { conversation: Uint8Array; account: Uint8Array; until: number; added_by: Uint8Array };
  join_request: { conversation: Uint8Array; account: Uint8Array; request: Uint8Array; invited: boolean; time: number };
  public_group: { name: string; conversation: Uint8Array };
  blob: {
    blob: Uint8Array;
    conversation: Uint8Array;
    account: Uint8Array;
    device: Uint8Array;
    client_message_id: Uint8Array;
    size: number;
    begun: number;
    whole: Generated<boolean>;
    look_at: number;
  };
  entry: {
    conversation: Uint8Array;
    sequence: number;
    time: number;
    account: Uint8Array;
    device: Uint8Array;
    client_message_id: Uint8Array | null;
    kind: number;
    body: Uint8Array;
  };
  conversation_link: { conversation: Uint8Array; index: number; hash: Uint8Array; sequence: number };
  sealed_key: { conversation: Uint8Array; account: Uint8Array; epoch: number; generation: number; sealed: Uint8Array };
  slot: {
    conversation: Uint8Array;
    account: Uint8Array;
    device: Uint8Array;
    epoch: number;
    counter: number;
    ciphertext: Uint8Array;
  };
  chat_server: {
    name: string;
    run: string;
    url: string;
    connections: number;
    bytes_per_second: number;
    hints: number;
    draining: boolean;
    beat: Date;
  };
  ticket: { hash: Uint8Array; device: Uint8Array; account: Uint8Array; server: string; expires: Date };
  presence: { account: Uint8Array; run: string };
  setting: { name: string; value: string };
  rate: { key: string; full_at: Date };
}
