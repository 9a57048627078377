import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";

import { PORT } from "./serve";
import { FAULTS, launch } from "./window";

const program = process.env["HEARTH_PROGRAM"];
const BRIDGE_PORT = 4281;
if (program === undefined) {
  console.log("skipped: the window on real nodes needs a built hearth; name it in HEARTH_PROGRAM");
}

/** Waits until a program says something. */
function says(child: ChildProcess, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    const hear = (bytes: Buffer): void => {
      said += bytes.toString();
      if (said.includes(what)) resolve();
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);
    child.on("exit", () => {
      reject(new Error(`it ended: ${said}`));
    });
  });
}

test.runIf(program !== undefined)(
  "the window shows real nodes: four operators, a duty that was sent, the record of what was signed, a backup and its practice",
  async () => {
    // Short, because the socket's path has to fit.
    const folder = mkdtempSync("/tmp/hw-");
    const demo = spawn(program ?? "", ["demo", "--slots", "40", "--kill", "3@6", "--keep", join(folder, "d")], { stdio: "pipe" });
    const running = [demo];
    try {
      await says(demo, "included in the next block");
      const bridge = spawn(
        process.execPath,
        [fileURLToPath(new URL("../../scripts/bridge.mjs", import.meta.url)), join(folder, "d/node0"), String(BRIDGE_PORT)],
        { stdio: "pipe" },
      );
      running.push(bridge);
      await says(bridge, "speaks with");
      const page = await (await browser.newContext()).newPage();
      page.setDefaultTimeout(30_000);
      const faults: string[] = [];
      page.on("console", (message) => {
        if (FAULTS.includes(message.type())) faults.push(message.text());
      });
      page.on("pageerror", (error) => faults.push(error.message));
      await page.goto(`http://127.0.0.1:${PORT}/?ws=ws://127.0.0.1:${BRIDGE_PORT}`);
      await page.waitForSelector("header .state:has-text('of 4 operators here')");
      await page.waitForSelector("[data-seat='4']");
      await page.goto(`http://127.0.0.1:${PORT}/?ws=ws://127.0.0.1:${BRIDGE_PORT}#/duties`);
      await page.waitForSelector("[role=gridcell][aria-label*=sent]");
      await page.goto(`http://127.0.0.1:${PORT}/?ws=ws://127.0.0.1:${BRIDGE_PORT}#/slashing`);
      await page.waitForSelector("tbody th:has-text('0x')");
      // A backup is written, and its restore practised, by the node itself.
      await page.goto(`http://127.0.0.1:${PORT}/?ws=ws://127.0.0.1:${BRIDGE_PORT}#/keys`);
      const backup = join(folder, "sam.hearthbackup");
      await page.getByLabel("New file").fill(backup);
      await page.getByLabel("Passphrase", { exact: true }).first().fill("amber bridge candle");
      await page.getByLabel("The same again").fill("amber bridge candle");
      await page.click("text=Write the backup");
      await page.waitForSelector("text=sam.hearthbackup is written");
      await page.getByLabel("Backup file").fill(backup);
      await page.getByLabel("Passphrase", { exact: true }).last().fill("amber bridge candle");
      await page.click("text=Open it");
      await page.waitForSelector("text=This backup can be restored: 1 key share");
      await page.goto(`http://127.0.0.1:${PORT}/?ws=ws://127.0.0.1:${BRIDGE_PORT}#/alerts`);
      await page.waitForSelector("li:has-text('Disk'):has-text('free')");
      await page.goto(`http://127.0.0.1:${PORT}/?ws=ws://127.0.0.1:${BRIDGE_PORT}#/`);
      await page.waitForSelector("header .state:has-text('3 of 4 operators here')");
      expect(faults).toEqual([]);
    } finally {
      for (const child of running) {
        child.removeAllListeners("exit");
        child.kill("SIGINT");
      }
      await Promise.all(running.map((child) => new Promise((over) => (child.exitCode === null ? child.on("exit", over) : over(0)))));
      rmSync(folder, { recursive: true, force: true });
    }
  },
  180_000,
);

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());
