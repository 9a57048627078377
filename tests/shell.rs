//! The app in its real shell: WebKitGTK on a screen of its own, driven through WebDriver, with a desktop that takes its tray
//! and its notifications; its node is one of four in a demo.
//!
//! `cargo xtask test` names the app in `HEARTH_APP`; without that, and elsewhere than on Linux, it says what it skips.

#![cfg(target_os = "linux")]
#![allow(clippy::indexing_slicing, clippy::panic, reason = "helpers of a test fail as tests do")]

mod desktop;

use desktop::{Desktop, eventually};
use fantoccini::{Client, ClientBuilder, Locator};
use hearth_tests::{free_ports, hearth, run, said};
use serde_json::{Value, json};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A group of processes that ends with its test.
struct Group(Child);

impl Group {
    fn start(mut command: Command, log: &Path) -> Self {
        let file = std::fs::File::create(log).expect("the log can be written");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("a handle")).stderr(file).process_group(0);
        Self(command.spawn().expect("the program starts"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _gone = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).status();
        let _reaped = self.0.wait();
    }
}

/// Everything that the app meets.
struct Stage {
    app: PathBuf,
    home: tempfile::TempDir,
    node: String,
    desktop: Desktop,
    _demo: Option<Group>,
}

impl Stage {
    /// With a demo, of which the app shows a node.
    async fn with_demo(app: PathBuf) -> Self {
        let mut stage = Self::empty(app).await;
        let cluster = stage.home.path().join("cluster");
        let mut demo = Command::new(hearth());
        demo.args(["demo", "--slots", "1000", "--json", "--keep"]).arg(&cluster);
        stage._demo = Some(Group::start(demo, &stage.home.path().join("demo.log")));
        stage.node = cluster.join("node0").display().to_string();
        eventually("a node that signs", async || {
            run(&["status", "--data-dir", &stage.node]).status.success().then_some(())
        })
        .await;
        stage
    }

    /// As on a computer where Hearth was installed a moment ago.
    async fn empty(app: PathBuf) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let node = home.path().join("data").display().to_string();
        let desktop = Desktop::open(home.path()).await;
        Self { app, home, node, desktop, _demo: None }
    }

    /// One that is started while another dies would hand its wishes over to that and end.
    async fn app_is_gone(&self) {
        eventually("the end of the app", async || self.desktop.tooltip().await.is_none().then_some(())).await;
    }

    /// The app's environment: a home, a screen and a bus of its own.
    fn dress(&self, command: &mut Command) {
        command.env("HEARTH_DATA_DIR", &self.node).env("HEARTH_PROGRAM", hearth());
        command.env("HOME", self.home.path()).env("XDG_RUNTIME_DIR", self.home.path());
        command.env("DISPLAY", &self.desktop.display).env("DBUS_SESSION_BUS_ADDRESS", &self.desktop.bus);
        command.env_remove("WAYLAND_DISPLAY").env("GDK_BACKEND", "x11").env("NO_AT_BRIDGE", "1");
    }

    /// The app with its window, as WebDriver starts it.
    async fn window(&self) -> (Group, Client) {
        let port = free_ports(1)[0];
        let mut driver = Command::new("WebKitWebDriver");
        driver
            .arg(format!("--port={port}"))
            .env("TAURI_AUTOMATION", "true")
            .env("TAURI_WEBVIEW_AUTOMATION", "true");
        self.dress(&mut driver);
        let driver = Group::start(driver, &self.home.path().join("driver.log"));
        let address = format!("http://127.0.0.1:{port}");
        let options = json!({"webkitgtk:browserOptions": {"binary": self.app, "args": []}});
        let Value::Object(options) = options else { unreachable!("it was written so") };
        let client = eventually("a session", async || {
            ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
                .capabilities(options.clone())
                .connect(&address)
                .await
                .ok()
        })
        .await;
        (driver, client)
    }

    /// The number of duties that were done, as the node tells it to whoever asks.
    fn duties_done(&self) -> usize {
        let output = run(&["duties", "--json", "--data-dir", &self.node]);
        let reply: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
        let duties = reply["duties"].as_array().expect("a list");
        duties.iter().filter(|duty| duty["outcome"]["kind"] == "sent").count()
    }
}

impl Drop for Stage {
    /// A node that the app started outlives the app, not the test.
    fn drop(&mut self) {
        let _gone =
            Command::new("pkill").args(["-KILL", "-f", "--", &format!("--data-dir {}$", self.node)]).status();
    }
}

async fn header(client: &Client) -> Option<String> {
    client.find(Locator::Css("header .state")).await.ok()?.text().await.ok()
}

