import type { DutyRecord, Mark, NodeView, SeatView } from "$api";
import { describe, expect, test } from "vitest";

import { HeldClock, START_MS } from "../../src/backend/fake/clocks";
import { difference } from "../../src/backend/fake/difference";
import { HOODI, World } from "../../src/backend/fake/world";
import { dutiesOf, href, parseRoute } from "../../src/lib/router";
import { applyUpdate } from "../../src/model/apply";
import { chainVerdict, markOf, worstDelay, type ChainVerdict } from "../../src/model/chain";
import { bars, percent, slots } from "../../src/model/chart";
import { dutiesCsv } from "../../src/model/csv";
import { hear, isStale, noLink, seenAt } from "../../src/model/link";
import { reachText, raised } from "../../src/model/record";
import { findDuty, foremost, timeline } from "../../src/model/timeline";
import { steps } from "../../src/model/trace";
import { visible } from "../../src/model/visible";
import { eth, obstacles } from "../../src/screens/deposit/deposit";

const duties = new World().duties(START_MS);
const missed = duties.find(({ outcome }) => outcome.kind === "missed");
const sent = duties.find(({ outcome }) => outcome.kind === "sent");
if (missed === undefined || sent === undefined) throw new Error("the fake has duties of both kinds");

describe("the view", () => {
  const world = new World();
  const at = (ms: number): NodeView => {
    world.seq += 1;
    return world.view(START_MS + ms);
  };
  const [first, second, third] = [at(0), at(5_000), at(10_000)];

  test("is brought up to date by what changed, and by nothing that fits another view", () => {
    expect(applyUpdate(first, difference(first, second))).toEqual(second);
    expect(applyUpdate(first, difference(second, third))).toBeNull();
  });

  test("that missed an update takes no more of them until a snapshot comes", () => {
    const held = hear(noLink, { kind: "event", event: { snapshot: first } });
    const gap = hear(held, { kind: "event", event: { update: difference(second, third) } });
    expect(gap).toMatchObject({ gap: true, view: first });
    expect(hear(gap, { kind: "event", event: { update: difference(first, second) } }).view).toBe(first);
    expect(hear(gap, { kind: "event", event: { snapshot: third } })).toMatchObject({ gap: false, view: third });
  });

  test("says nothing about now once it is older than fifteen seconds", () => {
    expect([15_000, 15_001].map((age) => isStale(first, first.at_ms + age))).toEqual([false, true]);
    expect(seenAt(first.health, true).flame).toBe("ash");
  });
});

describe("an address", () => {
  const cluster = "0xab/c";
  test.each([
    [{ name: "home" }],
    [{ name: "cluster", cluster }],
    [dutiesOf(cluster, { duty: { slot: "12", kind: "attester" }, misses: true, before: "40" })],
    [dutiesOf(null)],
    [{ name: "health", cluster }],
    [{ name: "settings", tab: "privacy" }],
    [{ name: "slashing", cluster: null }],
    [{ name: "keys", cluster }],
    [{ name: "setup", step: "beacon" }],
    [{ name: "exit", validator: "7" }],
    [{ name: "join", link: null }],
    [{ name: "join", link: "hearth://join/1/aB-_9" }],
    [{ name: "plan" }],
    [{ name: "deposit", cluster }],
    [{ name: "forming" }],
  ] as const)("of %o leads there again", (route) => {
    expect(parseRoute(href(route))).toEqual(route);
  });

  test.each(["#/settings/none", "#/keys/more", "#/%E0%A4%A", "#/clusters/x/y", "#/ceremony", "#/join/1"])(
    "that nobody made, %s, leads nowhere and breaks nothing",
    (hash) => {
      expect(parseRoute(hash).name).toBe("nowhere");
    },
  );

  test("with a duty that cannot be is one without a duty", () => {
    expect(parseRoute("#/duties?slot=-1&kind=attester")).toMatchObject({ duty: null });
    expect(parseRoute("#/duties?slot=1&kind=toString")).toMatchObject({ duty: null });
    expect(parseRoute("#/duties?before=soon")).toMatchObject({ before: null });
  });
});

