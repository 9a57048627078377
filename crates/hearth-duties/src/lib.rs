//! The road of a duty: schedule, agree, sign, collect, submit, account.
//!
//! [`Workflow`] is the brain of one operator: `step(now, input)` returns what to do next. It knows no network,
//! no HTTP, no key and no database; the wire format hides behind [`Dialect`], the chain behind [`ChainQuery`]
//! and [`ChainReply`].
//!
//! Invariant: nothing is handed to the signer that the cluster did not decide for a duty that this operator has.

mod account;
mod agree;
mod cluster;
mod collect;
mod dialect;
mod inbox;
mod message;
mod port;
mod report;
mod schedule;
mod sign;
mod values;
mod voice;
mod witness;
mod workflow;

pub use agree::{Agreement, Early, Step};
pub use cluster::{Cluster, ClusterValidator};
pub use dialect::{AgreedAttestation, AgreedValue, Dialect, MalformedValue};
pub use hearth_qbft::{Arming, Round, Timer};
pub use message::{ConsensusDraft, ConsensusMessage, Digest, PartialAttestation, PartialSet, Proof, Value};
pub use port::{ChainFailure, ChainQuery, ChainReply, Deadlined, ValidatorRecord, Waiting};
pub use report::{Failure, Report, Stage};
pub use values::Values;
pub use voice::{Silent, Speech, Voice};
pub use witness::{Equivocation, SignedData};
pub use workflow::{
    Alarm, CheckReply, Combination, Contradiction, Input, Objection, Output, SignReply, SignRequest, Workflow,
};
