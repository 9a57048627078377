//! The one thread that holds key shares and the slashing database.

use std::sync::Arc;
use std::thread::JoinHandle;

use hearth_duties::{CheckReply, Input, Objection, SignReply, SignRequest};
use hearth_signer::Signer;
use hearth_slashing::{EpochStart, RETENTION_EPOCHS, SlashingDb};
use hearth_types::{ChainSpec, Duty, Epoch};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::driver::Answer;

/// Requests that may wait while the disk is slow. A duty has one; more than this many waiting are lost causes.
const WAITING: usize = 16;

/// What the thread is asked.
pub(crate) enum Work {
    Sign(SignRequest),
    /// What would be refused of it.
    Check(SignRequest),
    /// Something with the record. Whoever asks it sees to it that no duty is due.
    Record(Box<dyn FnOnce(&mut SlashingDb) + Send>),
}

/// Handle of the signing thread. Closing it ends the thread and closes the database.
pub(crate) struct SigningThread {
    requests: mpsc::Sender<Work>,
    thread: JoinHandle<()>,
}

impl SigningThread {
    /// Starts the thread; answers go to `answers`.
    pub(crate) fn start(
        mut signer: Signer,
        spec: Arc<ChainSpec>,
        answers: mpsc::Sender<Answer>,
    ) -> std::io::Result<Self> {
        let (requests, mut waiting) = mpsc::channel::<Work>(WAITING);
        let mut pruned = Epoch::default();
        let work = move || {
            while let Some(work) = waiting.blocking_recv() {
                let SignRequest { duty, votes } = match work {
                    Work::Sign(request) => request,
                    Work::Check(request) => {
                        let reply = Input::Checked(check(&signer, &request));
                        if answers.blocking_send(Answer::Input(reply)).is_err() {
                            return;
                        }
                        continue;
                    }
                    Work::Record(work) => {
                        work(signer.record());
                        continue;
                    }
                };
                let outcomes = signer.sign_attestations(&votes);
                let signatures = votes
                    .iter()
                    .zip(outcomes)
                    .map(|((validator, _), outcome)| {
                        (*validator, outcome.map_err(|refusal| refusal.to_string()))
                    })
                    .collect();
                let reply = Input::Signed(SignReply { duty, signatures });
                if answers.blocking_send(Answer::Input(reply)).is_err() {
                    return;
                }
                // The slot's work is done: a quiet moment.
                let epoch = spec.epoch_of(duty.slot);
                if epoch > pruned {
                    pruned = epoch;
                    prune(&mut signer, &spec, epoch);
                }
            }
        };
        let thread = std::thread::Builder::new().name("signing".into()).spawn(work)?;
        Ok(Self { requests, thread })
    }

    /// Hands over a request. Errors: the thread is so far behind that the duty is lost, or it has ended.
    pub(crate) fn ask(&self, request: SignRequest) -> Result<(), TrySendError<Duty>> {
        let duty = request.duty;
        self.hand_over(duty, Work::Sign(request))
    }

    /// Asks what would be refused. Errors: as [`Self::ask`].
    pub(crate) fn check(&self, request: SignRequest) -> Result<(), TrySendError<Duty>> {
        let duty = request.duty;
        self.hand_over(duty, Work::Check(request))
    }

    fn hand_over(&self, duty: Duty, work: Work) -> Result<(), TrySendError<Duty>> {
        self.requests.try_send(work).map_err(|error| match error {
            TrySendError::Full(_) => TrySendError::Full(duty),
            TrySendError::Closed(_) => TrySendError::Closed(duty),
        })
    }

    /// For others who ask. It does not keep the thread from ending.
    pub(crate) fn others(&self) -> mpsc::WeakSender<Work> {
        self.requests.downgrade()
    }

    /// Waits until the request under way is done and the database is closed.
    pub(crate) async fn close(self) {
        drop(self.requests);
        let thread = self.thread;
        // Joining blocks, so it happens where blocking is allowed.
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!(
                "the signing thread ended abnormally; the record of signed messages is intact on disk"
            );
        }
    }
}

/// What the record has against these votes. One that cannot be read has something against all.
fn check(signer: &Signer, SignRequest { duty, votes }: &SignRequest) -> CheckReply {
    let objections = match signer.refusals(votes) {
        Ok(refusals) => refusals
            .into_iter()
            .map(|(validator, refusal)| {
                let (slashable, reason) = (refusal.is_slashable(), refusal.to_string());
                Objection { validator, slashable, reason }
            })
            .collect(),
        Err(error) => votes
            .iter()
            .map(|(validator, _)| Objection {
                validator: *validator,
                slashable: false,
                reason: error.to_string(),
            })
            .collect(),
    };
    CheckReply { duty: *duty, asked: votes.len(), objections }
}

/// Forgets single messages that are so old that a lower bound serves as well.
fn prune(signer: &mut Signer, spec: &ChainSpec, now: Epoch) {
    let before = EpochStart::of(spec, now.saturating_sub(RETENTION_EPOCHS));
    if let Err(error) = signer.record().prune(before) {
        tracing::warn!(%error, "old slashing records could not be pruned; nothing is lost");
    }
}
