import type { ChannelsReply, ChannelTarget, ChannelView, QuietHours, Severity, Telling, UiError } from "$api";

import type { Backend } from "../backend/backend";
import { asUiError } from "../backend/errors";

/** What a channel was asked to do, and what became of it. */
export type Doing = "load" | "add" | "change" | "remove" | "test" | "telling";

/** The alert channels as a screen shows and changes them. */
export class ChannelsModel {
  channels = $state.raw<ChannelView[] | null>(null);
  /** What is told, and when. */
  telling = $state.raw<Telling | null>(null);
  error = $state.raw<UiError | null>(null);
  doing = $state<Doing | null>(null);
  /** What went well last. */
  done = $state<Doing | null>(null);

  constructor(readonly backend: Backend) {}

  load(): Promise<boolean> {
    return this.#run("load", () => this.backend.call("channels", {}));
  }

  /** Adds one, and sends a test through it. */
  async add(target: ChannelTarget, least: Severity): Promise<boolean> {
    const added = await this.#run("add", () => this.backend.call("set_channel", { id: null, target, least }));
    const id = this.channels?.at(-1)?.id;
    if (added && id !== undefined) await this.test(id);
    return added;
  }

  change(id: number, least: Severity): Promise<boolean> {
    return this.#run("change", () => this.backend.call("set_channel", { id, target: null, least }));
  }

  remove(id: number): Promise<boolean> {
    return this.#run("remove", () => this.backend.call("remove_channel", { id }));
  }

  test(id: number): Promise<boolean> {
    return this.#run("test", () => this.backend.call("test_channel", { id }));
  }

  setQuiet(hours: QuietHours | null): Promise<boolean> {
    return this.#run("telling", () => this.backend.call("set_quiet_hours", { hours }));
  }

  setDigest(on: boolean): Promise<boolean> {
    return this.#run("telling", () => this.backend.call("set_digest", { on }));
  }

  unmute(kind: string): Promise<boolean> {
    return this.#run("telling", () => this.backend.call("mute_kind", { kind, muted: false }));
  }

  async #run(doing: Doing, work: () => Promise<ChannelsReply>): Promise<boolean> {
    this.doing = doing;
    this.done = null;
    this.error = null;
    try {
      const reply = await work();
      this.channels = reply.channels;
      this.telling = reply.telling;
      this.done = doing;
      return true;
    } catch (thrown) {
      this.error = asUiError(thrown);
      // What did not arrive is said in the list as well.
      if (doing === "test") this.channels = (await this.backend.call("channels", {}).catch(() => null))?.channels ?? this.channels;
      return false;
    } finally {
      this.doing = null;
    }
  }
}
