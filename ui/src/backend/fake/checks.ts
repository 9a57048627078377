import type { BeaconView, Check, FindBeaconsReply, Grade, Measured } from "$api";

/** What a fake node measured of its computer. */
export type FakeComputer = { clockMs: number; sleepMinutes: number; batteryMinutes: number | null };

export const FINE: FakeComputer = { clockMs: 12, sleepMinutes: 0, batteryMinutes: null };

/** The list, worded as the node words it; see checks.rs of hearth-api. */
export function checks(beacons: readonly BeaconView[], computer: FakeComputer, dialledIn: string[]): Check[] {
  const { clockMs, sleepMinutes, batteryMinutes } = computer;
  const off = Math.abs(clockMs);
  return [
    row(
      { check: "clock", offset_ms: clockMs, source: "time_servers" },
      off <= 50 ? "good" : off <= 200 ? "amber" : "red",
      "Clock",
      `${off} ms ${clockMs < 0 ? "ahead" : "behind"}, by time servers on the internet.`,
      "Duties are due at a second that all agree on. A clock that is off makes them late, or makes the other operators refuse what this node says.",
      "Turn on the setting of your system that sets the clock by itself.",
    ),
    ...(beacons.length === 0 ? [none()] : beacons.map(beaconRow)),
    row(
      { check: "reachability", dialled_in: dialledIn, direct: dialledIn.length, relayed: 0, others: dialledIn.length, router: { state: "unknown" } },
      dialledIn.length > 0 ? "good" : "unknown",
      "Reachability",
      dialledIn.length > 0
        ? `Others reach this node directly: ${dialledIn.join(", ")} did.`
        : "Known when this node is in a cluster.",
      "Every duty needs messages between the operators. Where others can open a connection to this node, it does not hang on one side or on a relay.",
      "Open the node's port in your router, or go on with the relay.",
    ),
    row(
      { check: "disk", free_mib: 88_000, full_in_days: null },
      "good",
      "Disk",
      "85.9 GiB free.",
      "Nothing is signed that was not written down first: with a full disk this node stops signing.",
      "Make room on the disk that holds the node's data folder.",
    ),
    row(
      { check: "memory", available_mib: 4_210 },
      "good",
      "Memory",
      "4.1 GiB available.",
      "A computer that runs out of memory becomes slow and ends programs, this one among them.",
      "Close other programs, or give the computer more memory.",
    ),
    row(
      { check: "sleep", setting: sleepMinutes === 0 ? { kind: "never" } : { kind: "when_idle", minutes: sleepMinutes }, slept: 0 },
      sleepMinutes === 0 ? "good" : "amber",
      "Sleep",
      sleepMinutes === 0 ? "It does not fall asleep by itself." : `It falls asleep after ${sleepMinutes} minutes without use.`,
      "A computer that sleeps does no duties.",
      "Turn off sleep in the power settings of your system.",
    ),
    row(
      { check: "power", source: batteryMinutes === null ? "mains_only" : "battery", minutes_left: batteryMinutes },
      batteryMinutes === null ? "good" : "amber",
      "Power",
      batteryMinutes === null ? "On mains, without a battery behind it." : `On battery, about ${batteryMinutes} minutes left.`,
      "When the power fails, this node is gone; the others go on if enough of them are here.",
      "Plug the computer in.",
    ),
  ];
}

const BEACON = "Through it this node sees the chain and hands in what was signed.";

function none(): Check {
  const measured: Measured = { check: "beacon_node", url: null, state: "unknown", latency_ms: null, head_delay_ms: null };
  return row(measured, "red", "Beacon node", "None is set.", BEACON, "Choose the beacon node that this node shall use.");
}

function beaconRow({ url, state, latency_ms, head_delay_ms }: BeaconView): Check {
  const grade = state === "ready" ? "good" : state === "unknown" ? "unknown" : state === "silent" ? "red" : "amber";
  const says = state === "ready" ? `follows the chain, answers in ${latency_ms ?? 0} ms` : "does not answer";
  return row(
    { check: "beacon_node", url, state, latency_ms, head_delay_ms },
    grade,
    "Beacon node",
    `${url} ${says}.`,
    BEACON,
    "Start it, or check its address; a spare helps meanwhile.",
  );
}

function row(measured: Measured, grade: Grade, title: string, found: string, why: string, remedy: string): Check {
  return { measured, grade, title, found, why, remedy: grade === "amber" || grade === "red" ? remedy : null };
}

/** What a fake computer has at its usual ports, and what a fake network has elsewhere. */
export function find(urls: readonly string[], present: boolean): FindBeaconsReply {
  const usual = ["http://127.0.0.1:5052", "http://127.0.0.1:5051", "http://127.0.0.1:9596"];
  const looked = urls.length > 0 ? [...urls] : usual;
  const answers = (url: string): boolean => (present && url === usual[0]) || url.includes("nas");
  return {
    looked_at: looked,
    found: looked
      .filter((url) => urls.length > 0 || answers(url))
      .map((url) =>
        answers(url)
          ? { url, state: "ready", version: "Lighthouse/v8.0.1", network: "hoodi", latency_ms: 14, error: null }
          : { url, state: "silent", version: null, network: null, latency_ms: null, error: `${url}: connection refused` },
      ),
  };
}
