import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, test } from "vitest";

import { SCREENS } from "./routes";
import { launch, Window } from "./window";

const OUT = process.env["SCREENS_DIR"] ?? fileURLToPath(new URL("../../../docs/screens/", import.meta.url));
const ONLY = process.env["ONLY"]?.split(",");

describe("pictures of every screen", () => {
  let browser: Browser;
  beforeAll(async () => {
    mkdirSync(OUT, { recursive: true });
    browser = await launch();
  });
  afterAll(() => browser.close());

  for (const theme of ["light", "dark"] as const) {
    for (const { name, at, scenario, click } of SCREENS) {
      if (ONLY !== undefined && !ONLY.includes(name)) continue;
      test(`${name} ${theme}`, async () => {
        const window = await Window.open(browser, { scenario: scenario ?? "calm", at, theme, motion: "reduce" });
        for (let beat = 0; beat < 12; beat += 1) await window.advance(5_000);
        if (click !== undefined) await window.page.click(click);
        await window.page.screenshot({ path: `${OUT}/${name}-${theme}.png` });
        await window.close();
      });
    }
  }
});
