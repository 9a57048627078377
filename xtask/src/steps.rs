//! Steps with a number, a name and the time they took.

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Prints one line for the person who runs the task.
pub(crate) fn say(line: &str) {
    let _unread = writeln!(std::io::stdout(), "{line}");
}

/// The root of the workspace, wherever the task was called from.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A program of the workspace that was built like this one.
pub(crate) fn sibling(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("this program does not know where it is")?;
    Ok(own.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

/// A cargo command at the root of the workspace.
pub(crate) fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Counts the steps of a task and says which one runs.
pub(crate) struct Runner {
    total: usize,
    done: Vec<(String, Duration)>,
}

impl Runner {
    pub(crate) fn new(total: usize) -> Self {
        Self { total, done: Vec::new() }
    }

    /// Runs one step with its output shown; an unsuccessful one ends the task.
    pub(crate) fn step(&mut self, name: &str, mut command: Command) -> Result<()> {
        say(&format!("\n[{}/{}] {name}", self.done.len() + 1, self.total));
        let began = Instant::now();
        let status = command.status().with_context(|| format!("{name}: cannot start {command:?}"))?;
        if !status.success() {
            bail!("{name} failed. To see it alone:\n    {}", shown(&command));
        }
        self.done.push((name.to_owned(), began.elapsed()));
        Ok(())
    }

    /// Says what was done and how long each step took.
    pub(crate) fn finish(self, verdict: &str) {
        say("");
        for (name, took) in &self.done {
            say(&format!("  {:>6.1} s  {name}", took.as_secs_f64()));
        }
        say(&format!("\n{verdict}"));
    }
}

/// Runs a command that takes over the terminal until it ends.
pub(crate) fn hand_over(mut command: Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("it ended with {status}");
    }
    Ok(())
}

fn shown(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}