async fn shows(client: &Client, text: &str) {
    eventually(text, async || header(client).await.filter(|state| state.contains(text))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_app_shows_its_node_in_window_tray_and_notifications_and_can_die_without_it() {
    let Some(app) = std::env::var_os("HEARTH_APP") else {
        println!("skipped: the app in its shell needs a built app with its screens; cargo xtask test names it");
        return;
    };
    let stage = Stage::with_demo(app.into()).await;
    let (driver, client) = stage.window().await;
    shows(&client, "4 of 4 operators here").await;
    assert_eq!(stage.desktop.tooltip().await.as_deref(), Some("Hearth: Lit. 4 of 4 operators here."));
    if let Some(folder) = std::env::var_os("HEARTH_SHELL_PICTURES") {
        let picture = client.screenshot().await.expect("a picture");
        std::fs::write(Path::new(&folder).join("app.png"), picture).expect("the folder is there");
        std::fs::write(Path::new(&folder).join("tray.json"), json!(stage.desktop.icon().await).to_string())
            .expect("the folder is there");
    }

    // An operator falls silent: window, tray and notification agree.
    stage.stop_operator(3);
    shows(&client, "3 of 4 operators here, no one to spare").await;
    eventually("a tray that says so", async || {
        let tooltip = stage.desktop.tooltip().await?;
        (tooltip == "Hearth: Lit, low. 3 of 4 operators here, no one to spare.").then_some(())
    })
    .await;
    let lines = stage.desktop.menu().await;
    assert_eq!(lines.first().map(String::as_str), Some("Lit, low. 3 of 4 operators here, no one to spare."));
    assert!(lines.iter().any(|line| line == "Quit app (the node keeps running)"), "{lines:?}");

    // From the tray to a screen, and to the dialog that stops the node.
    stage.desktop.choose("Settings").await;
    eventually("the settings", async || {
        let title = client.find(Locator::Css("h1")).await.ok()?.text().await.ok()?;
        (title == "Settings").then_some(())
    })
    .await;
    stage.desktop.choose("Stop node…").await;
    eventually("the dialog", async || client.find(Locator::Css("dialog")).await.ok().map(drop)).await;

    // SIGKILL of the app (it is of the driver's group): the node does not notice.
    let before = stage.duties_done();
    drop((driver, client));
    stage.app_is_gone().await;
    eventually("further duties", async || (stage.duties_done() > before + 1).then_some(())).await;

    let (driver, client) = stage.window().await;
    shows(&client, "3 of 4 operators here").await;

    // Below the threshold: a notification, and the window in two words.
    stage.stop_operator(2);
    shows(&client, "Not signing").await;
    let told =
        async || stage.desktop.notes().contains(&"Not enough operators to sign".to_owned()).then_some(());
    eventually("a notification", told).await;

    drop((driver, client));
    stage.app_is_gone().await;

    // Without a window, as when the owner signs in: the flame is in the tray.
    let mut hidden = Command::new(&stage.app);
    hidden.arg("--hidden");
    stage.dress(&mut hidden);
    let _hidden = Group::start(hidden, &stage.home.path().join("app.log"));
    eventually("a tray that knows", async || {
        let tooltip = stage.desktop.tooltip().await?;
        (tooltip == "Hearth: Dark. Not signing: 2 of 4 operators here, 3 needed.").then_some(())
    })
    .await;
    assert!(!stage.desktop.has_window("Hearth"));
    stage.desktop.choose("Open Hearth").await;
    eventually("a window", async || stage.desktop.has_window("Hearth").then_some(())).await;

    // Closed is not quit; a link opens it again.
    stage.desktop.close_window("Hearth");
    eventually("no window", async || (!stage.desktop.has_window("Hearth")).then_some(())).await;
    let mut link = Command::new(&stage.app);
    link.arg("hearth://join/anything");
    stage.dress(&mut link);
    assert!(link.status().expect("the app starts").success(), "the second one hands on its link and ends");
    eventually("a window for the link", async || stage.desktop.has_window("Hearth").then_some(())).await;
    stage.desktop.choose("Quit app (the node keeps running)").await;
    eventually("the app's end", async || (!stage.desktop.has_window("Hearth")).then_some(())).await;
    assert!(said(&run(&["status", "--data-dir", &stage.node])).contains("2 of 4 operators here"));
}

impl Stage {
    /// As by a power cut.
    fn stop_operator(&self, position: usize) {
        let folder = self.node.replace("node0", &format!("node{position}"));
        let output =
            Command::new("pkill").args(["-KILL", "-f", "--", &format!("--data-dir {folder} ")]).status();
        assert!(output.is_ok_and(|status| status.success()), "operator {position} runs");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_owner_looks_around_in_a_demo_and_comes_back_to_an_own_node_without_a_cluster() {
    let Some(app) = std::env::var_os("HEARTH_APP") else { return };
    let stage = Stage::empty(app.into()).await;
    let (driver, client) = stage.window().await;
    shows(&client, "No cluster yet.").await;
    let press = async |name: &str| {
        let button = format!("//button[contains(normalize-space(.), '{name}')]");
        let found = eventually(name, async || client.find(Locator::XPath(&button)).await.ok()).await;
        found.click().await.expect("it can be pressed");
    };
    press("Look around first").await;
    shows(&client, "4 of 4 operators here").await;
    press("Stop Maya").await;
    shows(&client, "3 of 4 operators here, no one to spare").await;
    press("Start Maya").await;
    shows(&client, "4 of 4 operators here").await;
    press("Leave the demo").await;
    shows(&client, "No cluster yet.").await;

    // The node that the app started is there without it.
    drop((driver, client));
    let status = run(&["status", "--data-dir", &stage.node]);
    assert!(said(&status).contains("No cluster yet."), "{}", said(&status));
    assert!(run(&["stop", "--yes", "--data-dir", &stage.node]).status.success());
}

/// A window that its owner works with.
struct Sitting {
    stage: Stage,
    port: u16,
    client: Client,
    _driver: Group,
}

impl Sitting {
    async fn new(app: &Path) -> Self {
        let stage = Stage::empty(app.to_owned()).await;
        let (driver, client) = stage.window().await;
        shows(&client, "No cluster yet.").await;
        Self { stage, port: free_ports(1)[0], client, _driver: driver }
    }

    async fn press(&self, name: &str) {
        let button = format!("//button[contains(normalize-space(.), '{name}') and not(@aria-disabled='true')]");
        eventually(name, async || {
            let found = self.client.find(Locator::XPath(&button)).await.ok()?;
            // It may have been drawn anew in between.
            found.click().await.ok()
        })
        .await;
    }

    async fn fill(&self, label: &str, text: &str) {
        let field = format!("//div[label[normalize-space(.)='{label}']]//input");
        eventually(label, async || {
            let found = self.client.find(Locator::XPath(&field)).await.ok()?;
            found.clear().await.ok()?;
            found.send_keys(text).await.ok()
        })
        .await;
    }

    async fn texts(&self, css: &str, count: usize) -> Vec<String> {
        eventually(css, async || {
            let mut texts = Vec::new();
            for found in self.client.find_all(Locator::Css(css)).await.ok()? {
                // What is cut off on the screen as well.
                texts.push(found.prop("textContent").await.ok()??);
            }
            (texts.len() == count).then_some(texts)
        })
        .await
    }

    async fn reads(&self, text: &str) {
        let place = format!("//main//*[contains(normalize-space(text()), \"{text}\")]");
        eventually(text, async || self.client.find(Locator::XPath(&place)).await.ok()).await;
    }

    /// His name; and that nobody reaches him but through a relay.
    async fn sits(&self, name: &str, relay: &str) {
        self.fill("Your name", name).await;
        let summary = self.client.find(Locator::Css("main details summary")).await.expect("how he is reached");
        summary.click().await.expect("it opens");
        self.fill("Address for the others", "127.0.0.1:1").await;
        self.fill("Listen on", &format!("127.0.0.1:{}", self.port)).await;
        if !relay.is_empty() {
            self.fill("Relay", relay).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_desktop_apps_form_a_cluster_by_links_through_a_relay() {
    let Some(app) = std::env::var_os("HEARTH_APP").map(PathBuf::from) else { return };
    let place = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(hearth());
    command.args(["relay", "--p2p-tcp-address", "127.0.0.1:0", "--data-dir"]).arg(place.path().join("relay"));
    let mut relay = hearth_tests::Running::start(command, &place.path().join("relay.log"));
    relay.wait_for("/p2p/");
    let log = relay.log();
    let relay_at = log.lines().map(str::trim).find(|line| line.contains("/p2p/")).expect("an address");

    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(Sitting::new(&app).await);
    }
    let [sam, friends @ ..] = &all[..] else { unreachable!("there are four") };
    sam.press("Start a cluster").await;
    sam.fill("Name of the cluster", "Sunday hearth").await;
    sam.fill("Withdrawal address", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed").await;
    sam.fill("Its last six characters, once more", "1BeAed").await;
    sam.sits("Sam", relay_at).await;
    sam.press("Make the invitations").await;
    let links = sam.texts("main li code", 3).await;
    for ((friend, link), name) in friends.iter().zip(&links).zip(["Maya", "Priya", "Tomás"]) {
        friend.press("Join a cluster").await;
        friend.fill("Link", link).await;
        friend.reads("Sam invites you to").await;
        friend.sits(name, "").await;
        let sure = friend.client.find(Locator::Css("main input[type=checkbox]")).await.expect("a statement");
        sure.click().await.expect("he knows Sam");
        friend.press("Take this seat").await;
    }
    let words = sam.texts("ol[aria-label='Matching words'] li", 6).await;
    for one in &all {
        assert_eq!(one.texts("ol[aria-label='Matching words'] li", 6).await, words);
        one.press("They match").await;
    }
    for one in &all {
        one.press("I am ready").await;
    }
    sam.press("Begin the ceremony").await;
    for one in &all {
        one.reads("It is lit").await;
        let lock = Path::new(&one.stage.node).join("clusters");
        let folders = std::fs::read_dir(lock).expect("clusters").flatten();
        assert!(folders.into_iter().any(|folder| folder.path().join("cluster-lock.json").exists()));
    }
}
