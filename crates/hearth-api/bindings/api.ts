// Made from crates/hearth-api; do not edit. To refresh: UPDATE=1 cargo test -p hearth-api typescript

export const PROTOCOL = 1;
export const HEARTBEAT_MS = 5000;
export const STALE_MS = 15000;

export type Commands = {
  status: { request: StatusRequest; reply: NodeView; acts: false };
  duties: { request: DutiesRequest; reply: DutiesReply; acts: false };
  history: { request: HistoryRequest; reply: HistoryReply; acts: false };
  cluster: { request: ClusterRequest; reply: ClusterReply; acts: false };
  alerts: { request: AlertsRequest; reply: AlertsReply; acts: false };
  checks: { request: ChecksRequest; reply: ChecksReply; acts: true };
  find_beacons: { request: FindBeaconsRequest; reply: FindBeaconsReply; acts: true };
  settings: { request: SettingsRequest; reply: SettingsReply; acts: false };
  change_settings: { request: ChangeSettingsRequest; reply: SettingsReply; acts: true };
  channels: { request: ChannelsRequest; reply: ChannelsReply; acts: false };
  set_channel: { request: SetChannelRequest; reply: ChannelsReply; acts: true };
  remove_channel: { request: RemoveChannelRequest; reply: ChannelsReply; acts: true };
  test_channel: { request: TestChannelRequest; reply: ChannelsReply; acts: true };
  set_quiet_hours: { request: SetQuietHoursRequest; reply: ChannelsReply; acts: true };
  set_digest: { request: SetDigestRequest; reply: ChannelsReply; acts: true };
  mute_kind: { request: MuteKindRequest; reply: ChannelsReply; acts: true };
  snooze: { request: SnoozeRequest; reply: AlertsReply; acts: true };
  keys: { request: KeysRequest; reply: KeysReply; acts: false };
  back_up: { request: BackUpRequest; reply: BackupReply; acts: true };
  practise_restore: { request: PractiseRestoreRequest; reply: BackupReply; acts: true };
  bring_back: { request: BringBackRequest; reply: NewClusterReply; acts: true };
  move_in: { request: MoveInRequest; reply: NewClusterReply; acts: true };
  deposit: { request: DepositRequest; reply: DepositReply; acts: false };
  forming: { request: FormingRequest; reply: FormingReply; acts: true };
  plan_cluster: { request: PlanClusterRequest; reply: FormingReply; acts: true };
  read_invite: { request: ReadInviteRequest; reply: InviteReply; acts: true };
  take_seat: { request: TakeSeatRequest; reply: FormingReply; acts: true };
  prepare_record: { request: PrepareRecordRequest; reply: FormingReply; acts: true };
  set_definition: { request: SetDefinitionRequest; reply: FormingReply; acts: true };
  save_invite: { request: SaveInviteRequest; reply: FormingReply; acts: true };
  name_seat: { request: NameSeatRequest; reply: FormingReply; acts: true };
  reopen_seat: { request: ReopenSeatRequest; reply: FormingReply; acts: true };
  agree: { request: AgreeRequest; reply: FormingReply; acts: true };
  set_ready: { request: SetReadyRequest; reply: FormingReply; acts: true };
  begin_ceremony: { request: BeginCeremonyRequest; reply: FormingReply; acts: true };
  leave_forming: { request: LeaveFormingRequest; reply: FormingReply; acts: true };
  slashing: { request: SlashingRequest; reply: SlashingReply; acts: false };
  slashing_export: { request: SlashingExportRequest; reply: SlashingExportReply; acts: true };
  slashing_import: { request: SlashingImportRequest; reply: SlashingImportReply; acts: true };
  stop: { request: StopRequest; reply: StopReply; acts: true };
};

export type AgreeRequest = {
  /** Hash of the definition whose words they are. */
  definition_hash: string, };

export type Alert = {
  /** Which trouble, with what it is about. */
  kind: AlertKind,
  /** The cluster it concerns; `None` for all. */
  cluster: string | null,
  /** How bad. */
  severity: Severity,
  /** Since when it is so; earlier than the moment at which it was raised. */
  since_ms: number,
  /** Since when it is gone but not yet trusted to stay away. Counts no more for the verdict on the node. */
  recovering_since_ms: number | null,
  /** When it was over; `None` while it lasts. */
  resolved_ms: number | null,
  /** What happened, in a few words without a full stop. */
  title: string,
  /** What happened and what it means for the stake. */
  text: string,
  /** What the owner of this node can do; `None` if nothing. */
  action: string | null,
  /** Under which condition it is told, and when it is over. */
  why: string,
  /** Why it is left in peace, if the owner wants that; not decided by the engine. */
  rests: Rest | null, };

