import { createContext } from "svelte";
import { SvelteSet } from "svelte/reactivity";

import type { Backend } from "../backend/backend";
import type { Clock } from "../lib/clock";
import { t } from "../lib/messages";
import { parseRoute } from "../lib/router";
import { NodeModel } from "./node.svelte";
import { Preferences } from "./preferences.svelte";
import { Router } from "./router.svelte";
import { Toasts } from "./toasts.svelte";

/** What every screen can reach. */
export class App {
  readonly node: NodeModel;
  readonly router: Router;
  readonly preferences: Preferences;
  readonly toasts: Toasts;
  /** Clusters that were seen waiting for their first duty. */
  readonly unlit = new SvelteSet<string>();
  /** Whether a demo stands in place of the owner's node. */
  demo = $state(false);
  /** Dialogs that can be opened from anywhere; one at a time. */
  dialog = $state.raw<"palette" | "stop" | null>(null);

  constructor(
    readonly backend: Backend,
    readonly clock: Clock,
    readonly window: Window,
  ) {
    this.node = new NodeModel(backend, clock);
    this.router = new Router(window);
    this.preferences = new Preferences(window.localStorage);
    this.toasts = new Toasts(clock);
  }

  follow(): () => void {
    const { app } = this.backend;
    void this.#lookForDemo();
    const touched = new AbortController();
    for (const sign of ["pointermove", "pointerdown", "keydown", "wheel", "focus"]) {
      this.window.addEventListener(sign, () => { this.node.touch(); }, { passive: true, signal: touched.signal });
    }
    const stops = [
      () => { touched.abort(); },
      // Before the node is followed: that tells the app that this page listens.
      ...(app === null ? [] : [app.onGo((to) => { this.go(to); })]),
      this.node.follow(),
      this.router.follow(),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  async startDemo(): Promise<void> {
    await this.backend.app?.startDemo();
    await this.#lookForDemo();
    this.router.go({ name: "home" });
  }

  async leaveDemo(): Promise<void> {
    await this.backend.app?.leaveDemo();
    await this.#lookForDemo();
    this.router.go({ name: "home" });
  }

  async #lookForDemo(): Promise<void> {
    const info = await this.backend.app?.info().catch(() => null);
    this.demo = info?.demo ?? false;
  }

  /** Goes where the app outside the page wants: to a route, or to a dialog. */
  go(to: string): void {
    void this.#lookForDemo();
    this.dialog = to === "stop" ? "stop" : null;
    if (to !== "stop") this.router.go(parseRoute(to));
  }

  async copy(text: string, note: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.toasts.say(note);
    } catch {
      this.toasts.say(t("copy.failed"));
    }
  }
}

export const [useApp, provideApp] = createContext<App>();
