import type { Change, NodeView, Update } from "$api";

import { unreachable } from "../lib/unreachable";

/** Brings a view up to date; `null` when the update is for another view, which is then as it was. */
export function applyUpdate(view: NodeView, update: Update): NodeView | null {
  if (update.after !== view.seq) return null;
  const { seq, at_ms, slot } = update;
  return update.changes.reduce(change, { ...view, seq, at_ms, slot });
}

function change(view: NodeView, change: Change): NodeView {
  switch (change.part) {
    case "node":
      return { ...view, node: change.now };
    case "network":
      return { ...view, network: change.now };
    case "beacons":
      return { ...view, beacons: change.now };
    case "cluster": {
      const { now } = change;
      return { ...view, clusters: view.clusters.map((cluster) => (cluster.id === now.id ? now : cluster)) };
    }
    case "clusters":
      return { ...view, clusters: change.now };
    case "left_out":
      return { ...view, left_out: change.now };
    case "channels":
      return { ...view, channels: change.now };
    case "checks":
      return { ...view, checks: change.now };
    case "telling":
      return { ...view, telling: change.now };
    case "alerts":
      return { ...view, alerts: change.now };
    case "health":
      return { ...view, health: change.now };
    default:
      return unreachable(change);
  }
}