export type AlertKind = { "code": "not_signing",
  /** Operators that are here. */
  here: number,
  /** Operators that are needed. */
  needed: number,
  /** What to call those that are not here. */
  missing: Array<string>,
  /** Why this node refuses, if it does. */
  reason: string | null, } | { "code": "duties_missed",
  /** Duties that were missed since it began. */
  missed: number, } | { "code": "operator_dark",
  /** Its number. */
  seat: number,
  /** What to call it. */
  name: string,
  /** Operators that are here. */
  here: number,
  /** Operators that are needed. */
  needed: number, } | { "code": "no_beacon_node",
  /** How many there are. */
  known: number, } | { "code": "beacon_node_down",
  /** Which one. */
  url: string, } | { "code": "beacon_node_slow",
  /** Which one. */
  url: string,
  /** What is slow. */
  limit_ms: number, } | { "code": "peer_slow",
  /** Its number. */
  seat: number,
  /** What to call it. */
  name: string,
  /** What is long. */
  limit_ms: number, } | { "code": "clock_off",
  /** True time minus the computer's. */
  offset_ms: number, } | { "code": "disk_low",
  /** What is free. */
  free_mib: number,
  /** In how many days it is full. */
  full_in_days: number | null, } | { "code": "on_battery",
  /** How long that lasts. */
  minutes_left: number | null, } | { "code": "channel_fails",
  /** Its number. */
  channel: number,
  /** What kind it is of. */
  kind: ChannelKind,
  /** Where it goes, as far as that is not secret. */
  goes_to: string, } | { "code": "left_out",
  /** Name of its folder. */
  folder: string,
  /** Why, as a sentence without its full stop. */
  reason: string, } | { "code": "contradicted",
  /** Its number. */
  seat: number,
  /** What to call it. */
  name: string, } | { "code": "misfit",
  /** Its number. */
  seat: number,
  /** What to call it. */
  name: string,
  /** Why, as a sentence without its full stop. */
  reason: string, } | { "code": "relay_only",
  /** Its number. */
  seat: number,
  /** What to call it. */
  name: string, };

export type AlertsReply = {
  /** What needs attention now, worst first. */
  current: Array<Alert>,
  /** What is resolved, newest first. */
  past: Array<Alert>, };

export type AlertsRequest = {
  /** Resolved alerts to tell, at most; none unless given. */
  past: number, };

export type BackUpRequest = {
  /** Of which cluster: the hash of its lock. The node's only one unless given. */
  cluster: string | null,
  /** The new file, on the node's computer. */
  path: string,
  /** What will open it. */
  passphrase: string, };

export type BackupReply = {
  /** The file. */
  path: string,
  /** Its size. */
  bytes: number,
  /** The cluster's name. */
  cluster: string,
  /** Hash of its lock. */
  lock_hash: string,
  /** Number of the operator that it is of. */
  operator: number,
  /** Validators, each with a key share that was opened and found in the lock. */
  validators: number,
  /** When it was made. */
  made_ms: number, };

export type BeaconState = "unknown" | "ready" | "no_execution" | "syncing" | "other_network" | "silent";

export type BeaconView = {
  /** Its address, without what is secret in it. */
  url: string,
  /** Its name and version, in its own words. */
  version: string | null,
  /** Whether it can be used. */
  state: BeaconState,
  /** Slot of its head. */
  head_slot: string | null,
  /** How long it took to say how far it is. */
  latency_ms: number | null,
  /** How long after the start of a slot it knows that slot's block, in 19 of the last 20 cases. */
  head_delay_ms: number | null,
  /** What last went wrong with it, in its own words. */
  last_error: string | null, };

export type BeginCeremonyRequest = Record<symbol, never>;

export type BringBackRequest = {
  /** The file, on the node's computer. */
  path: string,
  /** What opens it. */
  passphrase: string,
  /** Whether the owner has made sure that the node of the backup never signs again. */
  confirmed: boolean, };

export type Change = { "part": "node", "now": NodeInfo } | { "part": "network", "now": NetworkView | null } | { "part": "beacons", "now": Array<BeaconView> } | { "part": "cluster", "now": ClusterView } | { "part": "clusters", "now": Array<ClusterView> } | { "part": "left_out", "now": Array<LeftOut> } | { "part": "checks", "now": Array<Check> } | { "part": "channels", "now": Array<ChannelView> } | { "part": "telling", "now": Telling } | { "part": "alerts", "now": Array<Alert> } | { "part": "health", "now": Health };

export type ChangeSettingsRequest = {
  /** Those of this cluster, of which only its own can be changed: where it listens and where its operators are. */
  cluster: string | null,
  /** Beacon nodes, in order of preference. An address as [`NodeSettings`] shows it stands for the one that it was made from,
 * with what is secret in it. */
  beacon_nodes: Array<string> | null,
  /** What other operators see as our name. */
  nickname: string | null,
  /** Time servers that the clock is compared with; none: it is not. */
  time_servers: Array<string> | null,
  /** Addresses on which it listens for other operators, `ip:port`. */
  listen: Array<string> | null,
  /** Where other operators are. One that is not named is not known any more. */
  peers: Array<PeerAddresses> | null,
  /** Relays through which it is reached and reaches others, `/ip4/…/tcp/…/p2p/<id>`. */
  relays: Array<string> | null,
  /** Where it serves Prometheus metrics, `ip:port`; empty: nowhere. */
  metrics: string | null, };

export type ChannelKind = "webhook" | "ntfy" | "telegram" | "email";

export type ChannelTarget = { "kind": "webhook",
  /** The address. */
  url: string, } | { "kind": "ntfy",
  /** The server, such as `https://ntfy.sh`. */
  server: string,
  /** The topic. Whoever knows it can read it, unless the server asks for a token. */
  topic: string,
  /** An access token, if the server asks for one. */
  token: string | null, } | { "kind": "telegram",
  /** The server of the bot API, such as `https://api.telegram.org`. */
  server: string,
  /** Number of the chat, or `@name` of a public one. */
  chat: string,
  /** The bot's token. */
  token: string, } | { "kind": "email",
  /** The server that takes it, `host` or `host:port`. */
  server: string,
  /** How the connection to it is protected. */
  security: MailSecurity,
  /** The account there, if it asks for one. */
  user: string | null,
  /** Its password. */
  password: string | null,
  /** The sender's address. */
  from: string,
  /** The reader's address. */
  to: string, };

