//! Alerts: states with a beginning and an end, never one per event.
//!
//! [`AlertEngine`] decides when one begins and ends; this file says what they are and how they read. A cause has one
//! alert: what follows from another trouble is held back while that one lasts.
//!
//! Source of the rules: ux.md 3.7. Not here yet, because the node does not know the facts: sync committee, proposals, fee recipient, refusals of the
//! signer.

mod computer;
mod duties;
mod engine;
mod herald;
mod why;

use hearth_types::LockHash;
use serde::{Deserialize, Serialize};

use crate::channels::ChannelKind;

use engine::Delays;
pub use engine::{AlertEngine, Transition};
pub use herald::{Herald, Hush, News};

/// How bad.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something is amiss; the validator goes on.
    Warning,
    /// The validator stands still, or is about to.
    Critical,
}

/// A trouble.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Alert {
    /// Which trouble, with what it is about.
    pub kind: AlertKind,
    /// The cluster it concerns; `None` for all.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub cluster: Option<LockHash>,
    /// How bad.
    pub severity: Severity,
    /// Since when it is so; earlier than the moment at which it was raised.
    pub since_ms: u64,
    /// Since when it is gone but not yet trusted to stay away. Counts no more for the verdict on the node.
    pub recovering_since_ms: Option<u64>,
    /// When it was over; `None` while it lasts.
    pub resolved_ms: Option<u64>,
    /// What happened, in a few words without a full stop.
    pub title: String,
    /// What happened and what it means for the stake.
    pub text: String,
    /// What the owner of this node can do; `None` if nothing.
    pub action: Option<String>,
    /// Under which condition it is told, and when it is over.
    pub why: String,
    /// Why it is left in peace, if the owner wants that; not decided by the engine.
    pub rests: Option<Rest>,
}

/// Why an alert is left in peace: it is shown, and neither told nor counted, unless it is critical.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Rest {
    /// It was snoozed.
    Snoozed {
        /// Until then.
        until_ms: u64,
    },
    /// All of its kind are muted.
    Muted,
}

/// Lets an alert rest for a while. Not remembered across a restart of the node.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct SnoozeRequest {
    /// What it is about: [`Alert::kind`] ...
    pub kind: AlertKind,
    /// ... and [`Alert::cluster`].
    #[cfg_attr(test, ts(type = "string | null"))]
    pub cluster: Option<LockHash>,
    /// Until when; `None` wakes it.
    pub until_ms: Option<u64>,
}

/// Kinds of trouble, and what a translation of their text needs.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum AlertKind {
    /// Fewer operators than needed, or a node that must not sign.
    NotSigning {
        /// Operators that are here.
        here: u8,
        /// Operators that are needed.
        needed: u8,
        /// What to call those that are not here.
        missing: Vec<String>,
        /// Why this node refuses, if it does.
        reason: Option<String>,
    },
    /// Several duties in a row, or too many of the latest.
    DutiesMissed {
        /// Duties that were missed since it began.
        missed: u32,
    },
    /// An operator that is not seen.
    OperatorDark {
        /// Its number.
        seat: u8,
        /// What to call it.
        name: String,
        /// Operators that are here.
        here: u8,
        /// Operators that are needed.
        needed: u8,
    },
    /// No beacon node can be used.
    NoBeaconNode {
        /// How many there are.
        known: u32,
    },
    /// A beacon node cannot be used; another can.
    BeaconNodeDown {
        /// Which one.
        url: String,
    },
    /// A beacon node answers slowly.
    BeaconNodeSlow {
        /// Which one.
        url: String,
        /// What is slow.
        limit_ms: u64,
    },
    /// Messages to an operator take long.
    PeerSlow {
        /// Its number.
        seat: u8,
        /// What to call it.
        name: String,
        /// What is long.
        limit_ms: u64,
    },
    /// The computer's clock is off.
    ClockOff {
        /// True time minus the computer's.
        offset_ms: i64,
    },
    /// The disk is nearly full.
    DiskLow {
        /// What is free.
        free_mib: u64,
        /// In how many days it is full.
        full_in_days: Option<u32>,
    },
    /// The computer runs on a battery.
    OnBattery {
        /// How long that lasts.
        minutes_left: Option<u32>,
    },
    /// Messages through a channel do not arrive.
    ChannelFails {
        /// Its number.
        channel: u32,
        /// What kind it is of.
        kind: ChannelKind,
        /// Where it goes, as far as that is not secret.
        goes_to: String,
    },
    /// A cluster in the node's folder does not run.
    LeftOut {
        /// Name of its folder.
        folder: String,
        /// Why, as a sentence without its full stop.
        reason: String,
    },
    /// An operator said two things of which an honest node says one.
    Contradicted {
        /// Its number.
        seat: u8,
        /// What to call it.
        name: String,
    },
    /// An operator's program does not fit ours.
    Misfit {
        /// Its number.
        seat: u8,
        /// What to call it.
        name: String,
        /// Why, as a sentence without its full stop.
        reason: String,
    },
    /// An operator is reached only through a relay.
    RelayOnly {
        /// Its number.
        seat: u8,
        /// What to call it.
        name: String,
    },
}

