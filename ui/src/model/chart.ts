import type { HistoryReply, Tally } from "$api";

/** One step of a period on a chart: where it stands, from 0 to 1, and how much of it was done. */
export type Bar = { from_ms: number; at: number; width: number; done: number; missed: number; permille: number };

/** Duties done of a thousand; `null` where there were none. */
export function permille({ done, missed }: Tally): number | null {
  return done + missed === 0 ? null : Math.floor((done * 1_000) / (done + missed));
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
    return [{ from_ms: began, at: (began - from_ms) / all, width, done: tally.done, missed: tally.missed, permille: share }];
  });
}