export type ChannelView = {
  /** Stays the same while the channel is there. */
  id: number,
  /** What kind it is of. */
  kind: ChannelKind,
  /** Where it goes, as far as that is not secret. */
  goes_to: string,
  /** What is not at least so bad is not sent. */
  least: Severity,
  /** How the last message fared; `None` before the first since the node's start. */
  last: Delivery | null, };

export type ChannelsReply = {
  /** In the order in which they were added. */
  channels: Array<ChannelView>,
  /** What is told, and when. */
  telling: Telling, };

export type ChannelsRequest = Record<symbol, never>;

export type Check = {
  /** What was measured. */
  measured: Measured,
  /** How good that is. */
  grade: Grade,
  /** What was looked at, in a word or two. */
  title: string,
  /** What was found, as a sentence. */
  found: string,
  /** Why it matters. */
  why: string,
  /** What to do; `None` if nothing. */
  remedy: string | null, };

export type ChecksReply = {
  /** The list, in the order in which it is shown. */
  checks: Array<Check>, };

export type ChecksRequest = Record<symbol, never>;

export type ClientMessage = { "hello": Hello } | { "call": {
  /** Chosen by the program; the reply bears it. */
  id: number,
  /** Name of the command. */
  command: string,
  /** What the command asks for. */
  request: unknown, } } | { "subscribe": {
  /** Chosen by the program; the events bear it. */
  id: number, } };

export type ClockSource = "nobody" | "time_servers" | "operators";

export type ClusterPlan = {
  /** Its name. */
  name: string,
  /** Name of its network, or the fork version of one that is not known. */
  network: string,
  /** Whether this node knows the network. */
  network_known: boolean,
  /** Whether its stakes are worth money. */
  real_money: boolean,
  /** Number of operators. */
  operators: number,
  /** Partial signatures needed. */
  threshold: number,
  /** Number of validators. */
  validators: number,
  /** Where stakes and rewards go, with checksum. */
  withdrawal_address: string,
  /** Where payments for blocks go, with checksum. */
  fee_recipient: string,
  /** Whether rewards are added to the stake. */
  compounding: boolean, };

export type ClusterReply = {
  /** Hash of its lock. */
  cluster: string,
  /** The name that its makers gave it. */
  name: string,
  /** When its plan was made, as the plan says. */
  created: string,
  /** Version of its lock file. */
  lock_version: string,
  /** Operators needed to sign. */
  needed: number,
  /** The six matching words of its plan. */
  words: string,
  /** Its operators, in order. */
  operators: Array<OperatorDetail>,
  /** Its validators, in the order of the lock. */
  validators: Array<ValidatorDetail>, };

export type ClusterRequest = {
  /** Hash of its lock. */
  cluster: string | null, };

export type ClusterStage = "unknown" | "queued" | "active" | "exited";

export type ClusterView = {
  /** Hash of its lock. */
  id: string,
  /** The name that its makers gave it. */
  name: string,
  /** How far its validators are. */
  stage: ClusterStage,
  /** Why the node must not sign for it, as the end of "Not signing: …"; `None` if it may. */
  refuses: string | null,
  /** Operators that must be here for the validators to sign. */
  needed: number,
  /** Its operators, in the order of the cluster definition. */
  seats: Array<SeatView>,
  /** Validators of the cluster. */
  validators: number,
  /** The duty that comes next; `None` if none is known. */
  next_duty: NextDuty | null,
  /** The latest duties, oldest first; at most [`STRIP_DUTIES`]. */
  strip: Array<DutyMark>,
  /** How many of its duties are done. */
  effectiveness: Effectiveness,
  /** How it stands with the router at home, which may let the operators in. */
  router: RouterState,
  /** The verdict on it. */
  health: Health, };

export type Delivery = {
  /** When. */
  at_ms: number,
  /** Why it did not arrive; `None` if it did. */
  error: string | null, };

export type DepositDetail = {
  /** Key of the validator. */
  pubkey: string,
  /** How much, Gwei. */
  amount: string,
  /** The only address to which stake and rewards can ever go. */
  withdrawal_address: string, };

export type DepositFile = {
  /** Where it is. */
  path: string,
  /** SHA-256 of it, hex: the same on every operator's computer. */
  hash: string,
  /** What it deposits. */
  deposits: Array<DepositDetail>, };

export type DepositReply = {
  /** Name of the network. */
  network: string,
  /** Whether the stake is worth money. */
  real_money: boolean,
  /** Where deposits are made in a browser, if that is known. */
  launchpad: string | null,
  /** The files; none where they were not kept (a restored node, say). */
  files: Array<DepositFile>, };

export type DepositRequest = {
  /** Of this cluster; of the only one, unless given. */
  cluster: string | null, };

export type DutiesReply = {
  /** Newest first. */
  duties: Array<DutyRecord>,
  /** Whether the limit left some out. */
  more: boolean, };

export type DutiesRequest = {
  /** Of this cluster only. */
  cluster: string | null,
  /** Of this validator only. */
  validator: string | null,
  /** Only those that were missed. */
  only_misses: boolean,
  /** Only those of earlier slots: the rest of a list, where the last one ended. */
  before: string | null,
  /** How many at most; [`DEFAULT_DUTIES`] unless given, never more than [`MOST_DUTIES`]. */
  limit: number | null, };

