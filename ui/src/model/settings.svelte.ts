import type { ChangeSettingsRequest, SettingsReply, UiError } from "$api";

import type { Backend } from "../backend/backend";
import { asUiError } from "../backend/errors";
import type { App } from "./app.svelte";

const UNCHANGED: Omit<ChangeSettingsRequest, "cluster"> = {
  beacon_nodes: null,
  nickname: null,
  time_servers: null,
  listen: null,
  peers: null,
  relays: null,
  metrics: null,
};

/** The node's settings as a screen shows and changes them. */
export class SettingsModel {
  reply = $state.raw<SettingsReply | null>(null);
  error = $state.raw<UiError | null>(null);
  busy = $state(false);
  /** Whether the last change was taken. */
  saved = $state(false);

  /** `cluster`: whose settings; the node's own where that is null. */
  constructor(
    readonly backend: Backend,
    readonly cluster: string | null = null,
  ) {}

  load(): Promise<boolean> {
    return this.#run(() => this.backend.call("settings", { cluster: this.cluster }), false);
  }

  change(change: Partial<ChangeSettingsRequest>): Promise<boolean> {
    return this.#run(() => this.backend.call("change_settings", { ...UNCHANGED, ...change, cluster: this.cluster }), true);
  }

  async #run(work: () => Promise<SettingsReply>, changes: boolean): Promise<boolean> {
    this.busy = true;
    this.saved = false;
    this.error = null;
    try {
      this.reply = await work();
      this.saved = changes;
      return true;
    } catch (thrown) {
      this.error = asUiError(thrown);
      return false;
    } finally {
      this.busy = false;
    }
  }
}

/** The node's settings for a screen: asked for when it opens, and again when the node comes back. */
export function followSettings(app: App): SettingsModel {
  const settings = new SettingsModel(app.backend);
  const connected = $derived(!app.node.stale);
  $effect(() => {
    if (connected) void settings.load();
  });
  return settings;
}
