import type { NodeView } from "$api";
import { describe, expect, test } from "vitest";

import type { Backend, News } from "../../src/backend/backend";
import { HeldClock } from "../../src/backend/fake/clocks";
import { difference } from "../../src/backend/fake/difference";
import { World } from "../../src/backend/fake/world";
import { NodeModel } from "../../src/model/node.svelte";

/** A model on a node that says what the test wants. */
function model(): { node: NodeModel; clock: HeldClock; tell: (news: News) => void; resyncs: () => number } {
  const clock = new HeldClock();
  let hear: (news: News) => void = () => undefined;
  let asked = 0;
  const backend: Backend = {
    app: null,
    call: () => Promise.reject(new Error("not asked for")),
    follow: (to) => {
      hear = to;
      return () => undefined;
    },
    resync: () => {
      asked += 1;
    },
  };
  const node = new NodeModel(backend, clock);
  node.follow();
  return { node, clock, tell: (news) => { hear(news); }, resyncs: () => asked };
}

describe("the model of the node", () => {
  const world = new World();
  const next = (clock: HeldClock): NodeView => {
    world.seq += 1;
    return world.view(clock.now());
  };

  test("shows at most ten views a second, and the last of those that came", () => {
    const { node, clock, tell } = model();
    let view = next(clock);
    tell({ kind: "event", event: { snapshot: view } });
    const shown = new Set([node.view?.seq]);
    for (let ms = 0; ms < 1_000; ms += 10) {
      world.node = { kind: "starting", waiting_for: `step ${ms}` };
      const now = next(clock);
      tell({ kind: "event", event: { update: difference(view, now) } });
      view = now;
      clock.advance(10);
      shown.add(node.view?.seq);
    }
    world.node = { kind: "running" };
    expect(shown.size).toBeGreaterThan(5);
    expect(shown.size).toBeLessThanOrEqual(11);
    clock.advance(100);
    expect(node.view?.seq).toBe(view.seq);
  });

  test("draws every half minute once nobody has touched it for a minute, and at once when somebody does or the node falls silent", () => {
    const { node, clock, tell } = model();
    tell({ kind: "event", event: { snapshot: next(clock) } });
    const drawings = (seconds: number): number => {
      const shown = new Set<number>();
      for (let second = 0; second < seconds; second += 1) {
        clock.advance(1_000);
        shown.add(node.nowMs);
      }
      return shown.size;
    };
    expect(drawings(60)).toBe(60);
    tell({ kind: "event", event: { snapshot: next(clock) } });
    clock.advance(200);
    expect(node.stale).toBe(false);
    clock.advance(16_000);
    expect(node.stale).toBe(true);
    expect(drawings(60)).toBeLessThanOrEqual(3);
    const before = node.nowMs;
    clock.advance(1_000);
    node.touch();
    expect(node.nowMs).toBeGreaterThan(before);
    expect(drawings(10)).toBe(10);
  });

  test("draws numbers that never rest once a second, and what matters at once", () => {
    const { node, clock, tell } = model();
    let view = next(clock);
    tell({ kind: "event", event: { snapshot: view } });
    const shown = new Set([node.view?.seq]);
    const come = (): void => {
      const now = next(clock);
      tell({ kind: "event", event: { update: difference(view, now) } });
      view = now;
      clock.advance(50);
      shown.add(node.view?.seq);
    };
    for (let ms = 0; ms < 3_000; ms += 50) come();
    expect(shown.size).toBeLessThanOrEqual(4);
    world.clusters[0]?.awaySinceMs.set(1, clock.now());
    come();
    clock.advance(100);
    world.clusters[0]?.awaySinceMs.delete(1);
    expect(node.view?.clusters[0]?.seats[0]?.state).toBe("dark");
  });

  test("asks once for a snapshot when an update went astray, and shows what it held until then", () => {
    const { node, clock, tell, resyncs } = model();
    const [first, second, third, fourth] = [next(clock), next(clock), next(clock), next(clock)];
    tell({ kind: "event", event: { snapshot: first } });
    tell({ kind: "event", event: { update: difference(second, third) } });
    tell({ kind: "event", event: { update: difference(third, fourth) } });
    clock.advance(100);
    expect([resyncs(), node.view?.seq]).toEqual([1, first.seq]);
    tell({ kind: "event", event: { snapshot: fourth } });
    clock.advance(100);
    expect([resyncs(), node.view?.seq]).toEqual([1, fourth.seq]);
  });

  test("calls a silent node unknown after fifteen seconds, and believes it again when it is back", () => {
    const { node, clock, tell } = model();
    tell({ kind: "event", event: { snapshot: next(clock) } });
    clock.advance(15_000);
    expect(node.health.flame).toBe("lit");
    clock.advance(1_000);
    expect([node.stale, node.health.flame]).toEqual([true, "ash"]);
    tell({ kind: "event", event: { snapshot: next(clock) } });
    clock.advance(100);
    expect([node.stale, node.health.flame]).toEqual([false, "lit"]);
  });
});
