import type { Clock } from "../../lib/clock";
import { systemClock } from "../../lib/clock";

/** A Saturday afternoon: every run of the fake begins then. */
export const START_MS = Date.UTC(2026, 10, 21, 14, 2, 7);

/** Runs as the system's does, from another beginning. */
export class RunningClock implements Clock {
  readonly #startedMs = systemClock.now();
  readonly every = systemClock.every.bind(systemClock);
  readonly after = systemClock.after.bind(systemClock);

  now(): number {
    return START_MS + systemClock.now() - this.#startedMs;
  }
}

type Timer = { dueMs: number; act(): void; everyMs: number | null };

/** Stands still until it is moved. */
export class HeldClock implements Clock {
  #nowMs = START_MS;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#nowMs;
  }

  every(ms: number, act: () => void): () => void {
    return this.#add({ dueMs: this.#nowMs + ms, act, everyMs: ms });
  }

  after(ms: number, act: () => void): () => void {
    return this.#add({ dueMs: this.#nowMs + ms, act, everyMs: null });
  }

  /** Moves on, and does in its order what becomes due. */
  advance(ms: number): void {
    const until = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.dueMs <= until).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (due === undefined) break;
      this.#nowMs = due.dueMs;
      if (due.everyMs === null) this.#timers.delete(due);
      else due.dueMs += due.everyMs;
      due.act();
    }
    this.#nowMs = until;
  }

  #add(timer: Timer): () => void {
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }
}
