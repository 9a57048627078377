import type { ClusterView, Health, NodeView } from "$api";

import type { Backend } from "../backend/backend";
import type { Clock } from "../lib/clock";
import { hear, isStale, noLink, seenAt, trembles, type Link } from "./link";
import { noTimes, recordTimes, type PathTimes } from "./path-times";

/** Time that a node is given to answer before the window says that there is none. */
export const PATIENCE_MS = 3_000;

/** Shortest time between two views that are drawn: what comes faster is drawn together. */
export const PACE_MS = 100;

/** Between two looks at the clock. */
const TICK_MS = 1_000;

/** The same after nobody has touched the window for a while: each drawing costs more than all else that this page does. */
const RESTING_TICK_MS = 30_000;
const RESTING_AFTER_MS = 60_000;

/** The node as the window knows it. */
export class NodeModel {
  #link = $state.raw<Link>(noLink);
  #nowMs = $state(0);
  #times = $state.raw<PathTimes>(noTimes);
  readonly #sinceMs: number;
  #touchedMs: number;
  #draw: (() => void) | null = null;

  readonly nowMs = $derived(this.#nowMs);
  /** The same, for what shows no seconds: changes once a minute. */
  readonly minuteMs = $derived(Math.floor(this.#nowMs / 60_000) * 60_000);
  readonly view: NodeView | null = $derived(this.#link.view);
  readonly stale = $derived(isStale(this.#link.view, this.#nowMs));
  readonly health: Health = $derived(seenAt(this.#link.view?.health ?? null, this.stale));
  readonly lost = $derived(this.#link.lost);
  /** The first moments, in which it is not known yet whether there is a node. */
  readonly opening: boolean;
  readonly times = $derived(this.#times);

  constructor(
    readonly backend: Backend,
    readonly clock: Clock,
  ) {
    this.#nowMs = this.#sinceMs = this.#touchedMs = clock.now();
    this.opening = $derived(
      this.#link.view === null && this.#link.lost === null && this.#nowMs - this.#sinceMs < PATIENCE_MS,
    );
  }

  /** Somebody is there. */
  touch(): void {
    const rested = this.clock.now() - this.#touchedMs > RESTING_AFTER_MS;
    this.#touchedMs = this.clock.now();
    if (rested) this.#draw?.();
  }

  follow(): () => void {
    let heard = { link: noLink, times: noTimes };
    let drawnMs = -Infinity;
    let cancelDrawing: (() => void) | null = null;
    const draw = (): void => {
      cancelDrawing = null;
      drawnMs = this.#nowMs = this.clock.now();
      this.#link = heard.link;
      this.#times = heard.times;
    };
    this.#draw = draw;
    const stopHearing = this.backend.follow((news) => {
      const before = heard.link;
      const link = hear(before, news);
      const told = news.kind === "event" && link.view !== null;
      heard = { link, times: told ? recordTimes(heard.times, link.view) : heard.times };
      if (link.gap && !before.gap) this.backend.resync();
      // What trembles is drawn with the next tick.
      if (link === before || cancelDrawing !== null || (!this.stale && trembles(this.#link, link))) return;
      const wait = drawnMs + PACE_MS - this.clock.now();
      if (wait <= 0) draw();
      else cancelDrawing = this.clock.after(wait, draw);
    });
    const stopTicking = this.clock.every(TICK_MS, () => {
      const now = this.clock.now();
      const rests = now - this.#touchedMs > RESTING_AFTER_MS && now - drawnMs < RESTING_TICK_MS;
      // That the node has fallen silent is seen at once all the same.
      if (rests && isStale(heard.link.view, now) === this.stale) return;
      if (cancelDrawing === null) draw();
      else this.#nowMs = this.clock.now();
    });
    return () => {
      this.#draw = null;
      stopHearing();
      cancelDrawing?.();
      stopTicking();
    };
  }

  /** The cluster that an address names; the first where it names none. */
  chosen(id: string | null): ClusterView | null {
    return id === null ? (this.view?.clusters[0] ?? null) : this.cluster(id);
  }

  cluster(id: string): ClusterView | null {
    return this.view?.clusters.find((cluster) => cluster.id === id) ?? null;
  }

  /** The verdict on a cluster, as it has to be shown. */
  healthOf(cluster: ClusterView): Health {
    return seenAt(cluster.health, this.stale);
  }
}
