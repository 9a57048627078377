import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { launch, Window, type Options } from "./window";

describe("whoever has only a keyboard, or wants less motion", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  async function within(options: Options, work: (window: Window) => Promise<void>): Promise<void> {
    const window = await Window.open(browser, options);
    await work(window);
    await window.close();
  }

  test("skips to the content with the first key", () =>
    within({}, async ({ page }) => {
      await page.keyboard.press("Tab");
      expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to the content");
      await page.keyboard.press("Enter");
      expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
    }));

  test("never tabs out of an open dialog into the page behind it, and is back where it was afterwards", () =>
    within({}, async (window) => {
      const { page } = window;
      await window.tabTo(/^Stop node/);
      await page.keyboard.press("Enter");
      await page.waitForSelector("dialog input[type=checkbox]");
      for (let presses = 0; presses < 12; presses += 1) {
        await page.keyboard.press("Tab");
        // Past the end the focus is on the browser's own buttons, as everywhere; on the page it is in the dialog.
        const where = await page.evaluate(() => {
          const at = document.activeElement;
          return at === null || at === document.body || at.closest("dialog") !== null;
        });
        expect(where).toBe(true);
      }
      await page.keyboard.press("Escape");
      await page.waitForSelector("dialog", { state: "detached" });
      expect(await window.focused()).toMatch(/^Stop node/);
    }));

  test("goes through the setup and back, hears each step, and finds its place again later", () =>
    within({ scenario: "empty", at: "/setup/welcome" }, async (window) => {
      const { page } = window;
      const title = (): Promise<string> => page.innerText("h1");
      expect(await title()).toBe("How it works");
      await page.getByRole("button", { name: "Next" }).press("Enter");
      await page.waitForSelector("h1:has-text('Network')");
      expect(await window.focused()).toBe("Network");
      await page.getByRole("button", { name: "Next" }).press("Enter");
      await page.waitForSelector("h1:has-text('Your beacon node')");
      await page.getByRole("button", { name: "Back" }).press("Enter");
      await page.waitForSelector("h1:has-text('Network')");
      await page.evaluate(() => {
        location.hash = "#/setup/welcome";
      });
      await page.reload();
      await page.waitForSelector("text=We saved your place.");
      expect(await title()).toBe("Network");
    }));

  test.each([
    ["breathes while all is well", "no-preference", true],
    ["stands still where less motion is wanted", "reduce", false],
  ] as const)("sees a flame that %s", (_, motion, moves) =>
    within({ motion }, async ({ page }) => {
      await page.waitForSelector(".fire.breathing");
      const running = await page.evaluate(
        () => document.getAnimations().filter((one) => one.playState === "running" && one instanceof CSSAnimation).length,
      );
      expect(running > 0).toBe(moves);
    }),
  );

  test("can read every state where the system chooses the colours", () =>
    within({ scenario: "dark", forcedColors: "active" }, async ({ page }) => {
      // The word stands beside the shape.
      expect(await page.innerText("main")).toContain("dark");
      expect(await page.evaluate(() => matchMedia("(forced-colors: active)").matches)).toBe(true);
    }));
});
