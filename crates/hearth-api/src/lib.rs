//! What a node says: one view of it, with one verdict, for every surface that shows it.
//!
//! This crate deliberately does not know how anything is done: it has no duty to perform, no key, no file of the
//! node, and of the other Hearth crates only the words. The node fills in a [`NodeView`]; the rest is here.
//!
//! ```text
//! view.rs        what there is to see of a node
//! health.rs      the one flame and the one sentence on it
//! alerts.rs      troubles with a beginning and an end; alerts/ decides when
//! duty.rs        what became of a duty, with the reason in a sentence
//! publish.rs     where the node puts its view
//! follow.rs      the view, then what changed
//! ```
//!
//! What always holds:
//!
//! - **One verdict.** Flame and sentence are concluded in one place, when a view is published. No surface concludes.
//! - **Nobody who watches can be felt.** [`Publisher::publish`] never waits. Nothing is queued for an observer.
//! - **Nothing is applied to the wrong view.** An update names the view that it changes; else the whole is sent.
//! - **Secrets do not travel here.** No type of this crate has a place for one.

mod alerts;
mod duty;
mod follow;
mod health;
mod publish;
mod view;

pub use alerts::{Alert, AlertEngine, AlertKind, Severity, Transition};
pub use duty::{DutyOutcome, DutyRecord, DutyStage, Miss, Trace};
pub use follow::{Change, Gap, Update, ViewEvent, apply, difference};
pub use health::{Facts, Flame, Health, flame, seen_at, sentence, without_this_node};
pub use publish::{Publisher, Watcher};
pub use view::{
    BeaconState, BeaconView, ClusterStage, ClusterView, DutyMark, HEARTBEAT_MS, Mark, Mode, NetworkView,
    NextDuty, NodeInfo, NodeState, NodeView, Reach, STALE_MS, STRIP_DUTIES, SeatState, SeatView, plain,
};
