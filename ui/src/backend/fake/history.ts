import type { DutyRecord, HistoryReply, Period, Tally } from "$api";

import { wasDone } from "../../model/chain";

const HOUR_MS = 3_600_000;
const LENGTH: Record<Period, { all: number; step: number }> = {
  day: { all: 24 * HOUR_MS, step: HOUR_MS },
  week: { all: 7 * 24 * HOUR_MS, step: 6 * HOUR_MS },
  month: { all: 30 * 24 * HOUR_MS, step: 24 * HOUR_MS },
};

/** Duties, counted; see history.rs of hearth-api. */
export function total(duties: readonly DutyRecord[], validator: string | null = null): Tally {
  const each = duties.flatMap((duty) =>
    duty.validators.flatMap((one, position) => (validator === null || one === validator ? [{ duty, position }] : [])),
  );
  const times = each.flatMap(({ duty }) => duty.trace.sent_ms ?? []);
  const delays = each.flatMap(({ duty, position }) => duty.on_chain?.delays[position] ?? []);
  const verdicts = each.map(({ duty, position }) => wasDone(duty, position));
  return {
    done: verdicts.filter((done) => done === true).length,
    missed: verdicts.filter((done) => done === false).length,
    mean_sent_ms: mean(times),
    included: delays.length,
    mean_delay_milli: mean(delays.map((delay) => delay * 1_000)),
  };
}

function mean(numbers: readonly number[]): number | null {
  return numbers.length === 0 ? null : Math.floor(numbers.reduce((sum, one) => sum + one, 0) / numbers.length);
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
    validators: [...validators]
      .map(([validator, list]) => ({ validator, tally: total(list, validator) }))
      .sort((a, b) => b.tally.missed - a.tally.missed || Number(a.validator) - Number(b.validator)),
    operators: seats.map((number) => ({
      number,
      signed: within.filter(({ signers }) => signers.includes(number)).length,
      of: within.length,
    })),
  };
}
