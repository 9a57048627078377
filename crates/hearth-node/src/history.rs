//! What became of each duty, kept for a month in `history.sqlite` beside the duties and never in their way.
//!
//! Losing it harms nobody: a file that cannot be read is put aside and a new one begun. One thread holds the database; what it
//! has no room for is not kept, and who asks while it cannot answer is told so.

mod store;

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use hearth_api::{
    DutiesReply, DutiesRequest, DutyRecord, Effectiveness, ErrorCode, HistoryReply, HistoryRequest, UiError,
};
use hearth_types::LockHash;
use tokio::sync::oneshot;

pub(crate) use store::Store;

/// Name of the file in the data folder.
const FILE_NAME: &str = "history.sqlite";
/// Jobs that may wait. A duty has one, a window that is opened a few.
const WAITING: usize = 256;

/// Work for the thread.
enum Job {
    Keep(Box<DutyRecord>),
    Duties(DutiesRequest, oneshot::Sender<rusqlite::Result<DutiesReply>>),
    History(HistoryRequest, u64, oneshot::Sender<rusqlite::Result<HistoryReply>>),
    Effectiveness(LockHash, u64, oneshot::Sender<rusqlite::Result<Effectiveness>>),
}

/// The node's end. Cheap to clone; the thread ends when the last clone is gone.
#[derive(Clone)]
pub(crate) struct History {
    jobs: SyncSender<Job>,
}

impl History {
    /// Opens the history of a data folder, or begins it.
    pub(crate) fn open(folder: &Path) -> std::io::Result<(Self, JoinHandle<()>)> {
        let store = Store::open(&folder.join(FILE_NAME)).map_err(std::io::Error::other)?;
        let (jobs, waiting) = sync_channel(WAITING);
        let thread = std::thread::Builder::new().name("history".into()).spawn(move || work(store, &waiting))?;
        Ok((Self { jobs }, thread))
    }

    /// Keeps a duty on which the last word was spoken, or corrects what is kept of it. Never waits.
    pub(crate) fn keep(&self, record: DutyRecord) {
        if let Err(TrySendError::Full(_)) = self.jobs.try_send(Job::Keep(Box::new(record))) {
            tracing::warn!("the disk is too slow to keep the history of duties; one is left out");
        }
    }

    /// The latest duties that fit, newest first.
    pub(crate) async fn duties(&self, request: DutiesRequest) -> Result<DutiesReply, UiError> {
        self.ask(|reply| Job::Duties(request, reply)).await
    }

    /// The duties of a period, added up.
    pub(crate) async fn history(&self, request: HistoryRequest, now_ms: u64) -> Result<HistoryReply, UiError> {
        self.ask(|reply| Job::History(request, now_ms, reply)).await
    }

    /// The same in three numbers.
    pub(crate) async fn effectiveness(&self, cluster: LockHash, now_ms: u64) -> Result<Effectiveness, UiError> {
        self.ask(|reply| Job::Effectiveness(cluster, now_ms, reply)).await
    }

    async fn ask<A>(
        &self,
        job: impl FnOnce(oneshot::Sender<rusqlite::Result<A>>) -> Job,
    ) -> Result<A, UiError> {
        let (reply, answer) = oneshot::channel();
        let busy = || UiError::because(ErrorCode::Busy, "the history of duties has no time for this now");
        self.jobs.try_send(job(reply)).map_err(|_| busy())?;
        let answer = answer.await.map_err(|_| busy())?;
        answer.map_err(|error| UiError::because(ErrorCode::Internal, format!("history.sqlite: {error}")))
    }
}

fn work(mut store: Store, waiting: &Receiver<Job>) {
    let mut complained = false;
    for job in waiting {
        match job {
            Job::Keep(record) => match store.keep(&record) {
                Ok(()) => complained = false,
                Err(error) if !complained => {
                    complained = true;
                    tracing::warn!(%error, "the history of duties cannot be written; duties go on");
                }
                Err(_) => {}
            },
            // Whoever asked may have left.
            Job::Duties(request, reply) => drop(reply.send(store.duties(&request))),
            Job::History(request, now_ms, reply) => drop(reply.send(store.history(&request, now_ms))),
            Job::Effectiveness(cluster, now_ms, reply) => {
                drop(reply.send(store.effectiveness(cluster, now_ms)));
            }
        }
    }
}
