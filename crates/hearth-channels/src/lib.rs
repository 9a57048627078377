//! Alert channels: what leaves this computer when something needs attention.
//!
//! ```text
//! letter.rs   what is said, in the form that each channel wants
//! digest.rs   once a day: what happened (pure)
//! outbox.rs   what still has to be said, and when it is tried again (pure)
//! courier.rs  says it, over HTTP or SMTP
//! target.rs   where it goes: whether that makes sense, and what of it may be shown
//! ```
//!
//! What always holds: nothing here is waited for by a duty; nothing that was secret in a [`hearth_api::ChannelTarget`] comes
//! back in an error; no answer of a server is read further than a few lines.

mod courier;
mod digest;
mod letter;
mod outbox;
mod target;

pub use courier::{Courier, Undelivered};
pub use digest::{Digest, Moment};
pub use letter::{Letter, Tone};
pub use outbox::Outbox;
pub use target::{check, goes_to};
