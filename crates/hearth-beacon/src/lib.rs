//! The chain over HTTP: beacon nodes with queries, submissions, failover and health; the little that is asked of an
//! execution client.
//!
//! [`connect()`] waits for the first node that answers and learns the chain from it. [`BeaconNodes::answer`] then
//! takes the questions of `hearth-duties` ([`ChainQuery`](hearth_duties::ChainQuery)) to the nodes in their
//! order, retries what may heal until the question's deadline, and hands submissions to all nodes at once.
//!
//! [`ExecutionClient`] asks contracts, for wallets that are contracts. [`download`] fetches one file from an address that
//! the owner gave.
//!
//! A beacon node is hostile until checked: every answer has a bound on its size and time, is decoded into the
//! types of `hearth-types`, and is held against what was asked. This crate knows no key, no consensus of the
//! cluster and no peer; it makes no decision about what is signed.
//!
//! Invariants: no answer is used from a node that is syncing, optimistic or on another chain; no answer about a
//! slot, epoch or validator that was not asked about leaves this crate; no credential of a URL reaches an error
//! or a log.

mod batch;
mod check;
mod connect;
mod download;
mod error;
mod execution;
mod find;
mod heads;
mod http;
mod inclusion;
mod network;
mod node;
mod nodes;
mod retry;
mod status;
mod submit;
mod url;
mod wire;

pub use batch::Rejection;
pub use connect::{ConnectError, Progress, connect};
pub use download::{DownloadError, download, download_with};
pub use error::{BeaconError, EntryFailure, Problem, WrongAnswer};
pub use execution::ExecutionClient;
pub use find::{FoundNode, USUAL_ADDRESSES, look_at};
pub use http::Patience;
pub use inclusion::{BlockAttestation, NotCounted, Places};
pub use network::{Difference, SpecProblem};
pub use node::{BeaconNode, BlockId, Health, NoTrustRoots};
pub use nodes::BeaconNodes;
pub use status::NodeStatus;
pub use url::{InvalidNodeUrl, NodeUrl, RedactedUrl};
pub use wire::{Block, BlockHeader, Committee, Config, Genesis, ScheduleEntry, Syncing};
