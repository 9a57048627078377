import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { launch, Window, type Options } from "./window";

describe("whoever sits before the window", () => {
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

  const state = (window: Window): Promise<string> => window.page.innerText("header .state");

  test("sees an operator leave and return on ring, header and alerts alike", () =>
    within({}, async (window) => {
      expect(await state(window)).toContain("4 of 4 operators here");
      await window.act("maya-dark");
      await window.page.waitForSelector("header .state:has-text('3 of 4 operators here, no one to spare')");
      expect(await window.page.getAttribute("a[aria-label$=alert]", "aria-label")).toBe("1 alert");
      expect(await window.page.innerText("main")).toContain("Maya");
      await window.act("maya-back");
      await window.page.waitForSelector("header .state:has-text('4 of 4 operators here')");
    }));

  test("is told within fifteen seconds that the node is silent, and sees it again when it is back", () =>
    within({}, async (window) => {
      await window.act("lose");
      expect(await window.page.isVisible("#gone-title")).toBe(false);
      for (let beat = 0; beat < 16; beat += 1) await window.advance(1_000);
      await window.page.waitForSelector("#gone-title");
      expect(await state(window)).toContain("Not connected");
      await window.act("return");
      await window.page.waitForSelector("#gone-title", { state: "detached" });
      expect(await state(window)).toContain("4 of 4");
    }));

  test("asks the node again only when there is something new to ask about", () =>
    within({}, async (window) => {
      await window.advance(1_000);
      const asked = async (): Promise<number> => (await window.asked("history")) + (await window.asked("duties"));
      const before = await asked();
      for (let beat = 0; beat < 10; beat += 1) await window.advance(1_000);
      // At most one duty comes to its end in ten seconds, and each list is asked for once more.
      expect((await asked()) - before).toBeLessThanOrEqual(2);
    }));

  test("misses nothing when an update goes astray", () =>
    within({}, async (window) => {
      await window.drop();
      await window.act("maya-dark");
      await window.page.waitForSelector("header .state:has-text('3 of 4')");
    }));

  test("walks the ring and the timeline with arrow keys, and opens a duty without a mouse", () =>
    within({}, async (window) => {
      const { keyboard } = window.page;
      await window.tabTo(/Sam you/);
      await keyboard.press("ArrowRight");
      expect(await window.focused()).toMatch(/Priya/);
      await keyboard.press("End");
      expect(await window.focused()).toMatch(/Tomás/);
      await window.page.goto(window.page.url().replace(/#.*/, "#/duties"));
      await window.page.waitForSelector("[role=gridcell]");
      await window.tabTo(/slot/);
      await keyboard.press("ArrowLeft");
      await keyboard.press("Enter");
      await window.page.waitForSelector("dialog");
      await keyboard.press("Escape");
      await window.page.waitForSelector("dialog", { state: "detached" });
      expect(await window.focused()).toMatch(/slot/);
    }));

  test("goes anywhere from the palette, and finds the focus where it was", () =>
    within({}, async (window) => {
      const { page } = window;
      const { keyboard } = page;
      await keyboard.press("Control+k");
      await keyboard.type("about");
      await keyboard.press("Enter");
      await page.waitForSelector("h1:has-text('About')");
      expect(await window.focused()).toBe("About");
      await keyboard.press("Control+k");
      await page.waitForSelector("dialog");
      await keyboard.press("Escape");
      await page.waitForSelector("dialog", { state: "detached" });
      expect(await window.focused()).toBe("About");
    }));

  test("can stop the node only after every statement is ticked", () =>
    within({}, async (window) => {
      const { page } = window;
      await page.click("text=Stop node…");
      const confirm = page.locator("dialog button.danger");
      // A disabled button stays in the tab order, so that its reason can be found; pressing it does nothing.
      await confirm.press("Enter");
      expect(await page.locator("dialog [role=status]").count()).toBe(0);
      for (const box of await page.locator("dialog input[type=checkbox]").all()) await box.check();
      await confirm.click();
      await page.waitForSelector("dialog :text('Finishing first')");
    }));

  test("imports a history only after seeing what it changes, time to read and the typed word", () =>
    within({ at: "/slashing" }, async (window) => {
      const { page } = window;
      const path = page.getByLabel("File", { exact: true });
      await path.fill("/home/sam/strange.json");
      await page.click("text=See what it changes");
      await page.waitForSelector("[role=alert]:has-text('The file was refused')");
      await path.fill("/home/sam/old.json");
      await page.click("text=See what it changes");
      await page.waitForSelector("text=there is nothing to import");
      expect(await page.locator("button.danger").count()).toBe(0);

      await path.fill("/home/sam/new.json");
      await page.click("text=See what it changes");
      const add = page.locator("button.danger");
      await add.waitFor();
      await page.fill("#import-phrase", "import");
      expect(await add.getAttribute("aria-disabled")).toBe("true");
      await window.advance(11_000);
      await page.fill("#import-phrase", "");
      expect(await add.getAttribute("aria-disabled")).toBe("true");
      await page.fill("#import-phrase", "import");
      await add.click();
      await page.waitForSelector("text=Imported.");
    }));

  test("writes the record to a file, and is told when the place is taken", () =>
    within({ at: "/slashing" }, async (window) => {
      const { page } = window;
      await page.getByLabel("New file", { exact: true }).fill("/home/sam/taken.json");
      await page.click("text=Write the file");
      await page.waitForSelector("[role=alert]:has-text('never overwritten')");
      await page.getByLabel("New file", { exact: true }).fill("/home/sam/free.json");
      await page.click("text=Write the file");
      await page.waitForSelector("text=free.json is written");
    }));

  test("finds a beacon node on the computer, uses it, and sees the check turn good", () =>
    within({ scenario: "new", at: "/setup/beacon" }, async (window) => {
      const { page } = window;
      await page.waitForSelector("text=None is set. Choose one below.");
      await page.click("text=Look on this computer");
      await page.getByRole("button", { name: "Use http://127.0.0.1:5052" }).click();
      await page.waitForSelector("text=Saved.");
      await page.waitForSelector("text=asked first");
      await page.getByLabel("Address of a beacon node").fill("127.0.0.1:5052");
      await page.click("button:has-text('Add')");
      await page.waitForSelector("[role=alert]:has-text('This value cannot be used')");
      await page.getByLabel("Address of a beacon node").fill("http://nas.local:5052");
      await page.click("button:has-text('Test')");
      await page.waitForSelector("text=hoodi · Lighthouse/v8.0.1 · 14 ms");
      await page.click("button:has-text('Add')");
      await page.getByRole("button", { name: "Ask http://nas.local:5052 earlier" }).click();
      await page.waitForSelector("ol li:has-text('nas.local'):has-text('asked first')");
      await page.getByRole("button", { name: "Remove http://127.0.0.1:5052" }).click();
      await page.waitForSelector("li:has-text('127.0.0.1:5052'):has-text('spare')", { state: "detached" });
      await page.getByRole("button", { name: "Next", exact: true }).click();
      await window.advance(1_000);
      await page.waitForSelector("text=All is as it should be.");
    }));

  test("reads what keeps a node from its work, and measures again", () =>
    within({ scenario: "unfit", at: "/setup/checks" }, async (window) => {
      const { page } = window;
      await page.waitForSelector("text=2 things keep a node from its work.");
      await page.waitForSelector("li:has-text('240 ms ahead'):has-text('Stop')");
      await page.click("text=Check again");
      await page.waitForSelector("text=2 things keep a node from its work.");
    }));

  test("looks around in a demo, stops an operator there, and leaves it", () =>
    within({ scenario: "empty" }, async (window) => {
      const { page } = window;
      await page.click("text=Look around first");
      await page.waitForSelector("text=This is a demo.");
      await window.advance(1_000);
      await page.click("text=Stop Maya");
      await window.advance(1_000);
      await page.waitForSelector("header .state:has-text('3 of 4')");
      await page.click("text=Start Maya");
      await window.advance(1_000);
      await page.waitForSelector("header .state:has-text('4 of 4')");
      await page.click("text=Leave the demo");
      await window.advance(1_000);
      await page.waitForSelector("header .state:has-text('No cluster yet')");
      expect(await page.isVisible("text=This is a demo.")).toBe(false);
    }));

  test("backs up the key shares, and practises the restore with the right words only", () =>
    within({ at: "/keys" }, async (window) => {
      const { page } = window;
      await page.waitForSelector("text=Not backed up yet");
      const [newFile, file] = [page.getByLabel("New file", { exact: true }), page.getByLabel("Backup file", { exact: true })];
      await newFile.fill("/media/stick/sam.hearthbackup");
      await page.getByLabel("Passphrase", { exact: true }).first().fill("amber bridge");
      await page.getByLabel("The same again").fill("amber bridges");
      await page.waitForSelector("text=The two passphrases are not the same.");
      await page.getByLabel("The same again").fill("amber bridge");
      await page.click("text=Write the backup");
      await page.waitForSelector("text=sam.hearthbackup is written");
      await page.waitForSelector("text=Its restore was never practised");
      await file.fill("/media/stick/sam.hearthbackup");
      await page.getByLabel("Passphrase", { exact: true }).last().fill("amber bride");
      await page.click("text=Open it");
      await page.waitForSelector("[role=alert]:has-text('Type the passphrase')");
      await page.getByLabel("Passphrase", { exact: true }).last().fill("amber bridge");
      await page.click("text=Open it");
      await page.waitForSelector("text=This backup can be restored");
      await page.waitForSelector("text=Backed up, and the restore was practised.");
    }));

  test("with a seat in several clusters sees the keys, the record and the duties of each by itself", () =>
    within({ at: "/keys", scenario: "several" }, async (window) => {
      const first = window.page.locator("tbody th").first();
      const switcher = window.page.locator("header select");
      const ofOne = await first.innerText();
      await switcher.selectOption({ label: "Lighthouse Guild" });
      await window.page.waitForSelector(`tbody tr:not(:has-text("${ofOne.trim()}"))`);
      const ofGuild = await first.innerText();
      expect(ofGuild).not.toBe(ofOne);
      await window.page.click("nav >> text=Slashing protection");
      await expect.poll(() => first.innerText()).toBe(ofGuild);
      await window.page.click("nav >> text=Duties");
      expect(await switcher.locator("option:checked").innerText()).toBe("Lighthouse Guild");
      await window.page.click("nav >> text=Health & alerts");
      await switcher.selectOption({ label: "All clusters" });
      await window.page.waitForSelector("text=The cluster in office-old does not run");
    }));

  test("moves from Charon only after confirming that it is stopped, and sees the cluster come", () =>
    within({ at: "/clusters", scenario: "empty" }, async (window) => {
      await window.page.click("text=Move from Charon");
      const take = window.page.locator("button", { hasText: "Move it here" });
      expect(await take.getAttribute("aria-disabled")).toBe("true");
      await window.page.getByLabel("Charon's folder", { exact: true }).fill("/home/sam/absent");
      expect(await take.getAttribute("aria-disabled")).toBe("true");
      await window.page.click("text=Charon and its validator client are stopped");
      await take.click();
      await window.page.waitForSelector("text=The file could not be read.");
      await window.page.getByLabel("Choose… (Charon's folder)").click();
      await expect.poll(() => window.page.getByLabel("Charon's folder", { exact: true }).inputValue()).toBe("/home/sam/chosen");
      await take.click();
      await window.page.waitForSelector("text=The node begins with it at once");
      await window.page.click("text=Look at it");
      await window.advance(1_000);
      await window.page.waitForSelector("h1:has-text('Sunday Supper')");
    }));

  test("says where another operator is reached", () =>
    within({}, async (window) => {
      await window.page.click("summary:has-text('Addresses')");
      await window.page.getByLabel("Maya is at").fill("home.example:3610");
      await window.page.locator("details").getByText("Save").click();
      await window.page.waitForSelector("details >> text=Saved.");
      expect(await window.page.getByLabel("Maya is at").inputValue()).toBe("home.example:3610");
    }));

  test("gives the node a name, and is told when it is too long", () =>
    within({ at: "/settings/node" }, async (window) => {
      const { page } = window;
      const name = page.getByLabel("Name", { exact: true });
      await name.fill("é".repeat(17));
      await page.waitForSelector("text=2 bytes too long");
      await name.fill("Sam at the lake");
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.waitForSelector("text=In effect when the node is started again");
    }));

  test("adds a channel for alerts, is told whether its test arrived, and removes it", () =>
    within({ at: "/settings/alerts" }, async (window) => {
      const { page } = window;
      await page.waitForSelector("text=No channel yet");
      await page.getByLabel("Webhook").check();
      await page.getByLabel("Address").fill("https://hooks.example/nowhere");
      await page.click("button:has-text('Add and send test')");
      await page.waitForSelector("text=The message was not delivered.");
      await page.waitForSelector("text=https://hooks.example/…");
      expect(await page.content()).not.toContain("hooks.example/nowhere");
      await page.getByLabel("ntfy").check();
      await page.getByLabel("Topic").fill("hearth-hunter2");
      await page.click("button:has-text('Add and send test')");
      await page.waitForSelector("text=The test was handed over.");
      await page.getByLabel("Tell from which severity on, ntfy https://ntfy.sh/…").selectOption("critical");
      await page.waitForSelector("text=Saved.");
      await page.click("button[aria-label='Remove ntfy https://ntfy.sh/…']");
      await page.waitForSelector("text=its secrets forgotten");
    }));

  test("lets an alert rest, mutes its kind, takes that back, and is told why it was told", () =>
    within({ at: "/alerts", scenario: "troubled" }, async (window) => {
      const card = window.page.locator("article", { hasText: "A beacon node cannot be used" });
      const bell = (): Promise<string | null> => window.page.getAttribute("a[aria-label*=alert]", "aria-label");
      const before = Number.parseInt((await bell()) ?? "", 10);
      await card.getByText("Why am I told?").click();
      expect(await card.innerText()).toContain("Told when");
      // What happens in the node comes with its next view.
      const press = async (name: string): Promise<void> => {
        await card.getByText(name).click();
        await window.advance(1_000);
      };
      await press("Snooze 1 h");
      await card.getByText("Snoozed until").waitFor();
      await expect.poll(async () => Number.parseInt((await bell()) ?? "0", 10)).toBe(before - 1);
      await press("End the snooze");
      await press("Mute this kind");
      await card.getByText("Muted", { exact: true }).waitFor();
      await window.page.click("[role=status] >> text=Undo");
      await window.advance(1_000);
      await press("Mute this kind");
      await card.getByText("Muted", { exact: true }).waitFor();
      await window.page.click("nav >> text=Settings");
      await window.page.click("main >> text=Alerts");
      await window.page.click("text=Unmute A beacon node that cannot be used");
      await window.page.waitForSelector("text=Nothing is muted.");
      await window.page.click("text=Turn the digest off");
      await window.page.waitForSelector("text=There is no digest.");
    }));

  test("chooses ports and a place for metrics, is told what is none, and turns metrics off", () =>
    within({ at: "/settings/advanced" }, async (window) => {
      const address = window.page.getByLabel("Address", { exact: true });
      await address.fill("localhost");
      await window.page.getByLabel("Save (Address)").click();
      await window.page.waitForSelector("text=This value cannot be used.");
      await address.fill("127.0.0.1:3620");
      await window.page.getByLabel("Save (Address)").click();
      await window.page.waitForSelector("text=Set to http://127.0.0.1:3620/metrics.");
      await window.page.click("text=Turn off");
      await window.page.waitForSelector("text=They are not served.");
      await window.page.click("main >> text=Node");
      await window.page.getByLabel("Addresses to listen on", { exact: true }).fill("0.0.0.0:3999");
      await window.page.getByLabel("Save (Addresses to listen on)").click();
      await window.page.waitForSelector("text=Saved");
    }));

  test("sets quiet hours over midnight, and turns them off", () =>
    within({ at: "/settings/alerts" }, async (window) => {
      const { page } = window;
      await page.waitForSelector("text=There are none.");
      await page.getByLabel("From", { exact: true }).fill("07:00");
      await page.waitForSelector("text=Choose two different times.");
      await page.getByLabel("From", { exact: true }).fill("23:30");
      await page.click("button:has-text('Set')");
      await page.waitForSelector("text=Every day from 23:30 to 07:00.");
      await page.click("button:has-text('Turn off')");
      await page.waitForSelector("text=There are none.");
    }));

  test("lets the node start with the session, and turns it off again", () =>
    within({ at: "/setup/running" }, async (window) => {
      const { page } = window;
      await page.waitForSelector("text=It is off.");
      await page.click("button:has-text('Turn on')");
      await page.waitForSelector("text=It is on.");
      await page.click("button:has-text('Turn off')");
      await page.waitForSelector("text=It is off.");
    }));

  test("finds a theme kept when the window opens again", () =>
    within({ at: "/settings/general" }, async (window) => {
      const { page } = window;
      await page.getByLabel("Dark").check();
      expect(await page.getAttribute("html", "data-theme")).toBe("dark");
      await page.reload();
      await page.waitForSelector("h1");
      expect(await page.getAttribute("html", "data-theme")).toBe("dark");
    }));

  test("goes from a dip of the chart to its misses, and through older ones back to the latest", () =>
    within({}, async (window) => {
      const { page } = window;
      await page.click("summary:has-text('As a table')");
      await page.click("table a:has-text('show') >> nth=0");
      await page.waitForSelector(".head:has-text('Duties before slot')");
      await page.waitForSelector("[role=gridcell].missed");
      await page.click("label:has-text('All duties')");
      await page.click("button:has-text('Older duties')");
      await page.waitForSelector(".head:has-text('duties on record')");
      await page.click("button:has-text('Latest duties')");
      await page.waitForSelector(".head:has-text('Duties before slot')", { state: "detached" });
      await page.goBack();
      await page.waitForSelector(".head:has-text('Duties before slot')");
    }));

  test("scrolls a long timeline of which only what is seen is drawn", () =>
    within({ scenario: "guild", at: "/duties" }, async (window) => {
      await window.page.waitForSelector("[role=gridcell]");
      expect(await window.page.locator("[role=gridcell]").count()).toBeLessThan(400);
    }));

  test("plans a cluster, invites three friends, and goes with them from the words to the cluster", () =>
    within({ scenario: "empty" }, async (window) => {
      const { page } = window;
      await page.click("text=Start a cluster");
      await page.waitForSelector("h1:has-text('Start a cluster')");
      const make = page.locator("button:has-text('Make the invitations')");
      await page.getByLabel("Name of the cluster").fill("Sunday hearth");
      await page.getByLabel("Withdrawal address").fill("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
      expect(await make.getAttribute("aria-disabled"), "the address was not looked at").toBe("true");
      await page.getByLabel("Its last six characters").fill("1beaed");
      await make.click();
      await page.waitForSelector("h1:has-text('Sunday hearth')");
      await page.click("button:has-text('Copy link') >> nth=0");
      expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^hearth:\/\/join\/1\/seat2/);
      await page.click("button:has-text('New link') >> nth=0");
      await page.click("button:has-text('Copy link') >> nth=0");
      expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^hearth:\/\/join\/1\/seat2v2/);
      for (let beat = 0; beat < 8; beat += 1) await window.advance(1_000);
      await page.waitForSelector("h2:has-text('Compare the words')");
      expect(await page.locator("ol[aria-label='Matching words'] li").count()).toBe(6);
      await page.click("button:has-text('They match')");
      for (let beat = 0; beat < 14; beat += 1) await window.advance(1_000);
      await page.waitForSelector("h2:has-text('The waiting room')");
      const begin = page.locator("button:has-text('Begin the ceremony')");
      expect(await begin.getAttribute("aria-disabled"), "not everybody is ready").toBe("true");
      await page.click("button:has-text('I am ready')");
      await page.waitForSelector("text=Everybody is ready.");
      await begin.click();
      await page.waitForSelector("h2:has-text('The key is being made')");
      for (let beat = 0; beat < 9; beat += 1) await window.advance(1_000);
      await page.waitForSelector("h2:has-text('It is lit')");
      await page.click("button:has-text('To the cluster')");
      await page.waitForSelector("header .state:has-text('4 of 4 operators here')");
    }));

  test("opens an invitation out of a link, reads it, takes the seat by keyboard and gives it up again", () =>
    within({ scenario: "empty" }, async (window) => {
      const { page } = window;
      await page.goto(page.url().replace(/#.*/, `#/join/1/${"aB3_".repeat(100)}`));
      await page.waitForSelector("h2:has-text('Sam invites you')");
      expect(await page.innerText("main")).toContain("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
      const take = page.locator("button:has-text('Take this seat')");
      expect(await take.getAttribute("aria-disabled")).toBe("true");
      await page.check("input[type=checkbox]");
      await window.tabTo(/Take this seat/);
      await page.keyboard.press("Enter");
      await page.waitForSelector("h2:has-text('Seats')");
      await page.click("button:has-text('Give up my seat')");
      await page.click("dialog button:has-text('Give up the seat')");
      await page.waitForSelector("h1:has-text('Clusters')");
    }));

  test("is told what is wrong with an invitation, and takes no seat with it", () =>
    within({ scenario: "empty", at: "/join" }, async (window) => {
      const { page } = window;
      const link = page.getByLabel("Link", { exact: true });
      await link.fill("https://example.org");
      await page.waitForSelector("text=That is no invitation");
      await link.fill("hearth://join/2/abc");
      await page.waitForSelector("[role=alert]:has-text('no invitation to a Hearth cluster')");
      await link.fill("hearth://join/1/expired");
      await page.waitForSelector("[role=alert]:has-text('has expired')");
      expect(await page.locator("button:has-text('Take this seat')").count()).toBe(0);
    }));

  test("takes an invitation out of a message, of a page's address and of a file", () =>
    within({ scenario: "empty", at: "/join" }, async (window) => {
      const { page } = window;
      const link = page.getByLabel("Link", { exact: true });
      for (const text of ["Come and sit with us: hearth://join/1/abcd see you", "https://hearth.example/join#1.abcd"]) {
        await link.fill("");
        await page.waitForSelector("button:has-text('Take this seat')", { state: "detached" });
        await link.fill(text);
        await page.waitForSelector("button:has-text('Take this seat')");
      }
      await link.fill("");
      await page.getByLabel("Or its file", { exact: true }).fill("/home/maya/seat-2.hearthinvite");
      await page.waitForSelector("button:has-text('Take this seat')");
    }));

  test("takes part in a cluster that was planned elsewhere, from the record to the ceremony", () =>
    within({ scenario: "empty" }, async (window) => {
      const { page } = window;
      await page.click("a:has-text('Take part in a cluster planned elsewhere')");
      await page.click("button:has-text('Make my node’s record'), button:has-text(\"Make my node's record\")");
      await page.click("button:has-text('Copy the record')");
      expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^enr:-/);
      const source = page.getByLabel("Definition", { exact: true });
      await source.fill("/home/maya/other/cluster-definition.json");
      await page.click("button:has-text('Read and check it')");
      await page.waitForSelector("[role=alert]:has-text('made with it')");
      await source.fill("https://api.obol.tech/v1/definition/0x12");
      await page.click("button:has-text('Read and check it')");
      await page.waitForSelector("h2:has-text('Compare the words')");
      expect(await page.innerText("main")).toContain("signed this definition with a wallet");
      await page.click("button:has-text('They match')");
      await page.click("summary:has-text('Where the others are')");
      await page.getByLabel("Address of operator 3", { exact: false }).fill("example.org:3610");
      await page.click("button:has-text('Begin the ceremony')");
      await page.waitForSelector("h2:has-text('The key is being made')");
      for (let beat = 0; beat < 9; beat += 1) await window.advance(1_000);
      await page.waitForSelector("h2:has-text('It is lit')");
    }));

  test("stops a ceremony for everybody, is told what that means, and tries again", () =>
    within({ scenario: "ceremony", at: "/forming" }, async (window) => {
      const { page } = window;
      await page.click("button:has-text('Stop the ceremony')");
      await page.waitForSelector("dialog:has-text('It stops for everybody')");
      await page.click("dialog button:has-text('Stop it')");
      await page.waitForSelector("[role=alert]:has-text('Nothing was lost')");
      await page.click("button:has-text('Try again together')");
      for (let beat = 0; beat < 8; beat += 1) await window.advance(1_000);
      await page.waitForSelector("h2:has-text('The key is being made')");
    }));

  test("is led to a deposit only when the restore was practised and the address was looked at", () =>
    within({ scenario: "queued" }, async (window) => {
      const { page } = window;
      await page.click("a:has-text('Make the deposit')");
      await page.waitForSelector("text=This opens when everything above is done.");
      await page.getByLabel("Its last six characters").fill("1BeAed");
      expect(await page.locator("text=upload this one").count(), "no restore was practised").toBe(0);
      await page.click("a:has-text('Back up and practise')");
      await page.getByLabel("New file", { exact: true }).fill("/media/stick/sam.hearthbackup");
      await page.getByLabel("Passphrase", { exact: true }).first().fill("amber bridge");
      await page.getByLabel("The same again").fill("amber bridge");
      await page.click("text=Write the backup");
      await page.getByLabel("Backup file", { exact: true }).fill("/media/stick/sam.hearthbackup");
      await page.getByLabel("Passphrase", { exact: true }).last().fill("amber bridge");
      await page.click("text=Open it");
      await page.waitForSelector("text=This backup can be restored");
      await page.evaluate(() => { history.back(); });
      await page.waitForSelector("h1:has-text('Make the deposit')");
      const field = page.getByLabel("Its last six characters");
      await field.fill("1BeAee");
      expect(await page.locator("text=upload this one").count(), "another address").toBe(0);
      await field.fill("1BeAed");
      await page.waitForSelector("text=upload this one");
      expect(await page.innerText("main")).toContain("hoodi.launchpad.ethereum.org");
    }));

  test("is stopped before a second deposit", () =>
    within({}, async (window) => {
      const cluster = "0x5f3a9c1e77d04b62a8e1f0937c6d5b2e4a1908f7d3c2b6e5940a7f1d8c3e9b24";
      await window.page.goto(window.page.url().replace(/#.*/, `#/clusters/${cluster}/deposit`));
      await window.page.waitForSelector("h2:has-text('Do not deposit again')");
      expect(await window.page.locator("text=upload this one").count()).toBe(0);
    }));
});
