//! The window: `ui/`, which npm builds and tests.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::prepare;
use crate::steps::{Runner, cargo, hand_over, root, say, sibling};

/// Everything that must hold of it: types, lints, unit tests, size, flows in a browser, on a fake node and on real ones.
pub(crate) fn test(runner: &mut Runner) -> Result<()> {
    let script =
        "npm ci && npm run check && npm test && npm run build && npm run budget && npm run test:browser";
    let mut command = in_ui(script);
    command.env("HEARTH_PROGRAM", sibling("hearth")?);
    runner.step("The window", command)?;
    if !cfg!(target_os = "linux") {
        say("Left out: the app in its shell is tested on Linux only.");
        return Ok(());
    }
    // The app holds the screens, which are there only now.
    runner.step("Building the app with its screens", cargo(["build", "--workspace", "--all-targets"]))?;
    let mut shell = cargo(["test", "--workspace", "--test", "shell"]);
    shell.env("HEARTH_PROGRAM", sibling("hearth")?).env("HEARTH_APP", sibling("hearth-app")?);
    runner.step("The app in its shell", shell)
}

/// Where Vite serves the screens for [`app`].
const RELOAD_PORT: &str = "4274";

/// Whether a window can be opened here.
pub(crate) fn has_screen() -> bool {
    let named = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    cfg!(not(target_os = "linux")) || named("DISPLAY") || named("WAYLAND_DISPLAY")
}

/// The app on the demo.
pub(crate) fn demo() -> Result<()> {
    let mut app = build()?;
    app.arg("--demo");
    say("The demo opens in a window in a few seconds. Quit it from the tray, or here with Ctrl-C.");
    hand_over(app)
}

fn build() -> Result<Command> {
    prepare::check(prepare::Need::Everything)?;
    let mut runner = Runner::new(2);
    runner.step("Building the screens", in_ui("npm ci && npm run build"))?;
    runner.step("Building hearth and the app", cargo(["build", "--workspace", "--bins"]))?;
    Ok(Command::new(sibling("hearth-app")?))
}

/// The app on a node.
pub(crate) fn app(data_dir: Option<PathBuf>, built: bool) -> Result<()> {
    let (mut app, _served) = if built { (build()?, None) } else { build_to_reload()? };
    if let Some(folder) = data_dir {
        app.env(
            "HEARTH_DATA_DIR",
            folder.canonicalize().with_context(|| format!("--data-dir {}", folder.display()))?,
        );
    }
    hand_over(app)
}

/// The app that shows what Vite serves, and Vite.
fn build_to_reload() -> Result<(Command, Option<Served>)> {
    prepare::check(prepare::Need::Everything)?;
    let mut runner = Runner::new(2);
    if !root().join("ui/node_modules").exists() {
        runner.step("Fetching what the screens need", in_ui("npm ci"))?;
    }
    let mut build = cargo(["build", "--workspace", "--bins", "--no-default-features"]);
    build.env("TAURI_CONFIG", format!(r#"{{"build":{{"devUrl":"http://127.0.0.1:{RELOAD_PORT}"}}}}"#));
    runner.step("Building hearth and the app", build)?;
    let mut vite = Command::new(root().join("ui/node_modules/.bin/vite"));
    vite.args(["--host", "127.0.0.1", "--strictPort", "--port", RELOAD_PORT]).current_dir(root().join("ui"));
    let served = Served(vite.stdin(Stdio::null()).spawn().context("cannot start Vite")?);
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(format!("127.0.0.1:{RELOAD_PORT}")).is_err() {
        if Instant::now() > deadline {
            bail!("Vite does not serve the screens; is port {RELOAD_PORT} in use?");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    say("What changes in ui/ shows at once. Close the app from its tray, or here with Ctrl-C.");
    Ok((Command::new(sibling("hearth-app")?), Some(served)))
}

/// Vite, which ends with this.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _already_dead = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Pictures for the documentation.
pub(crate) fn screens() -> Result<()> {
    prepare::check(prepare::Need::Everything)?;
    Runner::new(1).step("Pictures of every screen", in_ui("npm ci && npm run screens"))?;
    say("The pictures are in docs/screens. Look at them before you commit them.");
    Ok(())
}

/// A line for the system's shell, in `ui/`.
pub(crate) fn in_ui(script: &str) -> Command {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut command = Command::new(shell);
    command.args([flag, script]).current_dir(root().join("ui"));
    command
}
