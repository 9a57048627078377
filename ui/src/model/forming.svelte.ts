import type { Forming, UiError } from "$api";

import { asUiError } from "../backend/errors";
import type { CommandName, RequestOf } from "../backend/backend";
import type { App } from "./app.svelte";

/** Between two looks at how the others are. */
const LOOK_MS = 1_000;

/** What can be done about the cluster that is being formed. Each answers with how things stand then. */
type FormingCommand = Extract<
  CommandName,
  "plan_cluster" | "take_seat" | "prepare_record" | "set_definition" | "save_invite" | "name_seat" | "reopen_seat" | "agree" | "set_ready" | "begin_ceremony" | "leave_forming"
>;

/** The cluster that is being formed, looked at again and again while somebody watches. */
export class FormingModel {
  /** `undefined` until the node has answered. */
  forming = $state.raw<Forming | null | undefined>(undefined);
  /** Why the last thing that was wanted was not done. */
  refused = $state.raw<UiError | null>(null);
  /** Why the node does not say how things stand. */
  silent = $state.raw<UiError | null>(null);
  busy = $state(false);
  /** The seat whose invitation is shown as a picture. */
  codeOf = $state<number | null>(null);
  #looks = 0;

  constructor(readonly app: App) {}

  /** Looks until the returned function is called. */
  follow(): () => void {
    void this.look();
    return this.app.clock.every(LOOK_MS, () => {
      void this.look();
    });
  }

  async look(): Promise<void> {
    const look = ++this.#looks;
    try {
      const { forming } = await this.app.backend.call("forming", { code_of: this.codeOf });
      // What was done meanwhile is newer than what was seen.
      if (look !== this.#looks) return;
      this.forming = forming;
      this.silent = null;
    } catch (thrown) {
      if (look === this.#looks) this.silent = asUiError(thrown);
    }
  }

  /** Does something. Returns whether it was done. */
  async act<C extends FormingCommand>(command: C, request: RequestOf<C>): Promise<boolean> {
    this.busy = true;
    this.refused = null;
    this.#looks += 1;
    try {
      const { forming } = await this.app.backend.call(command, request);
      this.#looks += 1;
      this.forming = forming;
      return true;
    } catch (thrown) {
      this.refused = asUiError(thrown);
      return false;
    } finally {
      this.busy = false;
    }
  }

  async show(seat: number | null): Promise<void> {
    this.codeOf = seat;
    await this.look();
  }
}
