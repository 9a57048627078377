import type { HistoryReply, NetworkView, Tally } from "$api";

/** One step of a period on a chart: where it stands, from 0 to 1, and what became of its duties. */
export type Bar = { from_ms: number; at: number; width: number; tally: Tally; permille: number };

/** Duties done of a thousand; `null` where there were none. */
export function permille({ done, missed }: Pick<Tally, "done" | "missed">): number | null {
  return done + missed === 0 ? null : Math.floor((done * 1_000) / (done + missed));
}

/** The first slot after a moment: all duties of before it are of slots before that. */
export function slotAfter(ms: number, { genesis_ms, slot_ms }: NetworkView): string {
  return String(Math.max(0, Math.floor((ms - genesis_ms) / slot_ms) + 1));
}

/** "99.4 %", rounded down: only what is perfect is called 100. */
export function percent(thousandths: number | null): string {
  if (thousandths === null) return "–";
  return thousandths % 10 === 0 ? `${thousandths / 10} %` : `${(thousandths / 10).toFixed(1)} %`;
}

/** The steps of a period that had duties, by time. */
export function bars({ from_ms, until_ms, steps }: HistoryReply, stepMs: number): Bar[] {
  const all = Math.max(1, until_ms - from_ms);
  return steps.flatMap(({ from_ms: began, tally }) => {
    const share = permille(tally);
    if (share === null) return [];
    const width = Math.min(stepMs, until_ms - began) / all;
    return [{ from_ms: began, at: (began - from_ms) / all, width, tally, permille: share }];
  });
}

/** "1.25", from thousandths of a slot, rounded up: only what is perfect is called 1. */
export function slots(thousandths: number | null): string {
  if (thousandths === null) return "–";
  return thousandths % 1_000 === 0 ? String(thousandths / 1_000) : (Math.ceil(thousandths / 10) / 100).toFixed(2);
}
