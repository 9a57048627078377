import type { Clock } from "../lib/clock";

/** How long something may take before the window shows that it takes long. */
const PATIENCE_MS = 300;

/** Becomes `over` a moment after it was made. */
export class Delay {
  over = $state(false);

  constructor(clock: Clock) {
    clock.after(PATIENCE_MS, () => {
      this.over = true;
    });
  }
}
