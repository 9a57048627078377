//! "Look around first": a demo of real nodes on a chain of its own, in place of the owner's node, until it is left.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use hearth_api::{Client, ErrorCode, Role, UiError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// A demo that is not there by then will not come.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);
const OPERATORS: u8 = 4;

/// Argument of the app that begins with the demo.
pub(crate) const ARGUMENT: &str = "--demo";

/// Which node is shown: that of the owner, or the first of a demo.
#[derive(Debug)]
pub(crate) struct Stage {
    own: PathBuf,
    shown: watch::Sender<PathBuf>,
    demo: Mutex<Option<Running>>,
}

/// A demo. It ends when its input ends, so that it never outlives the app.
#[derive(Debug)]
struct Running {
    process: Child,
    input: Option<ChildStdin>,
}

impl Stage {
    pub(crate) fn new(own: PathBuf) -> Self {
        Self { shown: watch::Sender::new(own.clone()), own, demo: Mutex::new(None) }
    }

    /// The data folder of the node that is shown, as it changes.
    pub(crate) fn folder(&self) -> watch::Receiver<PathBuf> {
        self.shown.subscribe()
    }

    pub(crate) fn shows_demo(&self) -> bool {
        self.running().is_some()
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.demo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts one, and shows it as soon as its first node answers.
    pub(crate) async fn start_demo(&self, program: &Path) -> Result<(), UiError> {
        if self.shows_demo() {
            return Ok(());
        }
        let failed = |error: std::io::Error| UiError::because(ErrorCode::NotRunning, error);
        let mut demo = Command::new(program);
        demo.args(["demo", "--held", "--operators", &OPERATORS.to_string()]);
        demo.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = demo.spawn().map_err(failed)?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let mut running = Running { process, input };
        let told = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            let _nothing = output.map(|output| BufReader::new(output).read_line(&mut line));
            line
        });
        let cluster = told.await.map_err(|error| failed(std::io::Error::other(error)))?;
        let first = Path::new(cluster.trim()).join("node0");
        let deadline = Instant::now() + PATIENCE;
        while Client::connect(&first, Role::Window).await.is_err() {
            let ended = !matches!(running.process.try_wait(), Ok(None));
            if ended || Instant::now() > deadline {
                return Err(UiError::because(ErrorCode::NotRunning, "the demo did not start"));
            }
            sleep(LOOK).await;
        }
        *self.running() = Some(running);
        self.shown.send_replace(first);
        Ok(())
    }

    /// Stops an operator of the demo, or starts it again.
    pub(crate) fn toggle_operator(&self, number: u8) -> Result<(), UiError> {
        let mut running = self.running();
        let told =
            running.as_mut().and_then(|demo| demo.input.as_mut()).map(|input| writeln!(input, "{number}"));
        match told {
            Some(Ok(())) => Ok(()),
            _ => Err(UiError::because(ErrorCode::NotReady, "there is no demo")),
        }
    }

    /// Shows the owner's node again. The demo ends by itself; its end can be waited for.
    pub(crate) fn leave_demo(&self) -> Option<JoinHandle<()>> {
        self.shown.send_replace(self.own.clone());
        let mut demo = self.running().take()?;
        drop(demo.input.take());
        Some(std::thread::spawn(move || {
            let _ended = demo.process.wait();
        }))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_demo_that_does_not_start_leaves_the_owners_node_in_view() {
        let stage = Stage::new(PathBuf::from("/own"));
        let error = stage.start_demo(Path::new("false")).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NotRunning);
        assert_eq!((stage.folder().borrow().clone(), stage.shows_demo()), (PathBuf::from("/own"), false));
        assert_eq!(stage.toggle_operator(2).unwrap_err().code, ErrorCode::NotReady);
        assert!(stage.leave_demo().is_none());
    }
}
