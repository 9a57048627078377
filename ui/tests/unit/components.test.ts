import type { DutyRecord } from "$api";
import { render, screen } from "@testing-library/svelte";
import { expect, test } from "vitest";

import ErrorCard from "../../src/components/ErrorCard.svelte";
import Timeline from "../../src/screens/duties/Timeline.svelte";
import { START_MS } from "../../src/backend/fake/clocks";
import { HOODI, World } from "../../src/backend/fake/world";
import { ownError } from "../../src/backend/errors";
import { timeline } from "../../src/model/timeline";

test("an error is told in four lines, the raw one only among the details", () => {
  render(ErrorCard, { props: ownError("not_running", "os error 13") });
  const card = screen.getByRole("alert");
  expect([...card.querySelectorAll("dt")].map((line) => line.textContent)).toEqual([
    "What happened",
    "What it means for your stake",
    "What to do",
  ]);
  expect(card.querySelector("dl")?.textContent).not.toContain("os error 13");
  expect(card.querySelector("details")?.textContent).toContain("os error 13");
});

test("of a timeline of ten thousand cells only those in view are made", () => {
  const [one] = new World().duties(START_MS);
  if (one === undefined) throw new Error("the fake has duties");
  const validators = Array.from({ length: 20 }, (_, index) => String(index));
  const duties: DutyRecord[] = Array.from({ length: 500 }, (_, index) => ({ ...one, slot: String(9_000 - index), validators }));
  render(Timeline, {
    props: { timeline: timeline(duties, HOODI, "validator"), rowsBy: "validator", opened: null, onopen: () => undefined },
  });
  const grid = screen.getByRole("grid");
  expect(["aria-rowcount", "aria-colcount"].map((count) => Number(grid.getAttribute(count)))).toEqual([20, 500]);
  const cells = grid.querySelectorAll("[role=gridcell]");
  expect(cells.length).toBeGreaterThan(0);
  expect(cells.length).toBeLessThan(1_000);
  expect([...cells].filter((cell) => cell.getAttribute("tabindex") === "0")).toHaveLength(1);
});
