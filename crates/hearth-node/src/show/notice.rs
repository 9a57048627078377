//! What the node says of itself, so that it can be shown.

use std::sync::Arc;
use std::time::Duration;

use hearth_api::{DutyRecord, Effectiveness, Machine, OnChain};
use hearth_beacon::{NodeStatus, Progress};
use hearth_duties::{Report, ValidatorRecord};
use hearth_obol::wire::PeerInfo;
use hearth_p2p::Router;
use hearth_types::{ChainSpec, Duty, Epoch, LockHash, OperatorIndex, Slot, UnixMillis};
use tokio::sync::{mpsc, watch};

use super::room::Seated;
use crate::inclusion::Seeker;

/// Notices that may wait for the task. It only writes to memory, so that more are never there unless the machine stands still.
const NOTICES_WAITING: usize = 4_096;

/// Something worth showing.
pub(crate) enum Notice {
    /// The node is starting; the text ends the sentence "Starting: …".
    Starting(&'static str),
    /// It has a seat in a cluster.
    Seated(Box<Seated>),
    /// It has one no more.
    Unseated(LockHash),
    /// A cluster of its folder does not run.
    LeftOut {
        /// Name of the cluster's folder.
        folder: String,
        /// Why, as a sentence without its full stop.
        reason: String,
    },
    /// What was left out is tried again.
    TryingAgain,
    /// What a beacon node answers before there is a chain to follow.
    Beacon(Progress),
    /// It follows a chain.
    Chain(Followed),
    /// It follows none; its beacon nodes are other ones from now on.
    NoChain,
    /// It performs duties, or has none because it is in no cluster.
    Running,
    /// It finishes the duty under way.
    Stopping,
    /// What was measured of the computer.
    Machine(Machine),
    /// Something in one of its clusters.
    Cluster(LockHash, News),
}

/// The chain that the node follows.
pub(crate) struct Followed {
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) statuses: watch::Receiver<Vec<NodeStatus>>,
    /// Looks into its blocks; `None` while there are no duties.
    pub(crate) seeker: Option<Seeker>,
}

/// Something worth showing of a cluster.
pub(crate) enum News {
    /// What became of duties before this start.
    Past(Vec<DutyRecord>),
    /// How many of the duties are done, from the history.
    Effectiveness(Effectiveness),
    /// How it stands with the router at home.
    Router(Router),
    /// Nothing is signed until this epoch is over, because the folder was restored from a backup.
    Waits(Epoch),
    /// Nothing is signed for this reason, as the end of "Not signing: …": the node runs twice. `None` once it does not any more.
    RunsTwice(Option<&'static str>),
    /// A step on the road of a duty.
    Duty(Report),
    /// What blocks have of the attestations of a slot.
    OnChain(Slot, OnChain),
    /// The duty that comes next, and when.
    Next(Option<(Duty, UnixMillis)>),
    /// What the chain knows of the cluster's validators.
    Validators(Vec<ValidatorRecord>),
    /// A peer can be talked to, at this multiaddr.
    Connected(OperatorIndex, String),
    /// A peer cannot be talked to.
    Away(OperatorIndex),
    /// A peer answered a ping, and whether over a connection that it had opened.
    Ping(OperatorIndex, Duration, bool),
    /// What a peer says of itself, and how far its clock is ahead of ours.
    Card(OperatorIndex, Box<PeerInfo>, i64),
}

/// Says what happens. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Teller(mpsc::Sender<Notice>);

impl Teller {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Notice>) {
        let (teller, notices) = mpsc::channel(NOTICES_WAITING);
        (Self(teller), notices)
    }

    /// Never waits. What finds no room is not shown; a look at the clock sets right what that leaves behind.
    pub(crate) fn tell(&self, notice: Notice) {
        let _not_shown = self.0.try_send(notice);
    }

    /// One that says what happens in a cluster.
    pub(crate) fn of(&self, cluster: LockHash) -> ClusterTeller {
        ClusterTeller { node: self.clone(), cluster }
    }
}

/// Says what happens in a cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ClusterTeller {
    node: Teller,
    cluster: LockHash,
}

impl ClusterTeller {
    /// Never waits, like [`Teller::tell`].
    pub(crate) fn tell(&self, news: News) {
        self.node.tell(Notice::Cluster(self.cluster, news));
    }

    /// What concerns all clusters.
    pub(crate) const fn node(&self) -> &Teller {
        &self.node
    }
}
