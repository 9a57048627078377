//! Agreement of one cluster on one value: QBFT without a network, a clock or keys.
//!
//! Callers feed [`Qbft::step`] with inputs and carry out the outputs in order. Messages arrive authenticated;
//! this crate counts votes, it does not check signatures. Values are digests; what they stand for travels
//! beside the messages.
//!
//! Invariant: two correct operators never emit `Decide` with different values for the same instance.
//! Source: arXiv 2002.03613, as Obol's clusters speak it (`obol-duties.md` 5); comments name the rule they implement.
//!
//! # Where Hearth differs
//!
//! Nothing here is visible to a peer other than as an operator that is quicker or more careful:
//!
//! * A quorum of COMMITs decides whatever round the instance is in. It is the evidence that a DECIDED message
//!   carries, and that is accepted in any round. Without this, an operator that gave up a round just before the last
//!   COMMIT of it arrived would have to hope for somebody's DECIDED.
//! * PREPAREs that arrived early are counted when their round is entered, not only when one more of them arrives.
//! * A vote is kept once, so that replays cannot push an author's other votes out of the buffer.
//! * Leaders do not propose again because of ROUND_CHANGEs for round 1, which no correct operator sends.
//! * The zero value counts for nothing: no DECIDED and no prepared ROUND_CHANGE with it is justified.
//! * The compare step (5.10) is off. It would let a leader overrule a prepared value without justification. An
//!   operator that objects to a proposal withholds its PREPARE instead: see [`Output::Broadcast`].

mod buffer;
mod config;
mod instance;
mod justification;
mod message;

pub use config::Config;
pub use instance::{Arming, Input, Output, Qbft, Timer};
pub use justification::is_justified;
pub use message::{Draft, Kind, Message, Round, Signed, Vote};
