import type { ClusterView, Health, SeatView } from "$api";

import { atClock, howLong } from "../lib/format";
import { t } from "../lib/messages";
import { called } from "./words";

/** A message to send to an operator who is dark, by whatever the group talks with. */
export function noteToDark(seat: SeatView, cluster: ClusterView, nowMs: number): string {
  const long = seat.last_seen_ms === null ? null : howLong(nowMs - seat.last_seen_ms);
  const since =
    long === null
      ? t("note.dark.unseen", { name: called(seat), cluster: cluster.name })
      : t("note.dark.since", { name: called(seat), cluster: cluster.name, long });
  const { here } = cluster.health;
  const state =
    here >= cluster.needed
      ? t("note.dark.goesOn", { here, needed: cluster.needed })
      : t("note.dark.stopped", { here, needed: cluster.needed });
  return `${since} ${state} ${t("note.dark.ask")}`;
}

/** The state for a chat. */
export function statusForChat(cluster: ClusterView | null, health: Health, atMs: number): string {
  const name = cluster?.name ?? t("app.name");
  return t("note.status", { name, sentence: health.sentence, at: atClock(atMs) });
}
