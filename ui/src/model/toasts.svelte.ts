import type { Clock } from "../lib/clock";

/** A way back, if there is one. */
export type Undo = { label: string; act: () => void };
export type Toast = { id: number; text: string; undo: Undo | null };

const SHOWN_MS = 6_000;
/** One with a way back. Source: ux.md 3.10, grade 1. */
const UNDO_MS = 10_000;

/** Short notes on what was just done. */
export class Toasts {
  #list = $state.raw<readonly Toast[]>([]);
  #next = 1;

  readonly list = $derived(this.#list);

  constructor(readonly clock: Clock) {}

  say(text: string, undo: Undo | null = null): void {
    const id = this.#next++;
    this.#list = [...this.#list.slice(-2), { id, text, undo }];
    this.clock.after(undo === null ? SHOWN_MS : UNDO_MS, () => {
      this.dismiss(id);
    });
  }

  dismiss(id: number): void {
    this.#list = this.#list.filter((toast) => toast.id !== id);
  }
}
