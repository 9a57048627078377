import { href, parseRoute, type Route } from "../lib/router";

/** Where the window is. The address holds it, so that Back works. */
export class Router {
  #route = $state.raw<Route>(parseRoute(""));

  readonly route = $derived(this.#route);

  constructor(readonly window: Window) {
    this.#route = parseRoute(window.location.hash);
  }

  follow(): () => void {
    const read = (): void => {
      this.#route = parseRoute(this.window.location.hash);
    };
    this.window.addEventListener("hashchange", read);
    return () => {
      this.window.removeEventListener("hashchange", read);
    };
  }

  go(route: Route): void {
    this.window.location.hash = href(route);
  }

  /** Goes there without a step for Back: for what is opened and closed on one screen. */
  replace(route: Route): void {
    this.window.history.replaceState(null, "", href(route));
    this.#route = route;
  }
}