describe("the timeline", () => {
  const lines = timeline(duties, HOODI, "family");
  test("has a column for each slot with a duty, oldest first, and an epoch opens once", () => {
    const slots = lines.columns.map(({ slot }) => Number(slot));
    expect(slots).toEqual([...new Set(slots)].sort((a, b) => a - b));
    const opened = lines.columns.filter(({ opens }) => opens).map(({ epoch }) => epoch);
    expect(new Set(opened).size).toBe(opened.length);
  });

  test("shows the miss of a cell before all else, and every duty somewhere", () => {
    expect(foremost([sent, missed])).toBe(missed);
    const placed = lines.rows.flatMap((_, row) => lines.columns.flatMap((_, column) => lines.at(row, column)));
    expect(placed).toHaveLength(duties.length);
    expect(findDuty(duties, missed)).toBe(missed);
  });

  test("draws only what can be seen of ten thousand columns", () => {
    const { first, end } = visible(150_000, 800, 30, 10_000);
    expect(first).toBeLessThanOrEqual(5_000);
    expect(end - first).toBeLessThan(60);
    expect(visible(1e9, 800, 30, 10)).toEqual({ first: 10, end: 10 });
  });
});

describe("what became of a duty", () => {
  const base = { ...sent, validators: ["7", "9"], on_chain: null };
  const chain = (delays: (number | null)[], best: number, settled: boolean) => ({ on_chain: { delays, best, settled } });
  const waiting = { outcome: { kind: "waiting" } } as const;
  const failed = { outcome: missed.outcome };

  // The same table as in duty.rs of hearth-api.
  test.each<[string, Partial<DutyRecord>, Mark, ChainVerdict["kind"]]>([
    ["under way", { ...waiting, ...chain([1, 1], 1, true) }, "waiting", "included"],
    ["handed in", {}, "done", "unknown"],
    ["missed here", failed, "missed", "unknown"],
    ["of nobody known", { validators: [] }, "done", "unknown"],
    ["of nobody known, missed", { validators: [], ...failed }, "missed", "unknown"],
    ["in the next block", chain([1, 1], 1, true), "done", "included"],
    ["one is late", chain([1, 3], 1, true), "late", "included"],
    ["an empty slot", chain([2, 2], 2, true), "done", "included"],
    ["one to be found", chain([1, null], 1, false), "done", "partly"],
    ["none found yet", chain([null, null], 1, false), "done", "awaited"],
    ["one never came", chain([1, null], 1, true), "missed", "partly"],
    ["none came", chain([null, null], 1, true), "missed", "absent"],
    ["the others did it", { ...failed, ...chain([1, 1], 1, true) }, "done", "included"],
    ["the others did half of it", { ...failed, ...chain([1, null], 1, false) }, "missed", "partly"],
  ])("is told by the chain once that has spoken: %s", (_, change, mark, kind) => {
    const duty = { ...base, ...change };
    expect([markOf(duty), chainVerdict(duty).kind]).toEqual([mark, kind]);
  });

  test("is told for each validator by itself", () => {
    const duty = { ...base, ...chain([1, 3], 1, true) };
    expect([markOf(duty, "7"), markOf(duty, "9"), worstDelay(duty, "9")]).toEqual(["done", "late", 3]);
  });
});

test("a missed duty stops at one of five stages, and none after it was reached", () => {
  const kinds = steps(missed).map(({ kind }) => kind);
  expect(kinds).toHaveLength(5);
  expect(kinds.filter((kind) => kind === "failed")).toHaveLength(1);
  expect(kinds.slice(kinds.indexOf("failed") + 1).every((kind) => kind === "unreached")).toBe(true);
});

test("a spreadsheet takes no name of an operator for a formula", () => {
  const outcome = { ...missed.outcome, sentence: '=HYPERLINK("x"), and more' } as DutyRecord["outcome"];
  expect(dutiesCsv([{ ...missed, outcome }])).toContain(`"'=HYPERLINK(""x""), and more"`);
});

