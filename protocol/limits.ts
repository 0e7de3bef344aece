/**
 * Every limit of the protocol, in one place. Units stand in the names: bytes, milliseconds, counts.
 * A server may be configured lower, never higher, where a client relies on it.
 */
export const limits = {
  /** Versions of the protocol that this code speaks, ascending. */
  protocolVersions: [1],
  /** Cryptographic suites that this code knows, ascending; 1: X-Wing, HKDF-SHA-256, XChaCha20-Poly1305, Ed25519. */
  suites: [1],
  /** Highest version of an account or conversation chain that this code understands. */
  chainVersion: 1,

  // People
  nameMinimumLength: 2,
  nameMaximumLength: 32,
  /** Estimated guesses, as bits, below which a password is refused. */
  passwordMinimumBits: 60,
  passwordMaximumBytes: 1_024,
  contactNoteBytes: 4_096,
  /** A wrapped key of an account. */
  wrapBytes: 1_024,

  // Messages
  /** UTF-8 bytes of one text. */
  messageTextBytes: 65_536,
  /** Ciphertext of a message, slot or signal. */
  ciphertextBytes: 98_304,
  smallCiphertextBytes: 4_096,
  blobsPerMessage: 32,
  /** Every piece of an upload but its last, which may be smaller. An S3 store takes parts of 5 MiB or more, and 10,000 of them. */
  blobPieceBytes: 8_388_608,
  blobPieces: 10_000,
  mentionsPerMessage: 64,
  withdrawsPerMessage: 32,
  draftBytes: 65_536,
  /** Seconds, a year: the longest lifetime that a message can carry; a longer one counts as this [H4]. */
  messageLifetimeSeconds: 31_536_000,

  // Files
  /** Of one file, before it is sealed; a server may be configured lower. */
  fileBytes: 4_294_967_296,
  filesPerMessage: 10,
  /** Of all files of one message that a QuickChat session sends: it holds them in memory. */
  quickFilesBytes: 536_870_912,
  largestBlobPieceBytes: 16_777_216,
  /** For one piece, on a slow network. */
  blobPieceMs: 300_000,
  /** For fetching one, as long as something comes. */
  wholeBlobMs: 86_400_000,
  blobPassMs: 600_000,
  /** Which no message names: an upload that was given up. */
  unnamedBlobMs: 604_800_000,
  /** How often a gateway looks for files that no message names. */
  blobSweepMs: 3_600_000,
  blobRequestsPerMinutePerDevice: 6_000,
  blobBeginsPerMinutePerDevice: 120,
  /** Pieces that come and blobs that go at one gateway at once: each takes up to 1 MiB of its memory, and a piece its place on the disk. */
  blobTransfersPerAccount: 16,
  /** Of a picture that is made anew before it is sent; a larger one can be sent as a file. */
  pictureInputBytes: 134_217_728,
  picturePixels: 100_000_000,
  /** The same of one that has to be decoded as a whole (progressive, interlaced, AVIF, TIFF), and of all frames of an animation together. */
  wholePicturePixels: 25_000_000,
  /** Of an animation: a minute and a half of it at 50 a second. */
  pictureFrames: 5_000,
  /** Longest side, in pixels, of a picture as it is sent. */
  pictureSide: 4_096,
  /** The same of one with transparency, and of an animation. */
  transparentPictureSide: 2_048,
  /** Making one anew. */
  pictureMs: 30_000,
  /** One that is fetched to be shown, and held in memory for that. */
  shownPictureBytes: 33_554_432,
  /** A thumbnail: JPEG or WebP, and its longest side in pixels. */
  thumbnailBytes: 4_096,
  thumbnailSide: 160,
  /** Longest ThumbHash, one with transparency. */
  thumbhashBytes: 25,
  /** A day: no recording that is shown is said to last longer. */
  recordingMs: 86_400_000,

  // Chains
  linkBodyBytes: 1_048_576,
  extraBytes: 4_096,
  rekeyReasonBytes: 256,
  groupMembers: 1_000,
  devicesPerAccount: 64,
  /** Links of one account chain; the account can still be closed. */
  accountLinks: 1_000,
  evidenceLinksPerLink: 20_000,
  /** One for each head that a link names, and as many that its reader adds. */
  evidencePartsPerLink: 2_000,
  /** Links of an account that a sign-in gives as its conversations record them, and their bytes together. */
  recordedLinks: 16,
  recordedLinkBytes: 262_144,
  /** Links beside one link of a conversation among which an account's head is searched for that. */
  recordingLinksSearched: 64,
  invitationsPerPolicy: 64,

  // Groups
  /** UTF-8 bytes. */
  groupNameBytes: 256,
  groupDescriptionBytes: 4_096,
  groupPictureBytes: 49_152,
  /** Its longest side, in pixels: a larger one is not shown. */
  groupPictureSide: 2_048,
  /** A sealed profile. */
  profileBytes: 65_536,
  /** What a link brings along (evidence, sealed copies) before who writes it makes two of it. */
  linkAttachmentBytes: 1_500_000,
  accountKeysPerRequest: 256,
  /** Join requests that wait in one group, of those with an invitation and of those without: further ones are refused. */
  joinRequestsPerGroup: 1_000,
  /** Days since 1970: an invitation lasts no longer. */
  invitationLastDay: 100_000,
  groupsPerAnswer: 200,
  /** Largest group in which receipts are told to everybody at once, and in which typing is; in larger ones receipts are there to be asked for. */
  liveReceiptsMembers: 32,
  liveTypingMembers: 100,
  /** People of one broadcast. */
  broadcastRecipients: 256,
  /** UTF-8 bytes. */
  broadcastListNameBytes: 256,
  /** Unread messages are counted up to here; more are "999+". */
  unreadCounted: 1_000,
  /** Strangers' conversations that a client reads unasked; further ones are counted. */
  requestsRead: 20,
  /** How often a server looks for messages that are to be erased, and what it erases at once of one conversation: entries, and bytes of them. */
  retentionSweepMs: 60_000,
  erasedEntriesAtOnce: 256,
  erasedBytesAtOnce: 1_048_576,

  // Vault
  vaultEntryBytes: 131_072,
  vaultEntriesPerWrite: 4_096,
  vaultEntriesPerAccount: 20_000,

  // Frames
  /** One WebSocket message. */
  packetBytes: 4_194_304,
  /** HTTP body of a request to a gateway: nobody has shown yet who asks. */
  gatewayBodyBytes: 8_192,
  /** The same with an account's link and the keys beside it, of which an honest client's take less than 10,000 bytes. */
  gatewayLinkBodyBytes: 65_536,
  /** What a client takes from a gateway at once: an account's chain may be long. */
  gatewayAnswerBytes: 67_108_864,
  /** Packet before `hello` was answered. */
  helloPacketBytes: 4_096,
  framesPerPacket: 512,
  /** WebSocket fragments of one packet. */
  fragmentsPerPacket: 64,
  entriesPerPage: 512,
  pageBytes: 1_048_576,
  peoplePerAnswer: 200,
  watchedPresences: 1_000,
  cursorsPerCatchUp: 20_000,
  /** Requests of one socket that are not answered yet. */
  requestsInFlight: 1_024,
  /** Sends of one conversation that a client leaves unanswered. */
  sendsInFlight: 256,
  /** Conversations that one socket sends to before it has to connect again. */
  sendConversationsPerSocket: 20_000,
  /** Unsent bytes towards one socket, after which it is dropped and catches up later. */
  socketBufferBytes: 8_388_608,

  // Rates, per device where nothing else is said: refilled evenly, up to the burst
  framesPerSecond: 2_000,
  framesBurst: 8_000,
  bytesPerSecond: 4_194_304,
  bytesBurst: 33_554_432,
  linksPerMinute: 60,
  linksBurst: 120,
  /** Twice what the half-second clock of drafts and read positions writes; few enough for a revocation to come between. */
  vaultWritesPerMinute: 240,
  vaultWritesBurst: 480,
  /** Of each member. */
  rekeysPerMinutePerConversation: 10,
  joinRequestsPerMinute: 10,
  joinRequestsBurst: 30,
  /** `revoke` and `succeed`: each brings a new account key and a turn of every conversation. */
  keyTurnsPerDayPerAccount: 20,
  /** Places of logs and account chains that are compared at once, after a restore [H6]. */
  comparedAtOnce: 500,
  comparisonsPerMinute: 60,
  comparisonsBurst: 100,
  /** Keys, copies and wraps, of each kind, that are put back with an account's links: those of its newest key, and of a device. */
  putBackBesideLinks: 256,
  /** Of one conversation: the whole log is read for each. */
  incarnationsPerHour: 4,
  /** All other account links but `sign_out` and `close`, which are never refused. */
  accountLinksPerDayPerAccount: 100,
  /** At all gateways together, as the next one is. */
  signInsPerMinutePerNameAndAddress: 10,
  /** From all addresses together; above, a sign-in waits `signInDelayMs` and is refused to nobody. */
  signInsPerMinutePerName: 60,
  signInsPerMinutePerAddress: 60,
  signUpsPerMinutePerAddress: 60,
  signUpsBurstPerAddress: 300,
  /** All that an address asks of a gateway; an IPv6 network (/64) counts as one address. */
  requestsPerMinutePerAddress: 6_000,
  requestsBurstPerAddress: 6_000,
  ticketsPerMinutePerDevice: 120,
  ticketsBurstPerDevice: 120,

  // Times, milliseconds
  connectMs: 10_000,
  /** Sockets of one chat server that have not said `hello` yet; further ones are refused. */
  socketsBeforeHello: 1_000,
  /** From the socket's opening to `hello`. */
  helloMs: 5_000,
  /** Without any frame, after which either side closes. The client pings at a third of it. */
  idleMs: 60_000,
  ticketMs: 30_000,
  challengeMs: 60_000,
  signInStateMs: 60_000,
  signInDelayMs: 2_000,
  /** Sign-ins of the last `signInStateMs` that a gateway knows to be finished; some hundred bytes each. */
  finishedSignInsRemembered: 100_000,
  signUpStateMs: 300_000,
  grantMs: 300_000,
  heartbeatMs: 1_000,
  /** A server whose heartbeat is older is not offered. */
  heartbeatFreshMs: 4_000,
  /** From being told to stop until whoever is still there is put out. */
  drainMs: 30_000,
  /** The same where no other server is there that takes them. */
  drainAloneMs: 8_000,
  /** Clients that are asked to move and have not gone yet, before the next one is asked; and how long one counts that does not go. */
  movesAtOnce: 16,
  moveMs: 1_000,
  /** Sockets that a server may have more than its share before it asks idle clients to move: this part of the share, or so many. */
  rebalanceToleratedShare: 0.1,
  rebalanceToleratedSockets: 5,
  /** Clients that a server asks to move at each heartbeat, so that sockets become even. */
  rebalancePerBeat: 10,
  /** A client is idle that has no request unanswered and has said nothing for so long. */
  rebalanceIdleMs: 5_000,
  /** Heartbeats for which no server came or went before any client is asked. */
  rebalanceSettledBeats: 3,
  /** Who was asked counts as gone for so long, however slow; who stayed is asked again so much later. */
  rebalancePatienceMs: 15_000,
  rebalanceAskAgainMs: 60_000,
  /** From the last socket's end until its account counts as away: a client that connects again is not told to be. */
  presenceLingerMs: 2_000,
  /** How old what is noted of a connected device's presence may become. */
  deviceSeenEveryMs: 600_000,
  deviceNameBytes: 256,
  /** Two for each device: what its owner calls it, and what it calls itself. */
  deviceNotesPerRequest: 128,
  requestMs: 20_000,
  /** Servers that just failed a client, which it asks its gateway to spare it. */
  avoidedServers: 16,
  /** How long others have to give a key before who lacks it opens a new epoch [C6]. */
  healingMs: 5_000,
  /** How often "typing" is said while it lasts. */
  typingRepeatMs: 3_000,
  /** Somebody who typed and was not heard of since stopped. */
  typingStaleMs: 6_000,

  // Append
  appendBatchEntries: 256,
  appendBatchBytes: 4_194_304,
  appendBatchMs: 5,
  /** A message waits so long for others, where others come: one alone waits for nothing, of many each waits a little, and costs a fraction. */
  appendGatherMs: 4,
  appendQueueEntries: 20_000,
  /** Payload of one bus hint. */
  busHintBytes: 7_800,

  /** Largest sequence number, index, epoch or counter: the wire's 32 bits. */
  largestNumber: 4_294_967_295,
  /** Largest index, version, generation or revision that a server stores: 31 bits. */
  largestStoredNumber: 2_147_483_647,
} as const;
