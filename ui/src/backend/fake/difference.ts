import type { Change, NodeView, Update } from "$api";

/** What changed from `old` to `now`; see follow.rs of hearth-api. */
export function difference(old: NodeView, now: NodeView): Update {
  const changes: Change[] = [];
  const differs = (a: unknown, b: unknown): boolean => JSON.stringify(a) !== JSON.stringify(b);
  if (differs(old.node, now.node)) changes.push({ part: "node", now: now.node });
  if (differs(old.network, now.network)) changes.push({ part: "network", now: now.network });
  if (differs(old.beacons, now.beacons)) changes.push({ part: "beacons", now: now.beacons });
  if (differs(old.clusters.map(({ id }) => id), now.clusters.map(({ id }) => id))) {
    changes.push({ part: "clusters", now: now.clusters });
  } else {
    now.clusters.forEach((cluster, index) => {
      if (differs(old.clusters[index], cluster)) changes.push({ part: "cluster", now: cluster });
    });
  }
  if (differs(old.left_out, now.left_out)) changes.push({ part: "left_out", now: now.left_out });
  if (differs(old.channels, now.channels)) changes.push({ part: "channels", now: now.channels });
  if (differs(old.checks, now.checks)) changes.push({ part: "checks", now: now.checks });
  if (differs(old.telling, now.telling)) changes.push({ part: "telling", now: now.telling });
  if (differs(old.alerts, now.alerts)) changes.push({ part: "alerts", now: now.alerts });
  if (differs(old.health, now.health)) changes.push({ part: "health", now: now.health });
  return { after: old.seq, seq: now.seq, at_ms: now.at_ms, slot: now.slot, changes };
}
