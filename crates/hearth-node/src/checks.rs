//! Measures the computer that the node runs on, again and again, beside the duties.
//!
//! What is measured goes into the view; [`hearth_api::checks`] judges it. Time servers are asked every few minutes (more often
//! while the clock is off), unless the owner turned that off; nothing else leaves the computer.

mod beacons;
mod clock;
mod machine;
mod sleep;
mod trend;

use std::path::PathBuf;
use std::time::Duration;

use hearth_api::{ErrorCode, Machine, UiError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use crate::clock::now;
use crate::show::{Notice, Teller};
pub(crate) use beacons::{find_beacons, wanted};
use trend::FillTrend;

/// Between two looks at whether the computer slept meanwhile.
const TICK: Duration = Duration::from_secs(10);
/// More than that between two looks: it slept. A computer under load is late, but not so late.
const SLEPT: Duration = Duration::from_secs(60);
/// Between two measurements of everything but the clock.
const MEASURE: Duration = Duration::from_secs(60);
/// Between two questions to time servers: they are run for everybody. More often while the clock is off, so that an owner
/// who sets it sees that.
const ASK_TIME: Duration = Duration::from_secs(600);
const ASK_TIME_AGAIN: Duration = Duration::from_secs(30);
/// An offset from which on it is asked more often.
const OFF_MS: u64 = 100;
/// Measured again on demand at most so often.
const PATIENCE: Duration = Duration::from_secs(5);
/// Demands that may wait.
const WAITING: usize = 8;

/// Asks for a measurement. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct CheckDesk(mpsc::Sender<oneshot::Sender<Machine>>);

impl CheckDesk {
    /// Measures again, unless that was done a moment ago.
    pub(crate) async fn measure(&self) -> Result<Machine, UiError> {
        let stopping = || UiError::because(ErrorCode::NotReady, "the node is stopping");
        let (reply, measured) = oneshot::channel();
        self.0.send(reply).await.map_err(|_| stopping())?;
        measured.await.map_err(|_| stopping())
    }
}

/// Measures until dropped.
pub(crate) struct Surveyor {
    folder: PathBuf,
    time_servers: Vec<String>,
    asked: mpsc::Receiver<oneshot::Sender<Machine>>,
    machine: Machine,
    trend: FillTrend,
    measured_at: Option<Instant>,
    time_asked_at: Option<Instant>,
}

impl Surveyor {
    pub(crate) fn new(folder: PathBuf, time_servers: Vec<String>) -> (Self, CheckDesk) {
        let (ask, asked) = mpsc::channel(WAITING);
        let surveyor = Self {
            folder,
            time_servers,
            asked,
            machine: Machine::default(),
            trend: FillTrend::default(),
            measured_at: None,
            time_asked_at: None,
        };
        (surveyor, CheckDesk(ask))
    }

    /// Returns when nobody can ask any more.
    pub(crate) async fn go_on(mut self, teller: Teller) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = now().get();
        loop {
            let asked = tokio::select! {
                asked = self.asked.recv() => match asked {
                    Some(reply) => Some(reply),
                    None => return,
                },
                _ = ticks.tick() => None,
            };
            // The wall clock goes on while a computer sleeps; which other clock does differs between systems.
            let since = Duration::from_millis(now().get().saturating_sub(before));
            if since > TICK + SLEPT {
                self.machine.slept = self.machine.slept.saturating_add(1);
                tracing::warn!(seconds = since.as_secs(), "the computer slept, or its clock was set forward");
            }
            self.look(asked.is_some()).await;
            teller.tell(Notice::Machine(self.machine.clone()));
            if let Some(reply) = asked {
                let _unheard = reply.send(self.machine.clone());
            }
            before = now().get();
        }
    }

    /// Measures what is due.
    async fn look(&mut self, wanted: bool) {
        let due = |at: Option<Instant>, every: Duration| at.is_none_or(|at| at.elapsed() >= every);
        let (measure, ask_time) = if wanted {
            (due(self.measured_at, PATIENCE), due(self.time_asked_at, PATIENCE))
        } else {
            (due(self.measured_at, MEASURE), due(self.time_asked_at, self.ask_time_every()))
        };
        if measure {
            self.measured_at = Some(Instant::now());
            let folder = self.folder.clone();
            let look = tokio::task::spawn_blocking(move || machine::look(&folder));
            if let (Ok(seen), sleep) = tokio::join!(look, sleep::setting()) {
                self.machine.full_in_days = seen.free_mib.and_then(|free| self.trend.take(now().get(), free));
                self.machine = Machine {
                    free_mib: seen.free_mib,
                    available_mib: seen.available_mib,
                    power: seen.power,
                    minutes_left: seen.minutes_left,
                    sleep,
                    ..std::mem::take(&mut self.machine)
                };
            }
        }
        if ask_time && !self.time_servers.is_empty() {
            self.time_asked_at = Some(Instant::now());
            self.machine.clock_offset_ms = clock::offset(&self.time_servers).await;
        }
    }

    fn ask_time_every(&self) -> Duration {
        let right = |offset: i64| offset.unsigned_abs() <= OFF_MS;
        if self.machine.clock_offset_ms.is_none_or(right) { ASK_TIME } else { ASK_TIME_AGAIN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_measurement_that_is_asked_for_is_made_of_this_computer() {
        let folder = tempfile::tempdir().unwrap();
        let (surveyor, desk) = Surveyor::new(folder.path().to_owned(), Vec::new());
        let (teller, mut notices) = Teller::new();
        let measuring = tokio::spawn(surveyor.go_on(teller));
        let machine = desk.measure().await.unwrap();
        assert!(machine.free_mib.is_some_and(|free| free > 0), "{machine:?}");
        assert!(machine.available_mib.is_some_and(|free| free > 0), "{machine:?}");
        assert_eq!((machine.clock_offset_ms, machine.slept), (None, 0), "no time server was named");
        assert!(matches!(notices.recv().await, Some(Notice::Machine(_))));
        drop(desk);
        measuring.await.unwrap();
    }

    #[test]
    fn a_clock_that_is_off_is_asked_about_more_often() {
        let (mut surveyor, _desk) = Surveyor::new(PathBuf::new(), Vec::new());
        for (offset, every) in [
            (None, ASK_TIME),
            (Some(100), ASK_TIME),
            (Some(-101), ASK_TIME_AGAIN),
            (Some(i64::MIN), ASK_TIME_AGAIN),
        ] {
            surveyor.machine.clock_offset_ms = offset;
            assert_eq!(surveyor.ask_time_every(), every, "{offset:?}");
        }
    }
}
