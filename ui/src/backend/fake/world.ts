import type {
  Alert,
  BeaconView,
  ChannelView,
  ClusterReply,
  ClusterView,
  DutyMark,
  DutyRecord,
  LeftOut,
  NetworkView,
  NodeSettings,
  NodeState,
  NodeView,
  SeatView,
  SnoozeRequest,
  Telling,
} from "$api";

import { markOf, worstDelay } from "../../model/chain";
import { checks, FINE } from "./checks";
import { START_MS } from "./clocks";
import { DutyBook } from "./duties";
import type { FormingStart } from "./forming";
import { total } from "./history";
import { judge } from "./judge";

const STRIP = 32;

export const HOODI: NetworkView = {
  name: "hoodi",
  test: true,
  genesis_ms: 1_742_213_400_000,
  slot_ms: 12_000,
  slots_per_epoch: 32,
};

export const MAINNET: NetworkView = { ...HOODI, name: "mainnet", test: false, genesis_ms: 1_606_824_023_000 };

export type FakeCluster = {
  id: string;
  name: string;
  needed: number;
  seats: SeatView[];
  validators: string[];
  stage: ClusterView["stage"];
  awaySinceMs: Map<number, number>;
  oneMissIn: number;
  /** Whether the chain has taken its deposits. */
  deposited?: boolean;
  /** Why the node must not sign for it. */
  refuses?: string;
};

/** Everything that the fake node knows. A scenario changes it; the view is made from it. */
export class World {
  node: NodeState = { kind: "running" };
  network: NetworkView | null = HOODI;
  beacons: BeaconView[] = [beacon("http://127.0.0.1:5052", "Lighthouse/v8.0.1", 38)];
  clusters: FakeCluster[] = [friends()];
  /** Whether a beacon node runs on this computer. */
  beaconHere = true;
  leftOut: LeftOut[] = [];
  channels: ChannelView[] = [];
  readonly telling: Telling = { quiet: null, digest: true, muted: [] };
  computer = FINE;
  settings: NodeSettings = {
    beacon_nodes: ["http://127.0.0.1:5052"],
    nickname: "Sam",
    time_servers: ["pool.ntp.org", "time.cloudflare.com", "time.google.com"],
    listen: ["0.0.0.0:3610"],
    peers: [],
    relays: [],
    metrics: null,
  };
  restartNeeded = false;
  /** The cluster that is being formed when the window opens. */
  forming: FormingStart | null = null;
  alerts: Alert[] = [];
  past: Alert[] = [];
  connected = true;
  /** Time until a call is answered. */
  answerMs = 0;
  /** Whether calls fail. */
  failing = false;
  seq = 1;

  view(nowMs: number): NodeView {
    const clusters = this.clusters.map((cluster) => this.#cluster(cluster, nowMs));
    const worst = [...clusters].sort((a, b) => RANK.indexOf(b.health.flame) - RANK.indexOf(a.health.flame))[0];
    const health = worst?.health ?? { flame: "ash", sentence: "No cluster yet.", here: 0, spare: 0 };
    const sentence = worst !== undefined && clusters.length > 1 ? `${worst.name}: ${health.sentence}` : health.sentence;
    return {
      seq: this.seq,
      at_ms: nowMs,
      slot: this.network === null ? null : slotAt(this.network, nowMs),
      node: { version: "0.1.0", mode: "always_on", state: this.node, started_ms: START_MS - 3 * 86_400_000, quiet: false },
      network: this.network,
      beacons: this.beacons.map((one) => ({
        ...one,
        head_slot: one.state === "ready" && this.network !== null ? slotAt(this.network, nowMs) : one.head_slot,
      })),
      clusters,
      left_out: this.leftOut,
      channels: this.channels,
      telling: { ...this.telling },
      checks: checks(this.beacons, this.computer, this.clusters.length === 0 ? [] : ["Maya", "Tomás"]),
      alerts: this.#alerts(),
      health: { ...health, sentence },
    };
  }

  snooze({ kind, cluster, until_ms: untilMs }: SnoozeRequest): void {
    const same = (one: Alert): boolean => one.cluster === cluster && JSON.stringify(one.kind) === JSON.stringify(kind);
    const rests = untilMs === null ? null : { kind: "snoozed" as const, until_ms: untilMs };
    this.alerts = this.alerts.map((one) => (same(one) ? { ...one, rests } : one));
  }

  #alerts(): Alert[] {
    const muted = (code: string): boolean => this.telling.muted.includes(code);
    return this.alerts.map((one) => ({ ...one, rests: one.rests ?? (muted(one.kind.code) ? { kind: "muted" } : null) }));
  }

  duties(nowMs: number): DutyRecord[] {
    const all = this.clusters.flatMap((cluster) => this.#book(cluster)?.until(nowMs) ?? []);
    return all.sort((a, b) => Number(b.slot) - Number(a.slot));
  }

  #book(cluster: FakeCluster): DutyBook | null {
    return this.network === null || cluster.stage !== "active"
      ? null
      : new DutyBook(this.network, cluster, cluster.oneMissIn);
  }

