//! Alert channels: where alerts go that shall reach their owner elsewhere.
//!
//! What a channel needs travels to the node and stays there; no answer has a place for it.

use serde::{Deserialize, Serialize};

use crate::alerts::Severity;
use crate::secret::Secret;

/// Where messages go. What opens the way, such as a webhook's address or a topic that only its readers know, is secret.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ChannelTarget {
    /// A POST with JSON.
    Webhook {
        /// The address.
        #[cfg_attr(test, ts(type = "string"))]
        url: Secret,
    },
    /// A topic of ntfy.
    Ntfy {
        /// The server, such as `https://ntfy.sh`.
        server: String,
        /// The topic. Whoever knows it can read it, unless the server asks for a token.
        #[cfg_attr(test, ts(type = "string"))]
        topic: Secret,
        /// An access token, if the server asks for one.
        #[cfg_attr(test, ts(type = "string | null"))]
        token: Option<Secret>,
    },
    /// A chat of Telegram.
    Telegram {
        /// The server of the bot API, such as `https://api.telegram.org`.
        server: String,
        /// Number of the chat, or `@name` of a public one.
        chat: String,
        /// The bot's token.
        #[cfg_attr(test, ts(type = "string"))]
        token: Secret,
    },
    /// Mail.
    Email {
        /// The server that takes it, `host` or `host:port`.
        server: String,
        /// How the connection to it is protected.
        security: MailSecurity,
        /// The account there, if it asks for one.
        user: Option<String>,
        /// Its password.
        #[cfg_attr(test, ts(type = "string | null"))]
        password: Option<Secret>,
        /// The sender's address.
        from: String,
        /// The reader's address.
        to: String,
    },
}

/// How the connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum MailSecurity {
    /// TLS from the first byte; port 465.
    Tls,
    /// TLS after a greeting, or no mail; port 587.
    StartTls,
    /// None; only for a server on this computer, port 25.
    None,
}

/// Asks for the channels.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct ChannelsRequest {}

/// Adds a channel, or changes one.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct SetChannelRequest {
    /// The one to change; `None` adds one.
    pub id: Option<u32>,
    /// Where it goes; `None` leaves it where it goes.
    pub target: Option<ChannelTarget>,
    /// What is not at least so bad is not sent.
    pub least: Severity,
}

/// Removes a channel and forgets its secrets.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct RemoveChannelRequest {
    /// Which one.
    pub id: u32,
}

/// Sends a message through a channel that says that it is a test, now.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct TestChannelRequest {
    /// Which one.
    pub id: u32,
}

/// Sets the hours in which only what is critical is told.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct SetQuietHoursRequest {
    /// The hours; `None`: there are none.
    pub hours: Option<QuietHours>,
}

/// A part of every day, in the time zone of the node's computer. May go over midnight.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// When they begin, in minutes after midnight.
    pub from_minute: u16,
    /// When they end.
    pub to_minute: u16,
}

impl QuietHours {
    /// Whether a minute of the day is one of them.
    pub fn hold(self, minute: u16) -> bool {
        let Self { from_minute: from, to_minute: to } = self;
        if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to }
    }
}

/// Turns the daily digest on or off.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct SetDigestRequest {
    /// Whether there is one.
    pub on: bool,
}

/// Mutes a kind of alerts, or tells it again. What is critical is told all the same.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct MuteKindRequest {
    /// Its code, such as `relay_only`.
    pub kind: String,
    /// Whether it shall be muted.
    pub muted: bool,
}

/// What of the alerts is told, and when: by the channels, and on the desktop as well.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields, default)]
pub struct Telling {
    /// When only what is critical is told.
    pub quiet: Option<QuietHours>,
    /// Whether the channels get a digest at nine in the morning, when anything happened.
    pub digest: bool,
    /// Codes of the kinds that are muted, in alphabetical order.
    pub muted: Vec<String>,
}

impl Default for Telling {
    fn default() -> Self {
        Self { quiet: None, digest: true, muted: Vec::new() }
    }
}

/// The channels that there are.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ChannelsReply {
    /// In the order in which they were added.
    pub channels: Vec<ChannelView>,
    /// What is told, and when.
    pub telling: Telling,
}

/// A channel, without what is secret.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ChannelView {
    /// Stays the same while the channel is there.
    pub id: u32,
    /// What kind it is of.
    pub kind: ChannelKind,
    /// Where it goes, as far as that is not secret.
    pub goes_to: String,
    /// What is not at least so bad is not sent.
    pub least: Severity,
    /// How the last message fared; `None` before the first since the node's start.
    pub last: Option<Delivery>,
}

/// Kinds of channels.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// A POST with JSON.
    Webhook,
    /// A topic of ntfy.
    Ntfy,
    /// A chat of Telegram.
    Telegram,
    /// Mail.
    Email,
}

/// How a message fared.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Delivery {
    /// When.
    pub at_ms: u64,
    /// Why it did not arrive; `None` if it did.
    pub error: Option<String>,
}

impl ChannelKind {
    /// What it is called in a sentence.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Ntfy => "ntfy",
            Self::Telegram => "Telegram",
            Self::Email => "mail",
        }
    }
}

impl ChannelTarget {
    /// What kind it is of.
    pub fn kind(&self) -> ChannelKind {
        match self {
            Self::Webhook { .. } => ChannelKind::Webhook,
            Self::Ntfy { .. } => ChannelKind::Ntfy,
            Self::Telegram { .. } => ChannelKind::Telegram,
            Self::Email { .. } => ChannelKind::Email,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_begin_and_end_on_their_minute_also_over_midnight() {
        for (from_minute, to_minute, quiet, loud) in [
            (60, 120, vec![60, 119], vec![0, 59, 120, 1_439]),
            (1_320, 420, vec![1_320, 1_439, 0, 419], vec![420, 700, 1_319]),
        ] {
            let hours = QuietHours { from_minute, to_minute };
            assert!(quiet.into_iter().all(|minute| hours.hold(minute)), "{hours:?}");
            assert!(!loud.into_iter().any(|minute| hours.hold(minute)), "{hours:?}");
        }
    }
}
