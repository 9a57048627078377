//! The facade: wires the crates together and drives one operator's node.
//!
//! [`run`] is a loop around [`hearth_duties::Workflow`]: receive, step, perform. Everything that waits lives in
//! tasks of its own; the key shares and the slashing database live on one signing thread and are reached only by
//! the requests of the workflow.
//!
//! Invariant: one data folder is used by one process at a time, and a signature leaves this process only after
//! its record is on disk.

mod alarms;
mod aside;
mod ceremony;
mod channels;
mod checks;
mod clock;
mod driver;
mod event;
mod evidence;
mod folder;
mod forming;
mod history;
mod inclusion;
mod infosync;
mod installation;
mod key_guard;
mod keys;
mod metrics;
mod newcomers;
mod node;
pub mod offline;
mod peers;
mod place;
mod record;
mod relay;
mod relay_finder;
mod restored;
mod seat;
mod settings;
mod show;
mod signing;
mod spoken;

pub use ceremony::{
    CeremonyError, CeremonyNews, Halt, Held, Meeting, Release, hold_ceremony, step_words, words_of,
};
pub use driver::Broken;
pub use event::{NodeEvent, Observer};
pub use folder::{DataFolder, FolderError};
pub use hearth_duties::Contradiction;
pub use hearth_obol::cluster::{IncompleteNetwork, Network, Networks};
pub use installation::{Installation, InstallationError, STATE_VARIABLE};
pub use key_guard::KeyGuardError;
pub use node::{RunError, run};
pub use record::RecordError;
pub use relay::{Relay, RelayError, RelayEvent, run_relay};
pub use seat::SeatError;
pub use settings::{Settings, SettingsError, Testnet, testnet_described_in};
