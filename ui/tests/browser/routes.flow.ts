import axe from "axe-core";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { SCREENS } from "./routes";
import { launch, SMALLEST, Window } from "./window";

type Found = { id: string; nodes: { target: unknown }[] };

/** What axe finds on the page. */
async function findings(window: Window): Promise<string[]> {
  await window.page.evaluate(axe.source);
  const violations = await window.page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(root: Document): Promise<{ violations: Found[] }> } };
    return (await axe.run(document)).violations;
  });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => String(target)).join(", ")}`);
}

describe("every screen", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  for (const theme of ["light", "dark"] as const) {
    test.each(SCREENS)(`$name, ${theme}, shows axe nothing to complain about and keeps the policy`, async ({ at, scenario, click }) => {
      const window = await Window.open(browser, { scenario: scenario ?? "calm", at, theme, motion: "reduce" });
      await window.advance(20_000);
      if (click !== undefined) await window.page.click(click);
      expect(await findings(window)).toEqual([]);
      await window.close();
    });
  }

  test.each(SCREENS)("$name fits into half a window, as at 200 % zoom, without scrolling sideways", async ({ at, scenario }) => {
    const view = { width: SMALLEST.width / 2, height: SMALLEST.height };
    const window = await Window.open(browser, { scenario: scenario ?? "calm", at, view, motion: "reduce" });
    await window.advance(20_000);
    const wide = await window.page.evaluate(() => {
      const main = document.querySelector("main");
      return [document.documentElement.scrollWidth - innerWidth, (main?.scrollWidth ?? 0) - (main?.clientWidth ?? 0)];
    });
    expect(wide).toEqual([0, 0]);
    await window.close();
  });
});
