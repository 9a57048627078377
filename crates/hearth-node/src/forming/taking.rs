//! Taking part in the key ceremony of a gathering.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hearth_api::{ChangeSettingsRequest, ErrorCode, PeerAddresses, UiError};
use hearth_obol::cluster::Definition;
use hearth_types::OperatorIndex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Grounds;
use super::place::Reached;
use crate::aside::aside;
use crate::ceremony::{CeremonyError, CeremonyNews, Halt, Held, JOURNAL, Meeting, Release, hold_ceremony};
use crate::folder::LOCK;
use crate::settings::{Settings, SettingsDesk};

/// How long the others have to come to the ceremony.
const COMING: Duration = Duration::from_secs(90);
/// How long the organiser has: he comes as soon as all others are on their way, or not at all.
const ORGANISER_COMING: Duration = Duration::from_secs(25);
/// How long a step may last.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which ceremony it is, and who takes part in it here.
pub(super) struct Part<'a> {
    pub(super) folder: &'a Path,
    pub(super) me: u8,
    pub(super) definition: Definition,
    /// Where the others will be, by number.
    pub(super) peers: BTreeMap<u8, Vec<String>>,
    pub(super) release: Release,
    pub(super) waits: Waits,
}

/// How long the others have to come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Waits {
    /// They were called and are on their way.
    AWhile,
    /// As long as they like.
    Always,
}

/// A ceremony that runs.
pub(super) struct Taking {
    news: mpsc::UnboundedReceiver<CeremonyNews>,
    outcome: JoinHandle<Result<Held, CeremonyError>>,
    halt: Halt,
    /// Why it was stopped from here.
    stopped: Option<String>,
    began: Instant,
    waits: Waits,
    operators: usize,
    me: u8,
    pub(super) step: i64,
    /// Who is connected, and how far he is.
    pub(super) others: BTreeMap<u8, (bool, Option<i64>)>,
    pub(super) saving: Option<(usize, usize)>,
}

/// What happens in it.
pub(super) enum Moved {
    News(CeremonyNews),
    Over(Result<Held, CeremonyError>),
}

/// How it ended.
pub(super) enum Ended {
    /// With what is in doubt.
    Formed(Held, Option<String>),
    Failed(String),
}

impl Taking {
    /// Goes to the ceremony. What an earlier one has left in the folder is moved aside.
    pub(super) async fn part(grounds: &Grounds, reached: &Reached, part: Part<'_>) -> Result<Self, String> {
        let Part { folder, me, definition, peers, release, waits } = part;
        let place = folder.to_owned();
        let moved = aside(move || put_aside(&place)).await;
        moved.map_err(|error| error.details.unwrap_or(error.message))?;
        let operators = definition.operators.len();
        let meeting = Meeting {
            folder: folder.to_owned(),
            definition,
            scrutiny: grounds.settings.in_effect().scrutiny(),
            listen: reached.listen.clone(),
            peers,
            relays: reached.relays.clone(),
            nickname: reached.nickname.clone(),
            patience: PATIENCE,
            release,
            insecure_keys: false,
        };
        let (tell, news) = mpsc::unbounded_channel();
        let (halt, installation) = (Halt::default(), grounds.installation.clone());
        let halted = halt.clone();
        let outcome = tokio::spawn(async move { hold_ceremony(meeting, &installation, tell, halted).await });
        let (began, others) = (Instant::now(), BTreeMap::new());
        Ok(Self {
            news,
            outcome,
            halt,
            stopped: None,
            began,
            waits,
            operators,
            me,
            step: 0,
            others,
            saving: None,
        })
    }

