import type { Alert, ClusterView, Flame, Health, NodeState } from "$api";

/** The verdict that the node would reach; see health.rs of hearth-api. */
export function judge(state: NodeState, cluster: ClusterView, alerts: readonly Alert[]): Health {
  const count = (...wanted: string[]): number => cluster.seats.filter((seat) => wanted.includes(seat.state)).length;
  const [here, unknown, { needed }] = [count("here", "slow"), count("unknown"), cluster];
  const open = alerts.filter((alert) => alert.severity !== "info" && alert.recovering_since_ms === null && (alert.rests === null || alert.severity === "critical"));
  const toDo = open.find((alert) => alert.action !== null)?.title;
  const amiss = open.find((alert) => alert.action === null)?.title;
  const present = `${here} of ${cluster.seats.length} operators here`;
  const verdict = (flame: Flame, sentence: string): Health => ({
    flame,
    sentence,
    here,
    spare: Math.max(0, here - needed),
  });
  if (state.kind === "starting") return verdict("working", `Starting: ${state.waiting_for}.`);
  if (state.kind === "stopping") return verdict("working", "Stopping: the duty under way is finished first.");
  if (cluster.refuses !== null) return verdict("dark", `Not signing: ${cluster.refuses}.`);
  if (here + unknown < needed) return verdict("dark", `Not signing: ${present}, ${needed} needed.`);
  if (here < needed) {
    return verdict("ash", `Looking for the other operators: ${present} so far, ${needed} needed.`);
  }
  if (toDo !== undefined) return verdict("needs_you", `Needs you: ${toDo}.`);
  if (here === needed) return verdict("low", `${present}, no one to spare.`);
  if (amiss !== undefined) return verdict("low", `${present}. ${amiss}.`);
  return verdict("lit", `${present}.`);
}