export type DutyKind = "proposer" | "attester" | "signature" | "exit" | "builder_registration" | "randao" | "prepare_aggregator" | "aggregator" | "sync_message" | "prepare_sync_contribution" | "sync_contribution" | "info_sync";

export type DutyMark = {
  /** The slot. */
  slot: string,
  /** What was to be done. */
  kind: DutyKind,
  /** What became of it. */
  mark: Mark,
  /** Its greatest inclusion delay, in slots, where it is known: see [`crate::OnChain`]. */
  delay: number | null, };

export type DutyOutcome = { "kind": "waiting" } | { "kind": "sent" } | { "kind": "missed",
  /** The stage that did not succeed. */
  stage: DutyStage,
  /** The reason's code, as Charon's tracker names it. */
  code: string,
  /** The reason. */
  sentence: string,
  /** What to do, if anything. */
  suggestion: string | null,
  /** What is known about it, for whoever wants to know more. */
  detail: string, };

export type DutyRecord = {
  /** Whose duty. */
  cluster: string,
  /** The slot. */
  slot: string,
  /** What was to be done. */
  kind: DutyKind,
  /** When it was due. The moments of [`Trace`] count from here. */
  due_ms: number,
  /** How many validators had it. */
  validator_count: number,
  /** Which ones; empty if that is not known. */
  validators: Array<string>,
  /** The stages it reached. */
  trace: Trace,
  /** Number of the operator who led the round in which it was agreed. */
  leader: number | null,
  /** That round. */
  round: number | null,
  /** Numbers of the operators whose partial signature arrived, this one's included. */
  signers: Array<number>,
  /** What became of it here. */
  outcome: DutyOutcome,
  /** What the chain has of it; `None` where nobody has looked. Only attestations are looked for. */
  on_chain: OnChain | null, };

export type DutyStage = "fetch" | "agree" | "sign" | "collect" | "submit";

export type DutyUnderWay = {
  /** The slot. */
  slot: string,
  /** What is being done. */
  kind: DutyKind, };

export type Effectiveness = {
  /** Of 24 hours. */
  day: number | null,
  /** Of 7 days. */
  week: number | null,
  /** Of 30 days. */
  month: number | null, };

export type ErrorCode = "not_running" | "not_trusted" | "node_too_old" | "program_too_old" | "connection_lost" | "timed_out" | "unknown_command" | "bad_request" | "value_refused" | "not_allowed" | "busy" | "too_much" | "not_ready" | "unreadable" | "unwritable" | "file_refused" | "not_delivered" | "internal";

export type FindBeaconsReply = {
  /** Whoever answers as a beacon node does. Of addresses that were given, also whoever does not. */
  found: Array<FoundBeacon>,
  /** Where was looked. */
  looked_at: Array<string>, };

export type FindBeaconsRequest = {
  /** These addresses only; on this computer, at the usual ports, if there are none. At most [`Self::MOST`]. */
  urls: Array<string>, };

export type Flame = "lit" | "low" | "needs_you" | "working" | "ash" | "dark";

export type FormedCluster = {
  /** Hash of its lock. */
  cluster: string,
  /** Public keys of its validators. */
  validators: Array<string>,
  /** Whether the node has to be started again before it performs its duties. */
  restart_needed: boolean, };

export type Forming = {
  /** What it is waiting for. */
  stage: FormingStage,
  /** The record of this node, where it waits for a definition that names it; begins with `enr:`. */
  record: string | null,
  /** Whether the operators' wallets have signed the definition. */
  signed: boolean,
  /** Number of this node's seat; the organiser has the first. */
  me: number,
  /** What the cluster is to be. */
  plan: ClusterPlan,
  /** Hash of the definition, once all seats are taken. */
  definition_hash: string | null,
  /** Six words for that hash, which all operators compare. Not a secret. */
  words: Array<string>,
  /** All seats, by number. */
  seats: Array<FormingSeat>,
  /** Whether the organiser's node answers; of the organiser himself, whether he can be reached at all. */
  connected: boolean,
  /** Where this node is reached in the ceremony. */
  addresses: Array<string>,
  /** The last thing that went wrong, for people; `None` once it is over. */
  trouble: string | null,
  /** The step of the ceremony that runs, 0 (finding each other) to 7 (done). */
  step: number | null,
  /** Key shares written, and to be written, while that goes on. */
  saving: [number, number] | null,
  /** What was formed. */
  formed: FormedCluster | null,
  /** Its folder. */
  folder: string, };

export type FormingReply = {
  /** A node forms one at a time. */
  forming: Forming | null, };

export type FormingRequest = {
  /** With the picture of the invitation to this seat. */
  code_of: number | null, };

export type FormingSeat = {
  /** Its number, from one. */
  number: number,
  /** What its operator calls himself. */
  nickname: string,
  /** Whether it is for a node that the organiser has named by its record, and that comes to the ceremony only. */
  named: boolean,
  /** Whether somebody has it. */
  taken: boolean,
  /** Whether he is heard from. */
  here: boolean,
  /** Whether he has found the words the same. */
  agreed: boolean,
  /** Whether he is ready to begin. */
  ready: boolean,
  /** His program and its version. */
  version: string,
  /** What was checked on his computer. */
  checks: Array<SeatCheck>,
  /** His step in the ceremony, while one runs and he is connected. */
  step: number | null,
  /** The invitation to the seat. Whoever has it can take the seat: it is for one person. */
  link: string | null,
  /** The same as the address of a page that hands it to the app, where this Hearth was published with such a page. */
  page_link: string | null,
  /** The same as a picture, where it was asked for. */
  code: LinkCode | null,
  /** Until when the invitation can be used; Unix milliseconds. */
  expires_ms: number | null, };

