import type { Clock } from "../lib/clock";

export type Toast = { id: number; text: string };

const SHOWN_MS = 6_000;

/** Short notes on what was just done. */
export class Toasts {
  #list = $state.raw<readonly Toast[]>([]);
  #next = 1;

  readonly list = $derived(this.#list);

  constructor(readonly clock: Clock) {}

  say(text: string): void {
    const id = this.#next++;
    this.#list = [...this.#list.slice(-2), { id, text }];
    this.clock.after(SHOWN_MS, () => {
      this.dismiss(id);
    });
  }

  dismiss(id: number): void {
    this.#list = this.#list.filter((toast) => toast.id !== id);
  }
}
