import { systemClock, type Clock } from "../lib/clock";
import type { Backend } from "./backend";

/** Finds the backend that fits where the window runs, with the clock that goes with it. */
export async function chooseBackend(): Promise<{ backend: Backend; clock: Clock } | null> {
  const asked = new URLSearchParams(location.search);
  if (__FAKE__) {
    const scenario = asked.get("fake");
    if (scenario !== null) {
      const { startFake } = await import("./fake/start");
      return startFake(scenario, asked.get("clock") === "held");
    }
  }
  if (__DEV_WS__) {
    const url = asked.get("ws");
    if (url !== null) {
      const { WebSocketBackend } = await import("./websocket");
      return { backend: new WebSocketBackend(url), clock: systemClock };
    }
  }
  if ("__TAURI_INTERNALS__" in window) {
    const { TauriBackend } = await import("./tauri");
    return { backend: new TauriBackend(), clock: systemClock };
  }
  return null;
}