    /// What comes next. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Moved {
        tokio::select! {
            biased;
            Some(news) = self.news.recv() => Moved::News(news),
            over = &mut self.outcome => Moved::Over(over.unwrap_or_else(|error| Err(CeremonyError::Broken(error.to_string())))),
        }
    }

    pub(super) fn take(&mut self, moved: Moved) -> Option<Ended> {
        match moved {
            Moved::News(news) => {
                self.note(news);
                None
            }
            Moved::Over(Ok(held)) => Some(Ended::Formed(held, None)),
            // The files hold, and nothing is deposited before all operators' clusters are compared.
            Moved::Over(Err(error @ CeremonyError::Unconfirmed { .. })) => {
                let doubt = error.to_string();
                let CeremonyError::Unconfirmed { held, .. } = error else { return None };
                Some(Ended::Formed(*held, Some(doubt)))
            }
            Moved::Over(Err(CeremonyError::Stopped)) => {
                let why = self.stopped.take().unwrap_or_else(|| CeremonyError::Stopped.to_string());
                Some(Ended::Failed(why))
            }
            Moved::Over(Err(error)) => Some(Ended::Failed(error.to_string())),
        }
    }

    fn note(&mut self, news: CeremonyNews) {
        match news {
            CeremonyNews::Listening(_) | CeremonyNews::Back(_) => {}
            CeremonyNews::Anew => self.began = Instant::now(),
            CeremonyNews::Here(operator, here) => self.other(operator).0 = here,
            CeremonyNews::At(operator, step) => self.other(operator).1 = Some(step),
            CeremonyNews::Step(step) => self.step = step,
            CeremonyNews::Saving(done, total) => self.saving = Some((done, total)),
        }
    }

    fn other(&mut self, operator: OperatorIndex) -> &mut (bool, Option<i64>) {
        self.others.entry(operator.share().get()).or_insert((false, None))
    }

    /// Does not wait for ever for somebody who does not come.
    pub(super) fn look(&mut self) {
        if self.waits == Waits::Always || self.step > 0 || self.halt.give_up.is_cancelled() {
            return;
        }
        let waited = self.began.elapsed();
        if waited >= ORGANISER_COMING && self.me != 1 && !self.others.contains_key(&1) {
            self.stop("the organiser did not come: somebody had not heard that the ceremony begins, perhaps");
            return;
        }
        if waited < COMING {
            return;
        }
        let here = |number: &u8| self.others.get(number).is_some_and(|(_, step)| step.is_some());
        let others = (1..=u8::try_from(self.operators).unwrap_or(u8::MAX)).filter(|number| *number != self.me);
        let missing: Vec<String> =
            others.filter(|number| !here(number)).map(|number| number.to_string()).collect();
        let whom =
            if missing.is_empty() { "one another".into() } else { format!("operator {}", missing.join(", ")) };
        self.stop(&format!("not everybody reached {whom} within {} s", COMING.as_secs()));
    }

    pub(super) fn stop(&mut self, why: &str) {
        self.stopped = Some(why.to_owned());
        self.halt.give_up.cancel();
    }

    /// Interrupts it and waits until it is: it goes on when this node is started again, if that is soon.
    pub(super) async fn pause(self) {
        self.halt.pause.cancel();
        let _over = self.outcome.await;
    }
}

/// Moves what an earlier ceremony has left into a folder beside, where nobody takes it for a cluster. One that was merely interrupted
/// goes on with it.
fn put_aside(folder: &Path) -> Result<(), UiError> {
    if folder.join(JOURNAL).exists() {
        return Ok(());
    }
    let refused = |error: std::io::Error| UiError::because(ErrorCode::Unwritable, error);
    let entries = std::fs::read_dir(folder).map_err(refused)?.flatten();
    let left: Vec<_> = entries
        .map(|entry| entry.file_name())
        .filter(|name| {
            let name = name.to_string_lossy();
            matches!(&*name, LOCK | "validator_keys") || name.starts_with("deposit-data")
        })
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    let to = (1_u32..).map(|number| folder.join(format!("failed-ceremony-{number}"))).find(|to| !to.exists());
    let Some(to) = to else { return Ok(()) };
    std::fs::create_dir(&to).map_err(refused)?;
    for name in left {
        std::fs::rename(folder.join(&name), to.join(&name)).map_err(refused)?;
    }
    Ok(())
}

/// Writes down where a new cluster's node listens and where its operators are.
pub(super) async fn settle(
    grounds: &Grounds,
    folder: &Path,
    reached: &Reached,
    peers: BTreeMap<u8, Vec<String>>,
) -> Result<(), UiError> {
    let desk = SettingsDesk::of_cluster(folder, grounds.settings.in_effect(), Settings::default());
    let peers = peers.into_iter().map(|(operator, addresses)| PeerAddresses { number: operator, addresses });
    let change = ChangeSettingsRequest {
        listen: Some(reached.listen.clone()),
        relays: Some(reached.relays.clone()),
        peers: Some(peers.collect()),
        ..ChangeSettingsRequest::default()
    };
    desk.change(change).await.map(drop)
}