impl AlertKind {
    /// Title, text and action: the English of the catalogue.
    pub(crate) fn words(&self) -> (String, String, Option<String>) {
        let own = |words: (&str, &str, Option<&str>)| (words.0.into(), words.1.into(), words.2.map(Into::into));
        match self {
            Self::NotSigning { reason: Some(reason), .. } => (
                "This node does not sign".into(),
                format!(
                    "This node refuses to sign: {reason}. The other operators go on if enough of them are here."
                ),
                Some("Read the node's log; it says what must be put right first.".into()),
            ),
            Self::NotSigning { here, needed, missing, .. } => (
                "Not enough operators to sign".into(),
                format!(
                    "{here} operators are here, {needed} are needed. Not here: {}. Until then every duty is missed, each \
                     at a small loss. Nothing else is at risk.",
                    missing.join(", ")
                ),
                // With nobody else in sight the likelier cause is on this side.
                (*here <= 1).then(|| "Check this computer's internet connection.".into()),
            ),
            Self::DutiesMissed { missed } => (
                "Duties are missed".into(),
                format!("{missed} duties were missed lately, each at a small loss. Nothing else is at risk."),
                Some("Open the duties: each miss says where it stopped.".into()),
            ),
            Self::OperatorDark { name, here, needed, .. } => {
                let outlook = match here.saturating_sub(*needed) {
                    0 => "If one more goes dark, it stops until someone returns".to_owned(),
                    1 => "One more may go dark before it stops".to_owned(),
                    spare => format!("{spare} more may go dark before it stops"),
                };
                let text = format!(
                    "{name} was not seen for a while. Your validator goes on with {here} operators, {needed} are needed. {outlook}."
                );
                (format!("{name} is dark"), text, None)
            }
            Self::NoBeaconNode { .. } => own((
                "No beacon node can be used",
                "Without one this node does not see the chain and takes no part in duties. The other operators go on if enough of \
                 them are here.",
                Some("Start or repair your beacon node, or add another in the settings."),
            )),
            Self::BeaconNodeDown { url } => (
                "A beacon node cannot be used".into(),
                format!(
                    "{url} does not answer, or does not follow the chain. Another one does its work; duties go on."
                ),
                Some("Start or repair it.".into()),
            ),
            Self::BeaconNodeSlow { url, limit_ms } => (
                "A beacon node is slow".into(),
                format!(
                    "{url} takes more than {limit_ms} ms to answer. Some duties may come too late to earn in full."
                ),
                None,
            ),
            Self::PeerSlow { name, limit_ms, .. } => (
                format!("Messages to {name} are slow"),
                format!("A message to {name} and back takes more than {limit_ms} ms. Duties go on."),
                None,
            ),
            Self::ClockOff { offset_ms } => (
                format!("Clock is {} ms off", offset_ms.unsigned_abs()),
                "Duties are due at a second that all operators agree on. With a clock that is off, some come too late to earn, and \
                 the other operators may refuse what this node says."
                    .into(),
                Some("Turn on the setting of your system that sets the clock by itself.".into()),
            ),
            Self::DiskLow { free_mib, full_in_days } => (
                match full_in_days {
                    Some(days) => format!("The disk is full in about {days} days"),
                    None => format!("Only {free_mib} MiB are free on the disk"),
                },
                "Nothing is signed that was not written down first: with a full disk this node stops signing. The other operators \
                 go on if enough of them are here."
                    .into(),
                Some("Make room on the disk that holds the node's data folder.".into()),
            ),
            Self::OnBattery { minutes_left } => (
                match minutes_left {
                    Some(minutes) => format!("On battery, about {minutes} minutes left"),
                    None => "On battery".into(),
                },
                "When the battery is empty, this node is gone until the power is back. The other operators go on if enough of them \
                 are here."
                    .into(),
                Some("Plug the computer in.".into()),
            ),
            Self::ChannelFails { kind, goes_to, .. } => (
                format!("Alerts by {} do not arrive", kind.word()),
                format!("Messages to {goes_to} are not delivered. They are tried again for a day. Duties go on."),
                Some("Open the alerts in the settings: they say what its server answered, and send a test.".into()),
            ),
            Self::LeftOut { folder, reason } => (
                format!("The cluster in {folder} does not run"),
                format!(
                    "{reason}. This node takes no part in its duties; its other operators go on if enough of them are here. The \
                     other clusters of this node are not concerned."
                ),
                Some("Put that right, then stop the node and start it again.".into()),
            ),
            Self::Contradicted { name, .. } => (
                format!("{name} said two different things"),
                format!(
                    "For one duty {name} signed two things of which an honest node signs one. The second was not used. If \
                     both signatures are good, the proof is kept in the folder 'evidence' of this node's data. One operator alone cannot get the \
                     validator slashed; several at once could."
                ),
                Some(format!("Ask {name}: the node may run twice, or may have been restored from an old copy.")),
            ),
            Self::Misfit { name, reason, .. } => (
                format!("{name}'s node may not fit this one"),
                format!("{reason}. Duties may still be done, but do not count on it."),
                Some(format!("Agree with {name} on what to run.")),
            ),
            Self::RelayOnly { name, .. } => (
                format!("{name} is reached through a relay only"),
                format!(
                    "There is no direct path to {name}. Duties go on, a little slower, and depend on the relay."
                ),
                None,
            ),
        }
    }
}

