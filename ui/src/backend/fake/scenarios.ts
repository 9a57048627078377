import { alert } from "./alerts";
import { START_MS } from "./clocks";
import type { FormingStart } from "./forming";
import { beacon, guild, MAINNET, type World } from "./world";

const MINUTE = 60_000;

/** A node without a cluster that is forming one. */
function forms(world: World, start: FormingStart): void {
  world.clusters = [];
  world.forming = start;
}

/** What the world is like when the window opens. */
export const SCENARIOS = {
  calm: (world: World) => {
    past(world);
  },
  "never-troubled": () => undefined,
  mainnet: (world: World) => {
    world.network = MAINNET;
    past(world);
  },
  dark: (world: World) => {
    past(world);
    ACTS["maya-dark"](world, START_MS - 12 * MINUTE);
  },
  "not-signing": (world: World) => {
    ACTS["maya-dark"](world, START_MS - 40 * MINUTE);
    ACTS["tomas-dark"](world, START_MS - 26 * MINUTE);
  },
  troubled: (world: World) => {
    past(world);
    world.clusters.push(guild());
    ACTS["maya-dark"](world, START_MS - 12 * MINUTE);
    world.beacons.push({
      ...beacon("http://nas.local:5052", "Nimbus/v25.9.2", 0),
      state: "silent",
      latency_ms: null,
      head_slot: "4421102",
      last_error: "connection refused",
    });
    world.alerts.push(
      alert({ code: "beacon_node_down", url: "http://nas.local:5052" }, "warning", null, START_MS - 51 * MINUTE),
    );
    world.alerts.push(alert({ code: "relay_only", seat: 3, name: "Priya" }, "info", first(world), START_MS - 95 * MINUTE));
  },
  guild: (world: World) => {
    world.clusters = [guild()];
  },
  several: (world: World) => {
    world.clusters.push(guild());
    const [folder, reason] = ["office-old", "it holds key shares of validators that clusters/office holds as well"];
    world.leftOut.push({ folder, reason });
    world.alerts.push(alert({ code: "left_out", folder, reason }, "critical", null, START_MS - MINUTE));
  },
  starting: (world: World) => {
    world.node = { kind: "starting", waiting_for: "waiting for the beacon node" };
    world.network = null;
    world.beacons = [{ ...beacon("http://127.0.0.1:5052", "", 0), state: "unknown", version: null, latency_ms: null }];
    for (const cluster of world.clusters) {
      cluster.stage = "unknown";
      cluster.seats = cluster.seats.map((seat) =>
        seat.me ? seat : { ...seat, state: "unknown", path: "none", rtt_ms: null, client: null, version: null },
      );
    }
  },
  refusing: (world: World) => {
    for (const cluster of world.clusters) cluster.refuses = "the slashing record is damaged";
  },
  empty: (world: World) => {
    world.clusters = [];
  },
  defining: (world: World) => {
    forms(world, { organiser: false, stage: "defining", held: false });
  },
  inviting: (world: World) => {
    forms(world, { organiser: true, stage: "inviting", held: true });
  },
  agreeing: (world: World) => {
    forms(world, { organiser: false, stage: "agreeing", held: true });
  },
  gathering: (world: World) => {
    forms(world, { organiser: true, stage: "gathering", held: true });
  },
  ceremony: (world: World) => {
    forms(world, { organiser: false, stage: "ceremony", held: true, step: 3 });
  },
  "ceremony-failed": (world: World) => {
    const trouble = "operator 3 gave up: nothing happened for 60 s at step 1; waiting for operator 4";
    forms(world, { organiser: false, stage: "gathering", held: true, trouble });
  },
  formed: (world: World) => {
    forms(world, { organiser: true, stage: "formed", held: true });
  },
  withdrawn: (world: World) => {
    const trouble = "the organiser has withdrawn this invitation";
    forms(world, { organiser: false, stage: "refused", held: true, trouble });
  },
  new: (world: World) => {
    world.clusters = [];
    world.network = null;
    world.beacons = [];
    world.settings = { ...world.settings, beacon_nodes: [], nickname: "" };
  },
  unfit: (world: World) => {
    world.clusters = [];
    world.beacons = [];
    world.beaconHere = false;
    world.settings = { ...world.settings, beacon_nodes: [] };
    world.computer = { clockMs: -240, sleepMinutes: 20, batteryMinutes: 14 };
  },
  queued: (world: World) => {
    for (const cluster of world.clusters) cluster.stage = "queued";
  },
  pending: (world: World) => {
    for (const cluster of world.clusters) [cluster.stage, cluster.deposited] = ["queued", true];
  },
  slow: (world: World) => {
    world.answerMs = 5_000;
  },
  failing: (world: World) => {
    world.failing = true;
  },
  gone: (world: World) => {
    world.connected = false;
  },
} satisfies Record<string, (world: World) => void>;

export type Scenario = keyof typeof SCENARIOS;

/** What can happen while the window is open. */
export const ACTS = {
  "maya-dark": (world: World, nowMs: number) => {
    leave(world, 1, "Maya", nowMs);
  },
  "tomas-dark": (world: World, nowMs: number) => {
    leave(world, 4, "Tomás", nowMs);
  },
  "maya-back": (world: World, nowMs: number) => {
    world.clusters[0]?.awaySinceMs.delete(1);
    const over = world.alerts.filter((one) => one.kind.code === "operator_dark");
    world.alerts = world.alerts.filter((one) => one.kind.code !== "operator_dark");
    world.past.unshift(...over.map((one) => ({ ...one, resolved_ms: nowMs })));
  },
  lose: (world: World) => {
    world.connected = false;
  },
  return: (world: World) => {
    world.connected = true;
  },
} satisfies Record<string, (world: World, nowMs: number) => void>;

export type Act = keyof typeof ACTS;

function first(world: World): string | null {
  return world.clusters[0]?.id ?? null;
}

function leave(world: World, number: number, name: string, nowMs: number): void {
  const cluster = world.clusters[0];
  if (cluster === undefined) return;
  cluster.awaySinceMs.set(number, nowMs);
  const away = cluster.seats.filter((seat) => cluster.awaySinceMs.has(seat.number));
  const [here, { needed }] = [cluster.seats.length - away.length, cluster];
  const missing = away.map((seat) => seat.nickname ?? `operator ${seat.number}`);
  if (here < needed) {
    world.alerts = [alert({ code: "not_signing", here, needed, missing, reason: null }, "critical", cluster.id, nowMs)];
  } else {
    world.alerts = [alert({ code: "operator_dark", seat: number, name, here, needed }, "critical", cluster.id, nowMs)];
  }
}

/** Troubles that are over. */
function past(world: World): void {
  const cluster = first(world);
  const over = (kind: Parameters<typeof alert>[0], beganMin: number, lastedMin: number) => ({
    ...alert(kind, "warning", cluster, START_MS - beganMin * MINUTE),
    resolved_ms: START_MS - (beganMin - lastedMin) * MINUTE,
  });
  world.past = [
    over({ code: "operator_dark", seat: 4, name: "Tomás", here: 3, needed: 3 }, 26 * 60, 6),
    over({ code: "beacon_node_down", url: "http://127.0.0.1:5052" }, 9 * 24 * 60, 41),
  ];
}
