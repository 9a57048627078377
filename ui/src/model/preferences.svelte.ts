export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];
export const MOTIONS = ["system", "less"] as const;
export type Motion = (typeof MOTIONS)[number];
export const LAYOUTS = ["ring", "table"] as const;
export type Layout = (typeof LAYOUTS)[number];

/** Steps of the setup, in their order. */
export const STEPS = ["how", "network", "beacon", "checks", "running", "name", "done"] as const;
export type Step = (typeof STEPS)[number];

type Kept = { setup: Step; theme: Theme; motion: Motion; technical: boolean; operators: Layout };

const KEY = "hearth.preferences";
const DEFAULTS: Kept = { setup: "how", theme: "system", motion: "system", technical: false, operators: "ring" };

/** What the owner chose for this window. Kept in the browser's storage. */
export class Preferences {
  #kept = $state.raw<Kept>(DEFAULTS);

  constructor(readonly storage: Pick<Storage, "getItem" | "setItem">) {
    this.#kept = read(storage.getItem(KEY));
  }

  /** Where the setup was left. */
  get setup(): Step {
    return this.#kept.setup;
  }
  set setup(setup: Step) {
    this.#keep({ setup });
  }

  get theme(): Theme {
    return this.#kept.theme;
  }
  set theme(theme: Theme) {
    this.#keep({ theme });
  }

  get motion(): Motion {
    return this.#kept.motion;
  }
  set motion(motion: Motion) {
    this.#keep({ motion });
  }

  get technical(): boolean {
    return this.#kept.technical;
  }
  set technical(technical: boolean) {
    this.#keep({ technical });
  }

  get operators(): Layout {
    return this.#kept.operators;
  }
  set operators(operators: Layout) {
    this.#keep({ operators });
  }

  #keep(change: Partial<Kept>): void {
    this.#kept = { ...this.#kept, ...change };
    this.storage.setItem(KEY, JSON.stringify(this.#kept));
  }
}

/** What was kept, as far as it can be read; defaults for the rest. */
function read(text: string | null): Kept {
  let found: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(text ?? "{}");
    if (typeof parsed === "object" && parsed !== null) found = { ...parsed };
  } catch {
    // Unreadable: as if nothing had been kept.
  }
  const { setup, theme, motion, technical, operators } = found;
  return {
    setup: STEPS.find((known) => known === setup) ?? DEFAULTS.setup,
    theme: THEMES.find((known) => known === theme) ?? DEFAULTS.theme,
    motion: MOTIONS.find((known) => known === motion) ?? DEFAULTS.motion,
    technical: technical === true,
    operators: LAYOUTS.find((known) => known === operators) ?? DEFAULTS.operators,
  };
}
