import type { DutyRecord, HistoryReply, Period, Tally } from "$api";

const HOUR_MS = 3_600_000;
const LENGTH: Record<Period, { all: number; step: number }> = {
  day: { all: 24 * HOUR_MS, step: HOUR_MS },
  week: { all: 7 * 24 * HOUR_MS, step: 6 * HOUR_MS },
  month: { all: 30 * 24 * HOUR_MS, step: 24 * HOUR_MS },
};

/** Duties, counted; see history.rs of hearth-api. */
export function total(duties: readonly DutyRecord[]): Tally {
  const sent = duties.filter(({ outcome }) => outcome.kind === "sent");
  const times = sent.flatMap(({ trace }) => trace.sent_ms ?? []);
  return {
    done: sent.length,
    missed: duties.filter(({ outcome }) => outcome.kind === "missed").length,
    mean_sent_ms: times.length === 0 ? null : Math.round(times.reduce((sum, ms) => sum + ms, 0) / times.length),
  };
}

export function history(duties: readonly DutyRecord[], period: Period, seats: readonly number[], nowMs: number): HistoryReply {
  const { all, step } = LENGTH[period];
  const from_ms = Math.floor((nowMs - all) / HOUR_MS) * HOUR_MS;
  const within = duties.filter(({ due_ms, outcome }) => due_ms >= from_ms && outcome.kind !== "waiting");
  const grouped = <Key>(keys: (duty: DutyRecord) => readonly Key[]): Map<Key, DutyRecord[]> => {
    const groups = new Map<Key, DutyRecord[]>();
    for (const duty of within) for (const key of keys(duty)) groups.set(key, [...(groups.get(key) ?? []), duty]);
    return groups;
  };
  const steps = grouped(({ due_ms }) => [from_ms + Math.floor((due_ms - from_ms) / step) * step]);
  const validators = grouped(({ validators }) => validators);
  return {
    from_ms,
    until_ms: nowMs,
    total: total(within),
    steps: [...steps].sort(([a], [b]) => a - b).map(([at, list]) => ({ from_ms: at, tally: total(list) })),
    validators: [...validators].map(([validator, list]) => ({ validator, tally: total(list) })),
    operators: seats.map((number) => ({
      number,
      signed: within.filter(({ signers }) => signers.includes(number)).length,
      of: within.length,
    })),
  };
}