export type FormingStage = "inviting" | "defining" | "agreeing" | "gathering" | "ceremony" | "formed" | "refused";

export type FoundBeacon = {
  /** Its address, without what is secret in it. */
  url: string,
  /** Whether it can be used. */
  state: BeaconState,
  /** Its name and version, in its own words. */
  version: string | null,
  /** The network that it is on, if that has a name. */
  network: string | null,
  /** How long it took to answer. */
  latency_ms: number | null,
  /** What is wrong with it, in its own words. */
  error: string | null, };

export type Grade = "good" | "unknown" | "amber" | "red";

export type Health = {
  /** The state. */
  flame: Flame,
  /** The state in a sentence. */
  sentence: string,
  /** Operators that are here. */
  here: number,
  /** Operators that may leave before signing stops; zero below that too. */
  spare: number, };

export type Hello = {
  /** [`PROTOCOL`] of the speaker. */
  protocol: number,
  /** Version of the speaker's program, for people. */
  build: string,
  /** What the speaker is. */
  role: Role, };

export type HistoryReply = {
  /** When it begins: a full hour. */
  from_ms: number,
  /** When it ends: now. */
  until_ms: number,
  /** All of it. */
  total: Tally,
  /** By time, oldest first; steps without duties are left out. */
  steps: Array<Step>,
  /** By validator. */
  validators: Array<ValidatorTally>,
  /** By operator. */
  operators: Array<OperatorTally>, };

export type HistoryRequest = {
  /** Of this cluster only. */
  cluster: string | null,
  /** Of the time up to now that is so long. */
  period: Period, };

export type ImportedValidator = {
  /** The validator, by its whole key. */
  pubkey: string,
  /** How far its record reaches without the file ... */
  before: RecordReach,
  /** ... and with it. */
  after: RecordReach,
  /** Messages in the file that contradict each other or the record: somebody signed what could get it slashed. */
  slashable: number, };

export type InviteReply = {
  /** The link by itself: with it the seat is taken. */
  link: string,
  /** What its sender calls himself. Anybody can call himself anything. */
  organiser: string,
  /** What the cluster is to be. */
  plan: ClusterPlan,
  /** The seat that is offered. */
  seat: number,
  /** Until when it can be taken; Unix milliseconds. */
  expires_ms: number,
  /** Why it cannot be taken, if so. */
  obstacle: string | null, };

export type KeyShare = {
  /** The validator that it is a share of. */
  validator: string,
  /** Its public key. */
  share: string, };

export type KeysReply = {
  /** One for each validator; none while the node is in no cluster. */
  shares: Array<KeyShare>,
  /** Whether their passwords are sealed to this computer; else they lie beside the keystores, as Charon has them. */
  sealed: boolean,
  /** The folder that they are in. */
  folder: string,
  /** When a backup was made last, as far as this folder knows. */
  backed_up_ms: number | null,
  /** When its restore was practised last. */
  practised_ms: number | null, };

export type KeysRequest = {
  /** Of which cluster: the hash of its lock. The node's only one unless given. */
  cluster: string | null, };

export type LeaveFormingRequest = {
  /** Whether the owner has read what it means and wants it. */
  confirmed: boolean, };

export type LeftOut = {
  /** Name of its folder. */
  folder: string,
  /** Why, as a sentence without its full stop. */
  reason: string, };

export type LinkCode = {
  /** Modules on a side. */
  size: number,
  /** SVG path of the dark modules, each of size one. */
  path: string, };

export type MailSecurity = "tls" | "start_tls" | "none";

export type Mark = "waiting" | "done" | "late" | "missed";

export type Measured = { "check": "clock",
  /** True time minus the computer's: above zero, the clock is behind. `None` if nobody could be asked. */
  offset_ms: number | null,
  /** Who says so. */
  source: ClockSource, } | { "check": "beacon_node",
  /** Which one; `None` if none is set. */
  url: string | null,
  /** Whether it can be used. */
  state: BeaconState,
  /** How long its last answer took. */
  latency_ms: number | null,
  /** How long after the start of a slot it knows that slot's block, in 19 of 20 cases. */
  head_delay_ms: number | null, } | { "check": "reachability",
  /** Operators that have opened a connection to this node: the proof that they can. */
  dialled_in: Array<string>,
  /** Operators that are connected straight. */
  direct: number,
  /** Operators that are connected through a relay only. */
  relayed: number,
  /** Other operators, in all clusters. */
  others: number,
  /** What the router at home does. */
  router: RouterState, } | { "check": "disk",
  /** What is free. */
  free_mib: number | null,
  /** In how many days it is full, if it goes on as in the last hours. */
  full_in_days: number | null, } | { "check": "memory",
  /** What programs may still take. */
  available_mib: number | null, } | { "check": "sleep",
  /** What it is set to. */
  setting: SleepSetting,
  /** How often it was seen to have slept since the node's start. */
  slept: number, } | { "check": "power",
  /** Mains or battery. */
  source: PowerSource,
  /** How long a battery lasts. */
  minutes_left: number | null, };

export type Mode = "unknown" | "foreground" | "while_signed_in" | "always_on";

