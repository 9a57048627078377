import { howLong } from "../../lib/format";
import { t } from "../../lib/messages";
import { STEPS, type Step } from "../../model/preferences.svelte";

const MINUTE_MS = 60_000;
/** How long a step takes, roughly. */
const LONG_MS: Record<Exclude<Step, "done">, number> = {
  how: 2 * MINUTE_MS,
  network: MINUTE_MS,
  beacon: 2 * MINUTE_MS,
  checks: MINUTE_MS,
  running: MINUTE_MS,
  name: MINUTE_MS,
};

export function stepOf(text: string): Step | null {
  return STEPS.find((known) => known === text) ?? null;
}

export function stepName(step: Step): string {
  return t(`setup.${step}`);
}

/** Where one is, and how long it takes. */
export function stepPlace(step: Step): string {
  if (step === "done") return t("setup.placeLast", { n: STEPS.length });
  return t("setup.place", { n: STEPS.indexOf(step) + 1, of: STEPS.length, long: howLong(LONG_MS[step]) });
}

/** The step before or after. */
export function beside(step: Step, by: -1 | 1): Step | null {
  return STEPS[STEPS.indexOf(step) + by] ?? null;
}
