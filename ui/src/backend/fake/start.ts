import type { Clock } from "../../lib/clock";
import type { CommandName } from "../backend";
import { PACE_MS } from "../../model/node.svelte";
import { FakeBackend } from "./backend";
import { HeldClock, RunningClock } from "./clocks";
import { SCENARIOS, type Act, type Scenario } from "./scenarios";
import { World } from "./world";

/** What a test in a browser holds the strings with. */
export type Strings = {
  advance(ms: number): void;
  act(act: Act): void;
  drop(): void;
  asked(command: CommandName): number;
};

declare global {
  interface Window {
    hearthFake?: Strings;
  }
}

export function startFake(name: string, held: boolean): { backend: FakeBackend; clock: Clock } {
  const world = new World();
  const scenario: Scenario = name in SCENARIOS ? (name as Scenario) : "calm";
  SCENARIOS[scenario](world);
  const clock = held ? new HeldClock() : new RunningClock();
  const backend = new FakeBackend(world, clock);
  const advance = (ms: number): void => {
    if (clock instanceof HeldClock) clock.advance(ms);
  };
  window.hearthFake = {
    advance,
    act: (act) => {
      backend.act(act);
      // Drawn before the test goes on.
      advance(PACE_MS);
    },
    drop: () => {
      backend.drop();
      advance(PACE_MS);
    },
    asked: (command) => backend.asked(command),
  };
  return { backend, clock };
}