export type MoveInRequest = {
  /** The folder, on the node's computer. */
  path: string,
  /** What its validator client signed until now (EIP-3076), if there is a file of it. */
  history: string | null,
  /** Whether the owner has stopped Charon and its validator client for good. */
  confirmed: boolean, };

export type MuteKindRequest = {
  /** Its code, such as `relay_only`. */
  kind: string,
  /** Whether it shall be muted. */
  muted: boolean, };

export type NameSeatRequest = {
  /** The seat. */
  seat: number,
  /** The node's record, which begins with `enr:`. */
  record: string,
  /** What to call its operator. */
  nickname: string,
  /** Where it listens in the ceremony, `host:port`; may be empty. */
  address: string, };

export type NetworkView = {
  /** Its name. */
  name: string,
  /** Whether its ether is worth nothing. */
  test: boolean,
  /** Start of slot 0. */
  genesis_ms: number,
  /** Length of a slot. */
  slot_ms: number,
  /** Slots in an epoch. */
  slots_per_epoch: number, };

export type NewClusterReply = {
  /** Its folder. */
  folder: string,
  /** Its name; may be empty. */
  name: string,
  /** Hash of its lock. */
  cluster: string,
  /** Number of the operator that this node is in it. */
  operator: number,
  /** Validators, each with a key share. */
  validators: number,
  /** What the owner should know. */
  warnings: Array<string>,
  /** Whether the node has to be started again before it performs its duties. */
  restart_needed: boolean, };

export type NextDuty = {
  /** The slot. */
  slot: string,
  /** What is to be done. */
  kind: DutyKind,
  /** When it is due. */
  due_ms: number, };

export type NodeInfo = {
  /** Version of the node's program. */
  version: string,
  /** What keeps it running. */
  mode: Mode,
  /** What it is doing. */
  state: NodeState,
  /** When it was started. */
  started_ms: number,
  /** Whether these are quiet hours, in which only what is critical is told. */
  quiet: boolean, };

export type NodeSettings = {
  /** Beacon nodes, in order of preference, without what is secret in their addresses. */
  beacon_nodes: Array<string>,
  /** What other operators see as our name. */
  nickname: string,
  /** Time servers that the clock is compared with. */
  time_servers: Array<string>,
  /** Addresses on which it listens for other operators. */
  listen: Array<string>,
  /** Where other operators are, by their number. */
  peers: Array<PeerAddresses>,
  /** Relays through which it is reached and reaches others. */
  relays: Array<string>,
  /** Where it serves Prometheus metrics, if anywhere. */
  metrics: string | null, };

export type NodeState = { "kind": "starting",
  /** What it waits for, as the end of "Starting: …". */
  waiting_for: string, } | { "kind": "running" } | { "kind": "stopping" };

export type NodeView = {
  /** Number of this view, counted from the node's start. Set when it is published. */
  seq: number,
  /** When all this was so. */
  at_ms: number,
  /** The slot of that moment; `None` before genesis or while the network is not known. */
  slot: string | null,
  /** The node itself. */
  node: NodeInfo,
  /** The chain it follows; `None` until a beacon node has told. */
  network: NetworkView | null,
  /** Its beacon nodes, in order of preference. */
  beacons: Array<BeaconView>,
  /** The clusters it has a seat in. */
  clusters: Array<ClusterView>,
  /** Clusters of its folder that it does not run, and why. */
  left_out: Array<LeftOut>,
  /** What it looks at around itself, in the order in which it is shown. */
  checks: Array<Check>,
  /** Where alerts go beside the screen, in the order in which they were set up. */
  channels: Array<ChannelView>,
  /** What of them is told, and when. */
  telling: Telling,
  /** What needs attention now, worst first. */
  alerts: Array<Alert>,
  /** The verdict on all of it. */
  health: Health, };

export type OnChain = {
  /** The inclusion delay of each of [`DutyRecord::validators`], in their order: slots from the duty's to the block that has the
 * vote, 1 or more; `None` where no block has it.
 *
 * Source: consensus-specs, phase0/beacon-chain.md, `PendingAttestation.inclusion_delay`. */
  delays: Array<number | null>,
  /** The same for a vote that was there at once: slots to the first block after the duty's slot. More than 1 where a slot
 * stayed empty, which is nobody's fault here. */
  best: number | null,
  /** Whether all are found, or the time is over in which a block may include them. */
  settled: boolean, };

export type OperatorDetail = {
  /** Its number: its share index. */
  number: number,
  /** Account of its wallet; empty if the plan was made without wallets. */
  account: string,
  /** Record of its node's key. */
  enr: string, };

export type OperatorTally = {
  /** Its number in the cluster. */
  number: number,
  /** Duties in which its partial signature arrived here in time. */
  signed: number,
  /** Duties in which it could have. */
  of: number, };

export type OwnSeat = {
  /** What the others see him called. */
  nickname: string,
  /** Where his node listens for them, `ip:port`; a free port on all addresses unless given. */
  listen: string | null,
  /** Where they reach it, `host:port`; the computer's own address unless given. */
  address: string | null,
  /** A relay through which they reach it as well, `/ip4/…/tcp/…/p2p/<id>`; those of the node's settings are used anyhow. */
  relay: string | null, };

export type PeerAddresses = {
  /** The operator's number in the cluster. */
  number: number,
  /** `host:port`, `ip:port` or multiaddrs; tried in turn. */
  addresses: Array<string>, };

export type Period = "day" | "week" | "month";