test("a record is told in one line, and counts as raised where it reaches further", () => {
  const [nothing, some] = [
    { source: null, target: null, block: null },
    { source: "6", target: "7", block: "1234" },
  ];
  expect(reachText(nothing)).toBe("nothing");
  expect(reachText(some)).toBe("attestations 6 → 7, blocks to slot 1,234");
  const one = { pubkey: "0x", before: nothing, after: some, slashable: 0 };
  const validators = [one, { ...one, after: nothing }];
  expect(raised({ imported: false, validators, silent: 0, strangers: 0 })).toBe(1);
});

test("a clock that is held does in its order what becomes due", () => {
  const clock = new HeldClock();
  const done: string[] = [];
  clock.after(3, () => done.push("later"));
  clock.every(2, () => done.push("tick"));
  clock.advance(4);
  expect(done).toEqual(["tick", "later", "tick"]);
});

test("a chart has a bar for each step with duties, in its place, and only what is perfect is 100 %", () => {
  const tally = (done: number, missed: number) => ({ done, missed, mean_sent_ms: null, included: 0, mean_delay_milli: null });
  const steps = [
    { from_ms: 0, tally: tally(3, 1) },
    { from_ms: 50, tally: tally(0, 0) },
    { from_ms: 100, tally: tally(5, 0) },
  ];
  const reply = { from_ms: 0, until_ms: 125, total: tally(8, 1), steps, validators: [], operators: [] };
  expect(bars(reply, 50)).toEqual([
    { from_ms: 0, at: 0, width: 0.4, tally: tally(3, 1), permille: 750 },
    { from_ms: 100, at: 0.8, width: 0.2, tally: tally(5, 0), permille: 1_000 },
  ]);
  expect([null, 1_000, 1_001, 2_000, 1_250].map(slots)).toEqual(["–", "1", "1.01", "2", "1.25"]);
  expect([null, 1_000, 999, 750].map(percent)).toEqual(["–", "100 %", "99.9 %", "75 %"]);
});

describe("before a deposit", () => {
  const seat = (number: number, version: string | null): SeatView => ({
    number,
    nickname: number === 3 ? "Priya" : "",
    me: number === 1,
    state: "here",
    path: "direct",
    dialled_in: true,
    rtt_ms: 1,
    last_seen_ms: 1,
    client: version === null ? null : "hearth",
    version,
    clock_offset_ms: 0,
    started_ms: null,
    misfit: null,
    contradicted_ms: null,
  });
  const keys = (practised: number | null) => ({ shares: [], sealed: true, folder: "", backed_up_ms: 1, practised_ms: practised });
  test.each([
    ["nothing is known", null, [], [], { backup: false, same: false, unheard: [], deposited: false }],
    ["all is well", 5, ["not_deposited"], [seat(1, null), seat(2, "1"), seat(3, "1")], { backup: true, same: true, unheard: [], deposited: false }],
    ["nothing was practised", null, ["unknown"], [seat(1, null), seat(2, "1")], { backup: false, same: true, unheard: [], deposited: false }],
    ["two were not heard", 5, [], [seat(1, null), seat(2, null), seat(3, null)], { backup: true, same: false, unheard: ["Operator 2", "Priya"], deposited: false }],
    ["one of two is deposited", 5, ["not_deposited", "inactive"], [seat(1, null), seat(2, "1")], { backup: true, same: true, unheard: [], deposited: true }],
  ] as const)("%s", (_, practised, stages, seats, expected) => {
    expect(obstacles({ keys: keys(practised), stages, seats })).toEqual(expected);
  });

  test("amounts are said in ETH, exactly", () => {
    expect(["32000000000", "1000000000", "2048000000000", "32000000001", "500000000"].map(eth)).toEqual([
      "32 ETH",
      "1 ETH",
      "2048 ETH",
      "32.000000001 ETH",
      "0.5 ETH",
    ]);
  });
});
