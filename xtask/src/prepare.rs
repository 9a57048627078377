//! What a machine needs before it can build, and how to get it.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::steps::{root, say};

/// How much of it is needed.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Need {
    /// Compile and run.
    Rust,
    /// The test against a real consensus client and those of the window in a browser as well.
    Everything,
}

/// A tool, the Debian package that brings it, and what it is called elsewhere.
struct Tool {
    /// What shows that it is there, when it succeeds.
    command: &'static [&'static str],
    debian: &'static str,
    elsewhere: &'static str,
    need: Need,
}

const TOOLS: &[Tool] = &[
    Tool {
        command: &["cc", "--version"],
        debian: "build-essential",
        elsewhere: "a C compiler (Xcode command line tools, Visual Studio Build Tools)",
        need: Need::Rust,
    },
    Tool { command: &["git", "--version"], debian: "git", elsewhere: "git", need: Need::Rust },
    Tool {
        command: &["npm", "--version"],
        debian: "nodejs npm",
        elsewhere: "Node.js 20 or newer, with npm",
        need: Need::Everything,
    },
    Tool {
        command: &["chromium", "--version"],
        debian: "chromium",
        elsewhere: "Chromium, on the PATH as chromium",
        need: Need::Everything,
    },
    // For the app in its shell: a screen, a bus and a web engine that is driven.
    #[cfg(target_os = "linux")]
    Tool { command: &["which", "Xvfb"], debian: "xvfb", elsewhere: "Xvfb", need: Need::Everything },
    #[cfg(target_os = "linux")]
    Tool {
        command: &["which", "dbus-daemon"],
        debian: "dbus",
        elsewhere: "dbus-daemon",
        need: Need::Everything,
    },
    #[cfg(target_os = "linux")]
    Tool {
        command: &["which", "pgrep"],
        debian: "procps",
        elsewhere: "pgrep and pkill",
        need: Need::Everything,
    },
    #[cfg(target_os = "linux")]
    Tool {
        command: &["which", "WebKitWebDriver"],
        debian: "webkit2gtk-driver",
        elsewhere: "WebKitWebDriver",
        need: Need::Everything,
    },
    // For homes behind routers, made of network namespaces.
    #[cfg(target_os = "linux")]
    Tool {
        command: &["sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; command -v nft && command -v ip"],
        debian: "nftables iproute2",
        elsewhere: "nft and ip",
        need: Need::Everything,
    },
    // Elsewhere the system brings its own web engine.
    #[cfg(target_os = "linux")]
    Tool {
        command: &["pkg-config", "--exists", "webkit2gtk-4.1"],
        debian: "pkg-config libwebkit2gtk-4.1-dev",
        elsewhere: "WebKitGTK 4.1 with its headers",
        need: Need::Everything,
    },
];

/// Checks every tool and installs the missing ones where that can be done without asking.
pub(crate) fn check(need: Need) -> Result<()> {
    let missing: Vec<&Tool> = TOOLS
        .iter()
        .filter(|tool| need == Need::Everything || tool.need == Need::Rust)
        .filter(|tool| {
            tool.command.split_first().is_some_and(|(command, arguments)| !answers(command, arguments))
        })
        .collect();
    if missing.is_empty() {
        return fetch_dependencies();
    }
    let packages: Vec<&str> = missing.iter().flat_map(|tool| tool.debian.split(' ')).collect();
    if !answers("apt-get", &["--version"]) {
        let wanted: Vec<&str> = missing.iter().map(|tool| tool.elsewhere).collect();
        bail!("This machine lacks {}. Install that, then run the command again.", wanted.join("; "));
    }
    let install = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    if !answers("id", &["-u"]) || user_id() != Some(0) {
        bail!(
            "This machine lacks some Debian packages. Install them, then run the command again:\n    sudo apt-get update && sudo {install}"
        );
    }
    say(&format!("Installing {} ...", packages.join(" ")));
    apt(&["update"])?;
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(&packages);
    apt(&arguments)?;
    fetch_dependencies()
}

/// All crates at once, with progress, instead of a surprise in the middle of a build.
fn fetch_dependencies() -> Result<()> {
    let mut fetch = crate::steps::cargo(["fetch", "--locked", "--quiet"]);
    if !fetch.status().context("cannot start cargo")?.success() {
        bail!(
            "The crates in Cargo.lock could not be fetched. Check the connection to crates.io and try again."
        );
    }
    Ok(())
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.arg("-qq").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").current_dir(root());
    if !command.status().context("cannot start apt-get")?.success() {
        bail!("apt-get {} failed", arguments.join(" "));
    }
    Ok(())
}

fn answers(command: &str, arguments: &[&str]) -> bool {
    let quiet = Command::new(command).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

fn user_id() -> Option<u32> {
    let output = Command::new("id").arg("-u").output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