  #cluster(cluster: FakeCluster, nowMs: number): ClusterView {
    const book = this.#book(cluster);
    const strip = (book?.until(nowMs) ?? []).slice(0, STRIP).reverse().map(mark);
    const view: ClusterView = {
      id: cluster.id,
      name: cluster.name,
      stage: cluster.stage,
      refuses: cluster.refuses ?? null,
      needed: cluster.needed,
      seats: cluster.seats.map((seat) => this.#seat(cluster, seat, nowMs)),
      validators: cluster.validators.length,
      next_duty: book?.next(nowMs) ?? null,
      strip,
      effectiveness: { day: share(book, nowMs, 1), week: share(book, nowMs, 7), month: null },
      router: { state: "unknown" },
      health: { flame: "ash", sentence: "", here: 0, spare: 0 },
    };
    return { ...view, health: judge(this.node, view, this.#alerts().filter((a) => a.cluster === null || a.cluster === view.id)) };
  }

  #seat(cluster: FakeCluster, seat: SeatView, nowMs: number): SeatView {
    const away = cluster.awaySinceMs.get(seat.number);
    if (away !== undefined) return { ...seat, state: "dark", path: "none", rtt_ms: null, last_seen_ms: away };
    if (seat.me) return seat;
    const wobble = Math.round(Math.sin(nowMs / 9_000 + seat.number) * 6);
    return { ...seat, rtt_ms: seat.rtt_ms === null ? null : seat.rtt_ms + wobble, last_seen_ms: nowMs - 800 };
  }
}

const RANK = ["lit", "low", "needs_you", "working", "ash", "dark"];

function slotAt(network: NetworkView, nowMs: number): string {
  return String(Math.floor((nowMs - network.genesis_ms) / network.slot_ms));
}

/** Duties done of a thousand, in the last days. */
function share(book: DutyBook | null, nowMs: number, days: number): number | null {
  const tally = total((book?.until(nowMs) ?? []).filter(({ due_ms }) => due_ms > nowMs - days * 86_400_000));
  const all = tally.done + tally.missed;
  return all === 0 ? null : Math.floor((tally.done * 1_000) / all);
}

function mark(duty: DutyRecord): DutyMark {
  return { slot: duty.slot, kind: duty.kind, mark: markOf(duty), delay: worstDelay(duty) };
}

export function beacon(url: string, version: string, latency_ms: number): BeaconView {
  return { url, version, state: "ready", head_slot: null, latency_ms, head_delay_ms: 640, last_error: null };
}

export function seat(number: number, nickname: string | null, more: Partial<SeatView> = {}): SeatView {
  return {
    number,
    nickname,
    me: false,
    state: "here",
    path: "direct",
    dialled_in: false,
    rtt_ms: 40,
    last_seen_ms: START_MS,
    client: "hearth",
    version: "0.1.0",
    clock_offset_ms: 4,
    started_ms: START_MS - 3 * 24 * 60 * 60_000,
    misfit: null,
    contradicted_ms: null,
    ...more,
  };
}

export function friends(): FakeCluster {
  return {
    id: "0x5f3a9c1e77d04b62a8e1f0937c6d5b2e4a1908f7d3c2b6e5940a7f1d8c3e9b24",
    name: "Sunday Supper",
    needed: 3,
    seats: [
      seat(1, "Maya", { rtt_ms: 38, clock_offset_ms: 12 }),
      seat(2, "Sam", { me: true, rtt_ms: null, clock_offset_ms: null, last_seen_ms: null }),
      seat(3, "Priya", { rtt_ms: 64, path: "relay", clock_offset_ms: -31 }),
      seat(4, "Tomás", { rtt_ms: 22, client: "charon", version: "v1.6.2" }),
    ],
    validators: ["1284310", "1284311"],
    stage: "active",
    awaySinceMs: new Map(),
    oneMissIn: 23,
  };
}

export function guild(): FakeCluster {
  const names = ["Ada", "Borja", "Chidi", "Dara", "Emre", "Fatou", null];
  return {
    id: "0xa17c20d95be84f3316f08c7d92e5b4a03c6d1f8e7b29a4053d8e6c1f7a90b2d3",
    name: "Lighthouse Guild",
    needed: 5,
    seats: names.map((name, index) =>
      seat(index + 1, name, index === 3 ? { me: true, rtt_ms: null, last_seen_ms: null } : { rtt_ms: 25 + index * 21 }),
    ),
    validators: Array.from({ length: 20 }, (_, index) => String(1_290_000 + index)),
    stage: "active",
    awaySinceMs: new Map(),
    oneMissIn: 61,
  };
}

/** What the cluster's lock says. */
export function facts(cluster: FakeCluster): ClusterReply {
  return {
    cluster: cluster.id,
    name: cluster.name,
    created: "2026-05-02T18:20:11Z",
    lock_version: "v1.11.0",
    needed: cluster.needed,
    words: "amber bridge candle meadow pepper violin",
    operators: cluster.seats.map(({ number }) => ({
      number,
      account: `0x${String(number).repeat(40)}`,
      enr: `enr:-HW4Q${String(number).repeat(120)}`,
    })),
    validators: cluster.validators.map((index) => ({
      pubkey: pubkeyOf(index),
      index,
      stage: cluster.stage === "unknown" || (cluster.stage === "queued" && cluster.deposited !== true) ? "not_deposited" : cluster.stage === "queued" ? "pending" : "active",
      activation_ms: cluster.stage === "queued" && cluster.deposited === true ? START_MS + 31 * 3_600_000 : null,
      fee_recipient: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
      withdrawal_address: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    })),
  };
}

/** A key that is the validator's and no other's. */
export function pubkeyOf(validator: string): string {
  const digits = ((Number(validator) * 2_654_435_761) >>> 0).toString(16).padStart(8, "0");
  return `0x${digits.repeat(12)}`;
}
