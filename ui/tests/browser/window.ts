import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";

import type {} from "../../src/backend/fake/start";
import type { CommandName } from "../../src/backend/backend";
import type { Act } from "../../src/backend/fake/scenarios";
import { PORT } from "./serve";

export type View = { width: number; height: number };
export const DEFAULT: View = { width: 1080, height: 720 };
export const SMALLEST: View = { width: 760, height: 560 };

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: FLAGS });
}

/** Kinds of messages on the console that no screen may cause. */
export const FAULTS = ["error", "warning"];

export type Options = {
  scenario?: string;
  /** The part of the address after `#`. */
  at?: string;
  theme?: "light" | "dark";
  view?: View;
  motion?: "reduce" | "no-preference";
  forcedColors?: "active" | "none";
  technical?: boolean;
};

/** A window of the app on a fake node whose clock stands still, and what went wrong in it. */
export class Window {
  private constructor(
    readonly page: Page,
    readonly context: BrowserContext,
    /** Errors of the console, of the page, of the content security policy, and requests to elsewhere. */
    readonly faults: string[],
  ) {}

  static async open(browser: Browser, options: Options = {}): Promise<Window> {
    const { scenario = "calm", at = "/", theme = "light", view = DEFAULT, technical = false } = options;
    const context = await browser.newContext({
      viewport: view,
      colorScheme: theme,
      reducedMotion: options.motion ?? "no-preference",
      forcedColors: options.forcedColors ?? "none",
      timezoneId: "Europe/Lisbon",
      locale: "en-GB",
      permissions: ["clipboard-read", "clipboard-write"],
    });
    const page = await context.newPage();
    page.setDefaultTimeout(5_000);
    const faults: string[] = [];
    page.on("console", (message) => {
      if (FAULTS.includes(message.type())) faults.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => faults.push(`page: ${error.message}`));
    page.on("request", (request) => {
      const { protocol, host } = new URL(request.url());
      if (protocol.startsWith("http") && host !== `127.0.0.1:${PORT}`) faults.push(`request: ${request.url()}`);
    });
    await page.addInitScript((showTechnical) => {
      document.addEventListener("securitypolicyviolation", (event) => {
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
      });
      if (showTechnical) localStorage.setItem("hearth.preferences", JSON.stringify({ technical: true }));
    }, technical);
    await page.goto(`http://127.0.0.1:${PORT}/?fake=${scenario}&clock=held#${at}`);
    await page.waitForSelector("h1").catch((cause: unknown) => {
      throw new Error(`no screen came: ${faults.join("\n")}`, { cause });
    });
    await page.evaluate(() => document.fonts.ready);
    return new Window(page, context, faults);
  }

  act(act: Act): Promise<void> {
    return this.page.evaluate((what) => window.hearthFake?.act(what), act);
  }

  advance(ms: number): Promise<void> {
    return this.page.evaluate((time) => window.hearthFake?.advance(time), ms);
  }

  /** How often the fake node was asked for something. */
  asked(command: CommandName): Promise<number> {
    return this.page.evaluate((what) => window.hearthFake?.asked(what) ?? 0, command);
  }

  drop(): Promise<void> {
    return this.page.evaluate(() => window.hearthFake?.drop());
  }

  /** What has the focus, as a screen reader names it. */
  focused(): Promise<string> {
    return this.page.evaluate(() => {
      const found = document.activeElement;
      return found?.getAttribute("aria-label") ?? found?.textContent.trim() ?? "";
    });
  }

  /** Presses Tab until the focus is on something whose name matches. */
  async tabTo(name: RegExp): Promise<void> {
    const seen: string[] = [];
    for (let presses = 0; presses < 80; presses += 1) {
      await this.page.keyboard.press("Tab");
      const focused = await this.focused();
      if (name.test(focused)) return;
      seen.push(focused);
    }
    throw new Error(`Tab never reached ${name}: ${seen.join(" | ")}`);
  }

  async close(): Promise<void> {
    await this.context.close();
    if (this.faults.length > 0) throw new Error(this.faults.join("\n"));
  }
}