impl AlertKind {
    /// What all of its kind have in common.
    pub fn code(&self) -> String {
        let kind = serde_json::to_value(self).unwrap_or_default();
        kind.get("code").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    }

    /// What it is about, without what changes while it lasts.
    pub fn subject(&self, cluster: Option<LockHash>) -> String {
        let kind = serde_json::to_value(self).unwrap_or_default();
        let about = ["code", "seat", "url", "channel", "folder"]
            .map(|field| kind.get(field).map(ToString::to_string).unwrap_or_default());
        let cluster = cluster.map(|cluster| cluster.to_string()).unwrap_or_default();
        format!("{}/{cluster}", about.join("/"))
    }
}

impl Alert {
    /// Tells it from all others: what it is about, and when it began.
    pub fn key(&self) -> String {
        format!("{}/{}", self.kind.subject(self.cluster), self.since_ms)
    }

    /// Whether it is left in peace. What is critical is not.
    pub fn is_resting(&self) -> bool {
        self.rests.is_some() && self.severity < Severity::Critical
    }

    pub(crate) fn new(
        kind: AlertKind,
        cluster: Option<LockHash>,
        severity: Severity,
        (since_ms, delays): (u64, Delays),
    ) -> Self {
        let (title, text, action) = kind.words();
        Self {
            why: why::why(&kind, delays),
            rests: None,
            kind,
            cluster,
            severity,
            since_ms,
            recovering_since_ms: None,
            resolved_ms: None,
            title,
            text,
            action,
        }
    }
}
