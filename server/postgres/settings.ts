/**
 * Settings of the embedded PostgreSQL, given on its command line so that they hold whatever its files say. Sized for a small
 * machine; what is not named here keeps PostgreSQL's default or what the operator writes into cluster/postgresql.conf.
 */
export function settingsFor(port: number, accessFile: string): string[] {
  const settings: Readonly<Record<string, string>> = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    hba_file: accessFile,
    password_encryption: "scram-sha-256",
    max_connections: "100",
    shared_buffers: "128MB",
    // An acknowledged message is on the disk.
    fsync: "on",
    synchronous_commit: "on",
    full_page_writes: "on",
    wal_level: "replica",
    max_wal_size: "1GB",
    // A killed backend restarts the others, not the service.
    restart_after_crash: "on",
    // Every hot statement is short and touches few rows.
    jit: "off",
    max_parallel_workers_per_gather: "0",
    // Lines go to us. They hold no statement, parameter or key: those could name people.
    log_destination: "stderr",
    logging_collector: "off",
    log_line_prefix: "",
    log_min_error_statement: "panic",
    log_error_verbosity: "terse",
    log_statement: "none",
    log_checkpoints: "off",
    log_min_duration_statement: "-1",
    lc_messages: "C",
    log_timezone: "UTC",
    timezone: "UTC",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}
