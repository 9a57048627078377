//! How operators come together for a key ceremony: one plans and invites, the others take their seats, all agree on one definition
//! by six words, and begin together.
//!
//! ```text
//! invite   one seat, offered in a link that the organiser has signed
//! terms    what the cluster is to be, which nobody may change behind the others' backs
//! message  what a guest reports, and what the organiser answers
//! table    the organiser's side: seats, agreement, the beginning
//! guest    the side of whoever was invited
//! ```
//!
//! Everything runs through the organiser, who can hold things up and nothing else: what is agreed on is checked by each guest against
//! the invitation, by all people in six words, and by the ceremony itself.
//!
//! Pure: time, randomness and messages are arguments. How this travels is `hearth-node`'s; ADR 10 says why it is made so.

mod guest;
mod invite;
mod kept;
mod message;
mod table;
mod terms;

pub use guest::{Guest, Heard, Unwilling};
pub use invite::{Invite, InviteError, LINK, SeatSecret};
pub use message::{
    Answer, Check, CheckKind, FRAME_BYTES, Kind, Outcome, PROTOCOL, Refusal, Report, SeatState, Standing,
};
pub use table::{NotYet, Seat, Seating, Table};
pub use terms::{Difference, Field, Terms};

/// Longest name of a cluster or an operator here, bytes. Source: `ux.md` 3.8.
pub const NAME_BYTES: usize = 40;
/// Most operators of a cluster that is formed by invitation.
pub const MOST_OPERATORS: u8 = 16;
