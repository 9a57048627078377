import type { NodeView } from "$api";

/** Times that messages to each operator took, latest last, since the window opened. */
export type PathTimes = ReadonlyMap<string, readonly number[]>;

export const noTimes: PathTimes = new Map();

/** Kept for each operator, at most: about five minutes. */
export const KEPT = 60;

export function pathKey(cluster: string, seat: number): string {
  return `${cluster}/${seat}`;
}

/** One more measurement for each operator that has one. */
export function recordTimes(times: PathTimes, view: NodeView): PathTimes {
  const next = new Map<string, readonly number[]>();
  for (const cluster of view.clusters) {
    for (const seat of cluster.seats) {
      const key = pathKey(cluster.id, seat.number);
      const before = times.get(key) ?? [];
      const now = seat.rtt_ms === null ? before : [...before, seat.rtt_ms].slice(-KEPT);
      if (now.length > 0) next.set(key, now);
    }
  }
  return next;
}