export type PlanClusterRequest = {
  /** Its name. */
  name: string,
  /** Name of its network. */
  network: string,
  /** Number of operators. */
  operators: number,
  /** Partial signatures needed; two thirds, rounded up, unless given. */
  threshold: number | null,
  /** Number of validators. */
  validators: number,
  /** Where stakes and rewards go, with checksum. */
  withdrawal_address: string,
  /** Where payments for blocks go, with checksum. */
  fee_recipient: string,
  /** Whether rewards are added to the stake. */
  compounding: boolean,
  /** How the organiser is reached. */
  seat: OwnSeat, };

export type PowerSource = "unknown" | "mains_only" | "mains" | "battery";

export type PractiseRestoreRequest = {
  /** Of which cluster: the hash of its lock. The node's only one unless given. */
  cluster: string | null,
  /** The file, on the node's computer. */
  path: string,
  /** What opens it. */
  passphrase: string, };

export type PrepareRecordRequest = {
  /** How this node is reached. */
  seat: OwnSeat, };

export type QuietHours = {
  /** When they begin, in minutes after midnight. */
  from_minute: number,
  /** When they end. */
  to_minute: number, };

export type Reach = "direct" | "relay" | "none";

export type ReadInviteRequest = {
  /** The link, or a message that has one in it. */
  link: string,
  /** The path of a file that has it, instead. */
  file: string | null, };

export type RecordKeys = "validators" | "shares";

export type RecordReach = {
  /** Greatest source epoch of an attestation. */
  source: string | null,
  /** Greatest target epoch of an attestation. */
  target: string | null,
  /** Greatest slot of a block. */
  block: string | null, };

export type RecordedValidator = {
  /** The validator, by its whole key. */
  pubkey: string,
  /** How far its record reaches. */
  reach: RecordReach,
  /** Messages on record one by one; older ones are covered by how far it reaches. */
  entries: number, };

export type RemoveChannelRequest = {
  /** Which one. */
  id: number, };

export type ReopenSeatRequest = {
  /** The seat. */
  seat: number, };

export type Rest = { "kind": "snoozed",
  /** Until then. */
  until_ms: number, } | { "kind": "muted" };

export type Role = "node" | "cli" | "window" | "tray" | "other";

export type RouterState = { "state": "unknown" } | { "state": "silent" } | { "state": "refuses",
  /** What it says. */
  reason: string, } | { "state": "nested",
  /** Its own address, which nobody outside reaches. */
  address: string, } | { "state": "open",
  /** Where, as `ip:port`. */
  outside: Array<string>, };

export type SaveInviteRequest = {
  /** The seat. */
  seat: number,
  /** Where to write it; nothing is there yet. */
  path: string, };

export type SeatCheck = {
  /** What was checked. */
  kind: SeatCheckKind,
  /** Whether it is in order. */
  good: boolean,
  /** What was found. */
  detail: string, };

export type SeatCheckKind = "clock" | "disk" | "folder" | "version" | "reach";

export type SeatState = "here" | "slow" | "dark" | "unknown";

export type SeatView = {
  /** The operator's number in the cluster, counted from 1: its share index. */
  number: number,
  /** The name that it goes by. */
  nickname: string | null,
  /** Whether it is this node. */
  me: boolean,
  /** Whether it is here. */
  state: SeatState,
  /** How messages reach it. */
  path: Reach,
  /** Whether it has opened a connection to this node since this node's start: it can. */
  dialled_in: boolean,
  /** Time that a message there and back takes. */
  rtt_ms: number | null,
  /** When it was last heard of. */
  last_seen_ms: number | null,
  /** The program that it runs. */
  client: string | null,
  /** The version of that program. */
  version: string | null,
  /** Its clock minus ours. */
  clock_offset_ms: number | null,
  /** When its node was started, by its own clock. */
  started_ms: number | null,
  /** Why its node and this one may not get along, as a sentence without its full stop. */
  misfit: string | null,
  /** When it last said two things of which an honest node says one. */
  contradicted_ms: number | null, };

export type ServerMessage = { "hello": Hello } | { "reply": {
  /** Which call. */
  id: number,
  /** The reply of that command. */
  reply: unknown, } } | { "failed": {
  /** Which call; `None` when the connection ends. */
  id: number | null,
  /** Why. */
  error: UiError, } } | { "event": {
  /** Which subscription. */
  id: number,
  /** The event. */
  event: ViewEvent, } };

export type SetChannelRequest = {
  /** The one to change; `None` adds one. */
  id: number | null,
  /** Where it goes; `None` leaves it where it goes. */
  target: ChannelTarget | null,
  /** What is not at least so bad is not sent. */
  least: Severity, };

export type SetDefinitionRequest = {
  /** The path of its file, or its `https` address. Empty: that which was taken before, with other answers to the rest. */
  source: string,
  /** Where the other operators are, as far as that is known. */
  peers: Array<PeerAddresses>,
  /** Whether the others hold the ceremony as Charon 1.10 does, not 1.11. */
  charon_1_10: boolean, };

export type SetDigestRequest = {
  /** Whether there is one. */
  on: boolean, };

export type SetQuietHoursRequest = {
  /** The hours; `None`: there are none. */
  hours: QuietHours | null, };

export type SetReadyRequest = {
  /** Which. */
  ready: boolean, };

export type SettingsReply = {
  /** As the file has them. */
  settings: NodeSettings,
  /** The file. */
  file: string,
  /** Whether the node has to be started again before they are in effect. Also where its command line says something else. */
  restart_needed: boolean, };

