import type { DutyKind, DutyOutcome, DutyRecord, NetworkView, OnChain, SeatView, Trace } from "$api";

/** What a cluster's duties depend on. */
export type Tended = {
  id: string;
  needed: number;
  seats: readonly SeatView[];
  validators: readonly string[];
  /** Since when an operator is away, by number. */
  awaySinceMs: ReadonlyMap<number, number>;
};

/** A number that looks random and is the same each time. */
function dice(...parts: number[]): number {
  let hash = 2_166_136_261;
  for (const part of parts) {
    hash = Math.imul(hash ^ (part & 0xffff), 16_777_619);
    hash = Math.imul(hash ^ (part >>> 16), 16_777_619);
    hash ^= hash >>> 13;
  }
  return hash >>> 0;
}

/** How many slots back the fake remembers. */
const MEMORY_SLOTS = 20_000;
const KEPT = 600;

const REASONS = [
  ["insufficient_peer_signatures", "collect"],
  ["fetch_bn_error", "fetch"],
  ["no_consensus", "agree"],
  ["broadcast_bn_error", "submit"],
] as const;

export class DutyBook {
  constructor(
    readonly network: NetworkView,
    readonly tended: Tended,
    /** One miss in so many. */
    readonly oneMissIn: number,
  ) {}

  slotAt(ms: number): number {
    return Math.floor((ms - this.network.genesis_ms) / this.network.slot_ms);
  }

  /** Newest first. */
  until(nowMs: number): DutyRecord[] {
    const last = this.slotAt(nowMs);
    const found: DutyRecord[] = [];
    for (let slot = last; slot > last - MEMORY_SLOTS && found.length < KEPT; slot -= 1) {
      for (const kind of this.#kinds(slot)) found.push(this.#record(slot, kind, nowMs));
    }
    return found;
  }

  next(nowMs: number): { slot: string; kind: DutyKind; due_ms: number } | null {
    const first = this.slotAt(nowMs) + 1;
    for (let slot = first; slot < first + 64; slot += 1) {
      const kind = this.#kinds(slot)[0];
      if (kind !== undefined) return { slot: String(slot), kind, due_ms: this.#dueMs(slot) };
    }
    return null;
  }

  #kinds(slot: number): DutyKind[] {
    const kinds: DutyKind[] = [];
    if (dice(slot, 7) % 601 === 0) kinds.push("proposer");
    if (this.#attesters(slot).length > 0) {
      kinds.push("attester");
      if (dice(slot, 11) % 9 === 0) kinds.push("aggregator");
    }
    return kinds;
  }

  #attesters(slot: number): string[] {
    const { slots_per_epoch } = this.network;
    const epoch = Math.floor(slot / slots_per_epoch);
    return this.tended.validators.filter(
      (_, index) => dice(index, epoch) % slots_per_epoch === slot % slots_per_epoch,
    );
  }

  #dueMs(slot: number): number {
    return this.network.genesis_ms + slot * this.network.slot_ms + this.network.slot_ms / 3;
  }

  #record(slot: number, kind: DutyKind, nowMs: number): DutyRecord {
    const dueMs = this.#dueMs(slot);
    const { id, needed, seats, validators, awaySinceMs } = this.tended;
    const away = (seat: SeatView): boolean => (awaySinceMs.get(seat.number) ?? Infinity) <= dueMs;
    const here = seats.filter((seat) => !away(seat)).map((seat) => seat.number);
    const jitter = dice(slot, 3) % 240;
    const mine = kind === "proposer" ? validators.slice(0, 1) : this.#attesters(slot);
    const base = {
      cluster: id,
      slot: String(slot),
      kind,
      due_ms: dueMs,
      validator_count: mine.length,
      validators: mine,
      leader: (slot % seats.length) + 1,
      round: dice(slot, 5) % 12 === 0 ? 2 : 1,
    };
    const full: Trace = {
      agreed_ms: 210 + jitter,
      signed_ms: 228 + jitter,
      complete_ms: 402 + jitter,
      sent_ms: 470 + jitter,
    };
    if (nowMs < dueMs + 470 + jitter) {
      return { ...base, on_chain: null, trace: none, signers: [], outcome: { kind: "waiting" } };
    }
    if (here.length < needed) {
      const trace = { ...full, complete_ms: null, sent_ms: null };
      const on_chain = kind === "attester" ? this.#onChain(slot, mine, false, nowMs) : null;
      return { ...base, on_chain, trace, signers: here, outcome: this.#miss(here, "insufficient_peer_signatures", "collect") };
    }
    if (dice(slot, 13) % this.oneMissIn === 0 && kind === "attester") {
      const [code, stage] = REASONS[dice(slot, 17) % REASONS.length] ?? REASONS[0];
      const signers = { fetch: [], agree: [], sign: [], collect: here.slice(0, needed - 1), submit: here }[stage];
      const trace = {
        agreed_ms: stage === "fetch" || stage === "agree" ? null : full.agreed_ms,
        signed_ms: stage === "fetch" || stage === "agree" ? null : full.signed_ms,
        complete_ms: stage === "submit" ? full.complete_ms : null,
        sent_ms: null,
      };
      // What only this node could not do, the others did.
      const on_chain = this.#onChain(slot, mine, stage === "submit", nowMs);
      return { ...base, on_chain, trace, signers, outcome: this.#miss(signers, code, stage) };
    }
    const on_chain = kind === "attester" ? this.#onChain(slot, mine, true, nowMs) : null;
    return { ...base, on_chain, trace: full, signers: here, outcome: { kind: "sent" } };
  }

  /** A vote is looked for two slots later. One in forty is late, one slot in thirty empty. */
  #onChain(slot: number, validators: readonly string[], given: boolean, nowMs: number): OnChain | null {
    const past = this.slotAt(nowMs) - slot;
    if (past < 2) return null;
    const best = dice(slot, 19) % 30 === 0 ? 2 : 1;
    const found = (index: number): number | null => {
      const delay = best + (dice(slot, index, 23) % 40 === 0 ? 1 + (dice(slot, 29) % 3) : 0);
      return given && past > delay ? delay : null;
    };
    const delays = validators.map((_, index) => found(index));
    const over = past > 2 * this.network.slots_per_epoch;
    return { delays, best, settled: over || delays.every((delay) => delay !== null) };
  }

  #miss(signers: readonly number[], code: string, stage: "fetch" | "agree" | "sign" | "collect" | "submit"): DutyOutcome {
    const { needed, seats } = this.tended;
    const missing = seats.filter((seat) => !signers.includes(seat.number)).map((seat) => seat.nickname ?? seat.number);
    const words: Record<string, [string, string | null]> = {
      fetch_bn_error: ["Your beacon node did not answer in time.", "Check your beacon node."],
      no_consensus: ["The operators did not agree in time.", null],
      insufficient_peer_signatures: [
        `Only ${signers.length} of the ${needed} needed signatures arrived.`,
        `Missing: ${missing.join(", ")}.`,
      ],
      broadcast_bn_error: [
        "The signature was there, but the beacon node did not take it.",
        "The detail has its answer.",
      ],
    };
    const [sentence, suggestion] = words[code] ?? ["", null];
    const detail = code === "broadcast_bn_error" ? "400: attestation is from the past" : "deadline of the duty passed";
    return { kind: "missed", stage, code, sentence, suggestion, detail };
  }
}

const none: Trace = { agreed_ms: null, signed_ms: null, complete_ms: null, sent_ms: null };
