import { untrack } from "svelte";

import type { UiError } from "$api";

import type { Backend, CommandName, ReplyTo, RequestOf } from "../backend/backend";
import { asUiError } from "../backend/errors";

/** An answer, on its way or there. */
export type Answer<T> =
  | { kind: "nothing" }
  | { kind: "asking"; before: T | null }
  | { kind: "there"; reply: T; askedMs: number }
  | { kind: "failed"; error: UiError; before: T | null };

/** A question to the node that is asked again and again. The latest question wins, whatever order answers come in. */
export class Asked<C extends CommandName> {
  #answer = $state.raw<Answer<ReplyTo<C>>>({ kind: "nothing" });
  #asks = 0;
  #about: unknown = undefined;

  readonly answer = $derived(this.#answer);
  /** The latest answer, even while a newer one is on its way. */
  readonly latest: ReplyTo<C> | null = $derived(
    this.#answer.kind === "there" ? this.#answer.reply : this.#answer.kind === "nothing" ? null : this.#answer.before,
  );

  constructor(
    readonly backend: Backend,
    readonly command: C,
    readonly now: () => number,
  ) {}

  async ask(request: RequestOf<C>): Promise<void> {
    const ask = ++this.#asks;
    // An effect that asks shall not be one that follows the answer.
    const about = "cluster" in request ? request.cluster : undefined;
    // What is known of one cluster is not shown for another.
    const before = about === this.#about ? untrack(() => this.latest) : null;
    this.#about = about;
    this.#answer = { kind: "asking", before };
    try {
      const reply = await this.backend.call(this.command, request);
      if (ask === this.#asks) this.#answer = { kind: "there", reply, askedMs: this.now() };
    } catch (thrown) {
      if (ask === this.#asks) this.#answer = { kind: "failed", error: asUiError(thrown), before };
    }
  }
}
