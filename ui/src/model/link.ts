import { STALE_MS, type Health, type NodeView, type UiError } from "$api";

import type { News } from "../backend/backend";
import { t } from "../lib/messages";
import { applyUpdate } from "./apply";

/** What is known of the node, and of the way to it. */
export type Link = {
  readonly view: NodeView | null;
  /** Why nothing comes; `null` while something does, or while it is not known yet. */
  readonly lost: UiError | null;
  /** Whether what is held does not fit what came. Then nothing is applied until a snapshot comes. */
  readonly gap: boolean;
};

export const noLink: Link = { view: null, lost: null, gap: false };

/** What is known after the news. */
export function hear(link: Link, news: News): Link {
  if (news.kind === "lost") return { ...link, lost: news.error };
  if (news.kind === "connected") return link.lost === null ? link : { ...link, lost: null };
  const { event } = news;
  if ("snapshot" in event) return { view: event.snapshot, lost: null, gap: false };
  if (link.gap) return link;
  const view = link.view === null ? null : applyUpdate(link.view, event.update);
  return view === null ? { ...link, gap: true } : { view, lost: null, gap: false };
}

/** Whether one differs from the other in nothing but numbers that never rest: times of messages, heads, what was measured. */
export function trembles(before: Link, after: Link): boolean {
  if (before.view === null || after.view === null || before.lost !== after.lost || before.gap !== after.gap) return false;
  return still(before.view) === still(after.view);
}

function still(view: NodeView): string {
  const beacons = view.beacons.map((one) => ({ ...one, head_slot: null, latency_ms: null, head_delay_ms: null }));
  const clusters = view.clusters.map((cluster) => ({
    ...cluster,
    seats: cluster.seats.map((seat) => ({ ...seat, rtt_ms: null, last_seen_ms: null, clock_offset_ms: null })),
  }));
  return JSON.stringify({ ...view, seq: 0, at_ms: 0, slot: null, checks: null, beacons, clusters });
}

/** Whether a view says nothing about now. */
export function isStale(view: NodeView | null, nowMs: number): boolean {
  return view === null || nowMs - view.at_ms > STALE_MS;
}

/** A verdict as it has to be shown: as it came, unless the view is too old. */
export function seenAt(health: Health | null, stale: boolean): Health {
  return health !== null && !stale ? health : { flame: "ash", sentence: t("state.notConnected"), here: 0, spare: 0 };
}
