//! What went wrong, for a person: four lines and a code.

use serde::{Deserialize, Serialize};

/// What a surface may branch on. Closed: everything that can go wrong with a command is one of these.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// No node answers at the place where that of this data folder would.
    NotRunning,
    /// Something answers there that is not the owner's node.
    NotTrusted,
    /// The node is older than the program that asks.
    NodeTooOld,
    /// The program that asks is older than the node.
    ProgramTooOld,
    /// The connection ended, or what came over it was no message.
    ConnectionLost,
    /// No answer in time.
    TimedOut,
    /// The node does not have that command.
    UnknownCommand,
    /// The command was not understood.
    BadRequest,
    /// A value that was to be used makes no sense.
    ValueRefused,
    /// This role may only look.
    NotAllowed,
    /// Too many connections, or too many questions at once.
    Busy,
    /// The answer is longer than a message may be.
    TooMuch,
    /// The node is not so far yet.
    NotReady,
    /// A file that the node shall read cannot be read.
    Unreadable,
    /// A file that the node shall write cannot be written.
    Unwritable,
    /// A file is not what it was said to be, or would do harm.
    FileRefused,
    /// A message could not be delivered.
    NotDelivered,
    /// A fault in the node.
    Internal,
}

/// An error as a surface shows it. None of its lines is made from a raw error except `details`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[error("{message}")]
pub struct UiError {
    /// What to branch on.
    pub code: ErrorCode,
    /// What happened.
    pub message: String,
    /// What it means for the owner's stake.
    pub stake: String,
    /// What to do.
    pub remedy: String,
    /// For whoever wants to know more.
    pub details: Option<String>,
}

/// A node that cannot be asked may well be at work.
const STAKE_UNKNOWN: &str =
    "This says nothing about your validator: the node signs whether or not anybody asks it.";
/// A refused question changes nothing.
const STAKE_UNTOUCHED: &str = "Nothing changed; the node goes on as before.";

impl UiError {
    /// An error with the usual lines of its code.
    pub fn new(code: ErrorCode, details: Option<String>) -> Self {
        let (message, stake, remedy) = lines(code);
        Self { code, message: message.into(), stake: stake.into(), remedy: remedy.into(), details }
    }

    /// A value that makes no sense, with what would: a sentence of ours, without what the owner typed.
    pub fn value_refused(remedy: impl Into<String>) -> Self {
        Self { remedy: remedy.into(), ..Self::new(ErrorCode::ValueRefused, None) }
    }

    /// The same with another fourth line.
    #[must_use]
    pub fn because(code: ErrorCode, details: impl ToString) -> Self {
        Self::new(code, Some(details.to_string()))
    }
}

const fn lines(code: ErrorCode) -> (&'static str, &'static str, &'static str) {
    match code {
        ErrorCode::NotRunning => (
            "No Hearth node is running on this data folder.",
            "Your share does not sign. The other operators keep the validator running if enough of them are here.",
            "Start the node: hearth run. If it runs with another folder, name it with --data-dir.",
        ),
        ErrorCode::NotTrusted => (
            "What answers in the node's place belongs to another user of this computer.",
            "Nothing was sent to it.",
            "Run this as the user who runs the node. If there is no such user, this computer needs a closer look.",
        ),
        ErrorCode::NodeTooOld => (
            "The node is older than this program.",
            STAKE_UNKNOWN,
            "Update the node, or restart it if it was updated while it ran.",
        ),
        ErrorCode::ProgramTooOld => (
            "This program is older than the node.",
            STAKE_UNKNOWN,
            "Update this program, or restart it if it was updated while it ran.",
        ),
        ErrorCode::ConnectionLost => (
            "The connection to the node ended.",
            STAKE_UNKNOWN,
            "Ask again. If it happens again, look at the node's log.",
        ),
        ErrorCode::TimedOut => (
            "The node did not answer in time.",
            STAKE_UNKNOWN,
            "Ask again. If it happens again, look at the node's log.",
        ),
        ErrorCode::UnknownCommand => (
            "The node does not know this command.",
            STAKE_UNTOUCHED,
            "Update the node, or restart it if it was updated while it ran.",
        ),
        ErrorCode::BadRequest => {
            ("The node did not understand the question.", STAKE_UNTOUCHED, "Correct the question.")
        }
        ErrorCode::ValueRefused => (
            "This value cannot be used.",
            STAKE_UNTOUCHED,
            "Correct it; the details say what is wrong with it.",
        ),
        ErrorCode::NotAllowed => (
            "This program may look at the node but not act on it.",
            STAKE_UNTOUCHED,
            "Do it in the Hearth window, or with hearth on the command line.",
        ),
        ErrorCode::Busy => (
            "The node is answering too many questions already.",
            STAKE_UNTOUCHED,
            "Close a window or another program that watches the node, then ask again.",
        ),
        ErrorCode::TooMuch => (
            "The answer is too long to send.",
            STAKE_UNTOUCHED,
            "Ask for less, for example with a lower limit.",
        ),
        ErrorCode::NotReady => {
            ("The node is still starting.", "It does not sign yet.", "Ask again in a moment.")
        }
        ErrorCode::Unreadable => (
            "The file could not be read.",
            STAKE_UNTOUCHED,
            "Check where it is, and that whoever runs the node may read it.",
        ),
        ErrorCode::Unwritable => (
            "The file could not be written.",
            STAKE_UNTOUCHED,
            "Choose another place. What is there already is never overwritten.",
        ),
        ErrorCode::FileRefused => (
            "The file was refused, all of it.",
            STAKE_UNTOUCHED,
            "The details say what is wrong with it. Choose the right file, or have it written again.",
        ),
        ErrorCode::NotDelivered => (
            "The message was not delivered.",
            "Duties do not depend on it, but alerts will not reach you this way.",
            "Correct the channel; the details say what its server answered.",
        ),
        ErrorCode::Internal => (
            "Something in the node went wrong while it answered.",
            "Signing does not depend on answering; `hearth status` says whether the node signs.",
            "Ask again. If it happens again, save the node's log and report it.",
        ),
    }
}
