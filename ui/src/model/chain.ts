import type { DutyMark, DutyRecord, Mark } from "$api";

/** Whether the duty was done for the validator at this position, as `DutyRecord::was_done` of hearth-api says. */
export function wasDone({ outcome, on_chain }: DutyRecord, position: number): boolean | null {
  if (outcome.kind === "waiting") return null;
  const here = outcome.kind === "sent";
  const delay = on_chain?.delays[position];
  if (on_chain === null || delay === undefined) return here;
  return delay !== null || on_chain.settled ? delay !== null : here;
}

/** Positions of all its validators, or of one that is named; one without a name where they are not known. */
function positions({ validators }: DutyRecord, validator: string | null): number[] {
  if (validator !== null) return [validators.indexOf(validator)];
  return validators.length === 0 ? [0] : [...validators.keys()];
}

/** The greatest inclusion delay, in slots, of those that are known. */
export function worstDelay(duty: DutyRecord, validator: string | null = null): number | null {
  const known = positions(duty, validator).flatMap((position) => duty.on_chain?.delays[position] ?? []);
  return known.length === 0 ? null : Math.max(...known);
}

/** What became of a duty in one sign, as `DutyRecord::mark` of hearth-api says; for one of its validators where one is named. */
export function markOf(duty: DutyRecord, validator: string | null = null): Mark {
  const each = positions(duty, validator).map((position) => wasDone(duty, position));
  if (each.includes(null)) return "waiting";
  if (each.includes(false)) return "missed";
  return (worstDelay(duty, validator) ?? 0) > (duty.on_chain?.best ?? Infinity) ? "late" : "done";
}

/** What blocks have of an attestation. */
export type ChainVerdict =
  | { kind: "unknown" }
  | { kind: "awaited" }
  | { kind: "included"; delay: number; late: boolean; best: number }
  | { kind: "partly"; found: number; all: number; settled: boolean }
  | { kind: "absent" };

export function chainVerdict(duty: DutyRecord): ChainVerdict {
  const { on_chain } = duty;
  if (on_chain === null) return { kind: "unknown" };
  const { delays, settled, best } = on_chain;
  const found = delays.filter((delay) => delay !== null);
  const delay = Math.max(...found);
  if (found.length === 0) return { kind: settled ? "absent" : "awaited" };
  if (found.length < delays.length) return { kind: "partly", found: found.length, all: delays.length, settled };
  return { kind: "included", delay, best: best ?? delay, late: delay > (best ?? delay) };
}

/** Another text whenever something became of the latest duties. */
export function signOf(strip: readonly DutyMark[]): string {
  return strip.map(({ slot, kind, mark, delay }) => `${slot} ${kind} ${mark} ${delay ?? ""}`).join();
}