export type SettingsRequest = {
  /** Those of this cluster, which may have some of its own; `None`: those of the node. */
  cluster: string | null, };

export type Severity = "info" | "warning" | "critical";

export type SlashingExportReply = {
  /** Where. */
  path: string,
  /** Validators that it tells of. */
  validators: number,
  /** Its length. */
  bytes: number, };

export type SlashingExportRequest = {
  /** Of which cluster: the hash of its lock. The node's only one unless given. */
  cluster: string | null,
  /** Where the file shall be: an absolute path at which nothing is yet. */
  path: string,
  /** Under which keys. */
  keys: RecordKeys,
  /** Every message on record, rather than how far each validator got. Both protect alike. */
  complete: boolean, };

export type SlashingImportReply = {
  /** Whether it was added. `false`: it was only asked. */
  imported: boolean,
  /** Validators of this cluster that the file tells of, in the order of their keys. */
  validators: Array<ImportedValidator>,
  /** Validators of this cluster that it does not tell of: of what they signed elsewhere nothing becomes known. */
  silent: number,
  /** Validators of others, which are left out. */
  strangers: number, };

export type SlashingImportRequest = {
  /** Of which cluster: the hash of its lock. The node's only one unless given. */
  cluster: string | null,
  /** The file, by its absolute path. It may tell of the validators by their own keys or by those of this operator's shares. */
  path: string,
  /** Whether the owner has seen what the file does and wants it. */
  confirmed: boolean, };

export type SlashingReply = {
  /** Per validator, in the order of their keys. */
  validators: Array<RecordedValidator>,
  /** Space that the record takes on the disk. */
  bytes: number, };

export type SlashingRequest = {
  /** Of which cluster: the hash of its lock. The node's only one unless given. */
  cluster: string | null, };

export type SleepSetting = { "kind": "unknown" } | { "kind": "never" } | { "kind": "when_idle",
  /** That time; zero if not known. */
  minutes: number, };

export type SnoozeRequest = {
  /** What it is about: [`Alert::kind`] ... */
  kind: AlertKind,
  /** ... and [`Alert::cluster`]. */
  cluster: string | null,
  /** Until when; `None` wakes it. */
  until_ms: number | null, };

export type StatusRequest = Record<symbol, never>;

export type Step = {
  /** When it begins. */
  from_ms: number,
  /** The duties in it. */
  tally: Tally, };

export type StopReply = {
  /** Whether the node stops now. `false`: it was only asked. */
  stopping: boolean,
  /** The duty that is finished first. */
  finishing: DutyUnderWay | null,
  /** Longest time until the node is gone. */
  within_ms: number,
  /** What becomes of the clusters meanwhile: [`crate::without_this_node`]. */
  consequence: string, };

export type StopRequest = {
  /** Whether the owner has read what it means and wants it. */
  confirmed: boolean, };

export type TakeSeatRequest = {
  /** The link. */
  link: string,
  /** How this node is reached. */
  seat: OwnSeat, };

export type Tally = {
  /** Those that were done. */
  done: number,
  /** Those that were missed. */
  missed: number,
  /** Mean time from the moment a duty was due until this node's beacon node took it; `None` where none did. */
  mean_sent_ms: number | null,
  /** Attestations that were found in a block. */
  included: number,
  /** Their mean inclusion delay in thousandths of a slot, 1,000 at best; `None` where none was found. */
  mean_delay_milli: number | null, };

export type Telling = {
  /** When only what is critical is told. */
  quiet: QuietHours | null,
  /** Whether the channels get a digest at nine in the morning, when anything happened. */
  digest: boolean,
  /** Codes of the kinds that are muted, in alphabetical order. */
  muted: Array<string>, };

export type TestChannelRequest = {
  /** Which one. */
  id: number, };

export type Trace = {
  /** The operators agreed. */
  agreed_ms: number | null,
  /** Our share signed. */
  signed_ms: number | null,
  /** Enough shares were together. */
  complete_ms: number | null,
  /** The beacon node took it. */
  sent_ms: number | null, };

export type UiError = {
  /** What to branch on. */
  code: ErrorCode,
  /** What happened. */
  message: string,
  /** What it means for the owner's stake. */
  stake: string,
  /** What to do. */
  remedy: string,
  /** For whoever wants to know more. */
  details: string | null, };

export type Update = {
  /** [`NodeView::seq`] of the view that this changes. */
  after: number,
  /** The same of the view that results. */
  seq: number,
  /** [`NodeView::at_ms`] of the view that results. */
  at_ms: number,
  /** [`NodeView::slot`] of the view that results. */
  slot: string | null,
  /** The parts that differ; none when only time went on. */
  changes: Array<Change>, };

export type ValidatorDetail = {
  /** Its public key: the group key. */
  pubkey: string,
  /** Its index; `None` while the chain does not know it. */
  index: string | null,
  /** How far it is. */
  stage: ValidatorStage,
  /** When its duties begin, once the chain has said; Unix milliseconds. */
  activation_ms: number | null,
  /** Who gets the tips of its blocks. */
  fee_recipient: string,
  /** Where its ether goes when it leaves. */
  withdrawal_address: string, };

export type ValidatorStage = "unknown" | "not_deposited" | "pending" | "inactive" | "active" | "slashed";

export type ValidatorTally = {
  /** Which one. */
  validator: string,
  /** Its duties. */
  tally: Tally, };

export type ViewEvent = { "snapshot": NodeView } | { "update": Update };
