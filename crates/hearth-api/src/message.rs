//! What travels in a frame, in both directions.
//!
//! Each side opens with [`Hello`]. Then the program calls, and the node replies in whatever order the answers are
//! ready. After `Subscribe` the node also sends events, each with the number of that call.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{ErrorCode, UiError};
use crate::follow::ViewEvent;

/// Version of everything in this crate that travels. Rises when an older peer would misread a newer one: a new
/// variant of an enum does that, a new command or a new field with a default does not.
pub const PROTOCOL: u32 = 1;

/// Who speaks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The node.
    Node,
    /// The command line.
    Cli,
    /// The desktop app's window.
    Window,
    /// The tray, which only looks.
    Tray,
    /// Something that a later version knows. May only look.
    #[default]
    #[serde(other)]
    Other,
}

impl Role {
    /// Whether it may ask for what changes something. A rail against mistakes, not against malice: a program of the
    /// same user can call itself anything.
    pub const fn may_act(self) -> bool {
        matches!(self, Self::Cli | Self::Window)
    }
}

/// The first message of each side. Readable to every version, past and future: only `protocol` must be there.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Hello {
    /// [`PROTOCOL`] of the speaker.
    pub protocol: u32,
    /// Version of the speaker's program, for people.
    #[serde(default)]
    pub build: String,
    /// What the speaker is.
    #[serde(default)]
    pub role: Role,
}

impl Hello {
    /// The hello of this build.
    pub fn of(role: Role) -> Self {
        Self { protocol: PROTOCOL, build: env!("CARGO_PKG_VERSION").into(), role }
    }
}

/// Whether a program and a node understand each other; if not, which of them to update.
pub fn check_versions(program: &Hello, node: &Hello) -> Result<(), UiError> {
    let code = match program.protocol.cmp(&node.protocol) {
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Greater => ErrorCode::NodeTooOld,
        std::cmp::Ordering::Less => ErrorCode::ProgramTooOld,
    };
    let side = |hello: &Hello| format!("protocol {} (version {})", hello.protocol, hello.build);
    Err(UiError::because(code, format!("the program speaks {}, the node {}", side(program), side(node))))
}

/// From a program to the node.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ClientMessage {
    /// First.
    Hello(Hello),
    /// A command of [`crate::Request`].
    Call {
        /// Chosen by the program; the reply bears it.
        id: u32,
        /// Name of the command.
        command: String,
        /// What the command asks for.
        #[cfg_attr(test, ts(type = "unknown"))]
        request: Value,
    },
    /// Send the view now and what changes from then on. Once more on the same connection: start afresh.
    Subscribe {
        /// Chosen by the program; the events bear it.
        id: u32,
    },
}

/// From the node to a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ServerMessage {
    /// First.
    Hello(Hello),
    /// The answer to a call.
    Reply {
        /// Which call.
        id: u32,
        /// The reply of that command.
        #[cfg_attr(test, ts(type = "unknown"))]
        reply: Value,
    },
    /// A call failed, or the connection as a whole.
    Failed {
        /// Which call; `None` when the connection ends.
        id: Option<u32>,
        /// Why.
        error: UiError,
    },
    /// What a subscription sends.
    Event {
        /// Which subscription.
        id: u32,
        /// The event.
        event: ViewEvent,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_mismatch_says_which_side_to_update() {
        let hello = |protocol, role| Hello { protocol, ..Hello::of(role) };
        for (program, node, expected) in [
            (1, 1, None),
            (2, 1, Some((ErrorCode::NodeTooOld, "Update the node"))),
            (1, 2, Some((ErrorCode::ProgramTooOld, "Update this program"))),
            (u32::MAX, 0, Some((ErrorCode::NodeTooOld, "Update the node"))),
        ] {
            let found = check_versions(&hello(program, Role::Cli), &hello(node, Role::Node)).err();
            assert_eq!(
                found.as_ref().map(|error| error.code),
                expected.map(|(code, _)| code),
                "{program}/{node}"
            );
            if let (Some(found), Some((_, remedy))) = (found, expected) {
                assert!(found.remedy.starts_with(remedy), "{}", found.remedy);
            }
        }
    }

    #[test]
    fn a_hello_of_a_version_to_come_can_still_be_read() {
        let text = r#"{"hello":{"protocol":9,"role":"watch","colour":"blue"}}"#;
        let ClientMessage::Hello(hello) = serde_json::from_str(text).unwrap() else { panic!("not a hello") };
        assert_eq!((hello.protocol, hello.role, hello.role.may_act()), (9, Role::Other, false));
    }
}
