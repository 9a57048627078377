//! The one view of a node: window, tray, notifications and command line draw the same object.
//!
//! A thing that may not be known is an `Option` or has an `unknown` state; nothing here is guessed. Moments are
//! milliseconds since 1970 and end in `_ms`; slots travel as strings. Lists have a bound that the cluster gives, so
//! that a view stays far below the longest message: validators are counted here, not listed.
//!
//! What is concluded from the rest ([`Health`]) is filled in by [`crate::Publisher::publish`], never by hand.

use hearth_types::{DutyKind, LockHash, Slot};
use serde::{Deserialize, Serialize};

use crate::alerts::Alert;
use crate::channels::{ChannelView, Telling};
use crate::checks::Check;
use crate::health::Health;
use crate::history::Effectiveness;

/// Duties in [`ClusterView::strip`], at most.
pub const STRIP_DUTIES: usize = 32;
/// Between two views of a node in which nothing happens, at most. The node publishes at least this often.
pub const HEARTBEAT_MS: u64 = 5_000;
/// Age from which on a view says nothing about now.
///
/// Source: ux.md, C-24.
pub const STALE_MS: u64 = 15_000;

/// Everything that a surface shows of a node at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct NodeView {
    /// Number of this view, counted from the node's start. Set when it is published.
    pub seq: u64,
    /// When all this was so.
    pub at_ms: u64,
    /// The slot of that moment; `None` before genesis or while the network is not known.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub slot: Option<Slot>,
    /// The node itself.
    pub node: NodeInfo,
    /// The chain it follows; `None` until a beacon node has told.
    pub network: Option<NetworkView>,
    /// Its beacon nodes, in order of preference.
    pub beacons: Vec<BeaconView>,
    /// The clusters it has a seat in.
    pub clusters: Vec<ClusterView>,
    /// Clusters of its folder that it does not run, and why.
    pub left_out: Vec<LeftOut>,
    /// What it looks at around itself, in the order in which it is shown.
    pub checks: Vec<Check>,
    /// Where alerts go beside the screen, in the order in which they were set up.
    pub channels: Vec<ChannelView>,
    /// What of them is told, and when.
    pub telling: Telling,
    /// What needs attention now, worst first.
    pub alerts: Vec<Alert>,
    /// The verdict on all of it.
    pub health: Health,
}

/// The node itself.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct NodeInfo {
    /// Version of the node's program.
    pub version: String,
    /// What keeps it running.
    pub mode: Mode,
    /// What it is doing.
    pub state: NodeState,
    /// When it was started.
    pub started_ms: u64,
    /// Whether these are quiet hours, in which only what is critical is told.
    pub quiet: bool,
}

/// What keeps a node running.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Not known.
    #[default]
    Unknown,
    /// A terminal, or another program of the user.
    Foreground,
    /// The user's session.
    WhileSignedIn,
    /// The system, from boot on.
    AlwaysOn,
}

/// What a node is doing.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NodeState {
    /// Not ready for a duty yet.
    Starting {
        /// What it waits for, as the end of "Starting: …".
        waiting_for: String,
    },
    /// Performing duties.
    Running,
    /// Finishing the duty under way; no other begins.
    Stopping,
}

impl Default for NodeState {
    fn default() -> Self {
        Self::Starting { waiting_for: "opening the data folder".into() }
    }
}

/// A chain.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct NetworkView {
    /// Its name.
    pub name: String,
    /// Whether its ether is worth nothing.
    pub test: bool,
    /// Start of slot 0.
    pub genesis_ms: u64,
    /// Length of a slot.
    pub slot_ms: u64,
    /// Slots in an epoch.
    pub slots_per_epoch: u64,
}

/// A beacon node.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct BeaconView {
    /// Its address, without what is secret in it.
    pub url: String,
    /// Its name and version, in its own words.
    pub version: Option<String>,
    /// Whether it can be used.
    pub state: BeaconState,
    /// Slot of its head.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub head_slot: Option<Slot>,
    /// How long it took to say how far it is.
    pub latency_ms: Option<u64>,
    /// How long after the start of a slot it knows that slot's block, in 19 of the last 20 cases.
    pub head_delay_ms: Option<u64>,
    /// What last went wrong with it, in its own words.
    pub last_error: Option<String>,
}

/// Whether a beacon node can be used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum BeaconState {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// It follows the head of our chain.
    Ready,
    /// It follows the head, but has no execution client: second choice.
    NoExecution,
    /// It does not follow the head of the chain.
    Syncing,
    /// It is on another chain.
    OtherNetwork,
    /// It does not answer.
    Silent,
}

impl BeaconState {
    /// Whether its answers are used; `None` if that is not known.
    pub const fn usable(self) -> Option<bool> {
        match self {
            Self::Unknown => None,
            Self::Ready | Self::NoExecution => Some(true),
            Self::Syncing | Self::OtherNetwork | Self::Silent => Some(false),
        }
    }
}

/// A cluster that a node has in its folder and does not run.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LeftOut {
    /// Name of its folder.
    pub folder: String,
    /// Why, as a sentence without its full stop.
    pub reason: String,
}

/// A cluster in which the node has a seat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ClusterView {
    /// Hash of its lock.
    #[cfg_attr(test, ts(type = "string"))]
    pub id: LockHash,
    /// The name that its makers gave it.
    pub name: String,
    /// How far its validators are.
    pub stage: ClusterStage,
    /// Why the node must not sign for it, as the end of "Not signing: …"; `None` if it may.
    pub refuses: Option<String>,
    /// Operators that must be here for the validators to sign.
    pub needed: u8,
    /// Its operators, in the order of the cluster definition.
    pub seats: Vec<SeatView>,
    /// Validators of the cluster.
    pub validators: u32,
    /// The duty that comes next; `None` if none is known.
    pub next_duty: Option<NextDuty>,
    /// The latest duties, oldest first; at most [`STRIP_DUTIES`].
    pub strip: Vec<DutyMark>,
    /// How many of its duties are done.
    pub effectiveness: Effectiveness,
    /// How it stands with the router at home, which may let the operators in.
    #[serde(default)]
    pub router: RouterState,
    /// The verdict on it.
    pub health: Health,
}

/// What the router between this computer and the internet does for this node.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RouterState {
    /// It is not asked, or has not answered yet.
    #[default]
    Unknown,
    /// None answers: there is none, or it does not let programs open ports.
    Silent,
    /// It does not open a port.
    Refuses {
        /// What it says.
        reason: String,
    },
    /// It stands behind another router itself.
    Nested {
        /// Its own address, which nobody outside reaches.
        address: String,
    },
    /// It lets others in.
    Open {
        /// Where, as `ip:port`.
        outside: Vec<String>,
    },
}

/// How far the validators of a cluster are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ClusterStage {
    /// The beacon node has not said.
    #[default]
    Unknown,
    /// None is active yet.
    Queued,
    /// At least one has duties.
    Active,
    /// All have left.
    Exited,
}

/// One operator of a cluster, as this node sees it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SeatView {
    /// The operator's number in the cluster, counted from 1: its share index.
    pub number: u8,
    /// The name that it goes by.
    pub nickname: Option<String>,
    /// Whether it is this node.
    pub me: bool,
    /// Whether it is here.
    pub state: SeatState,
    /// How messages reach it.
    pub path: Reach,
    /// Whether it has opened a connection to this node since this node's start: it can.
    pub dialled_in: bool,
    /// Time that a message there and back takes.
    pub rtt_ms: Option<u32>,
    /// When it was last heard of.
    pub last_seen_ms: Option<u64>,
    /// The program that it runs.
    pub client: Option<String>,
    /// The version of that program.
    pub version: Option<String>,
    /// Its clock minus ours.
    pub clock_offset_ms: Option<i64>,
    /// When its node was started, by its own clock.
    #[serde(default)]
    pub started_ms: Option<u64>,
    /// Why its node and this one may not get along, as a sentence without its full stop.
    #[serde(default)]
    pub misfit: Option<String>,
    /// When it last said two things of which an honest node says one.
    #[serde(default)]
    pub contradicted_ms: Option<u64>,
}

impl SeatView {
    /// What to call the operator: its nickname, else its number.
    pub fn called(&self) -> String {
        match &self.nickname {
            Some(name) if !name.is_empty() => name.clone(),
            _ => format!("operator {}", self.number),
        }
    }
}

/// Whether an operator is here.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SeatState {
    /// It answers.
    Here,
    /// It answers, slowly.
    Slow,
    /// It does not answer.
    Dark,
    /// There was no time yet to find out.
    #[default]
    Unknown,
}

/// How messages reach an operator.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Straight.
    Direct,
    /// Through a relay.
    Relay,
    /// Not at all.
    #[default]
    None,
}

/// A duty to come.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct NextDuty {
    /// The slot.
    #[cfg_attr(test, ts(type = "string"))]
    pub slot: Slot,
    /// What is to be done.
    #[cfg_attr(test, ts(type = "DutyKind"))]
    pub kind: DutyKind,
    /// When it is due.
    pub due_ms: u64,
}

/// One duty of the strip; [`crate::DutyRecord`] has the whole story.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DutyMark {
    /// The slot.
    #[cfg_attr(test, ts(type = "string"))]
    pub slot: Slot,
    /// What was to be done.
    #[cfg_attr(test, ts(type = "DutyKind"))]
    pub kind: DutyKind,
    /// What became of it.
    pub mark: Mark,
    /// Its greatest inclusion delay, in slots, where it is known: see [`crate::OnChain`].
    pub delay: Option<u8>,
}

/// What became of a duty, in one sign.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Under way, or not known yet.
    Waiting,
    /// The beacon node took it, and nothing is known against it.
    Done,
    /// The chain has it, but could have had it earlier.
    Late,
    /// It was not done, or the chain does not have it.
    Missed,
}

/// Longest nickname, in bytes. Source: Charon's limit.
const NAME_BYTES: usize = 32;
/// Longest other text that others may put into a view, in bytes.
const TEXT_BYTES: usize = 300;

impl NodeView {
    /// Whether nothing that matters differs from `other`: only numbers that never rest, such as round trips.
    pub(crate) fn is_as_good_as(&self, other: &Self) -> bool {
        let same_checks = self.checks.len() == other.checks.len()
            && self.checks.iter().zip(&other.checks).all(|(one, other)| {
                (one.grade, &one.title, &one.remedy) == (other.grade, &other.title, &other.remedy)
            });
        same_checks && self.at_rest() == other.at_rest()
    }

    /// Without the checks, and with every number that never rests the same. Whether it is known stays.
    fn at_rest(&self) -> Self {
        let mut view = Self { checks: Vec::new(), ..self.clone() };
        for beacon in &mut view.beacons {
            beacon.latency_ms = beacon.latency_ms.map(|_| 0);
            beacon.head_delay_ms = beacon.head_delay_ms.map(|_| 0);
        }
        for seat in view.clusters.iter_mut().flat_map(|cluster| &mut cluster.seats) {
            seat.rtt_ms = seat.rtt_ms.map(|_| 0);
            seat.last_seen_ms = seat.last_seen_ms.map(|_| 0);
            seat.clock_offset_ms = seat.clock_offset_ms.map(|_| 0);
        }
        view
    }

    /// Makes every text that comes from others plain and short: see [`plain`].
    pub(crate) fn make_plain(&mut self) {
        let short = |text: &mut Option<String>, most| {
            if let Some(text) = text {
                *text = plain(text, most);
            }
        };
        for beacon in &mut self.beacons {
            beacon.url = plain(&beacon.url, TEXT_BYTES);
            short(&mut beacon.version, TEXT_BYTES);
            short(&mut beacon.last_error, TEXT_BYTES);
        }
        for left_out in &mut self.left_out {
            left_out.folder = plain(&left_out.folder, TEXT_BYTES);
            left_out.reason = plain(&left_out.reason, TEXT_BYTES);
        }
        for cluster in &mut self.clusters {
            cluster.name = plain(&cluster.name, TEXT_BYTES);
            for seat in &mut cluster.seats {
                short(&mut seat.nickname, NAME_BYTES);
                short(&mut seat.client, TEXT_BYTES);
                short(&mut seat.version, TEXT_BYTES);
                short(&mut seat.misfit, TEXT_BYTES);
            }
        }
    }
}

/// A text from outside as it may be shown: one line, at most `most` bytes, without what moves a terminal's cursor or
/// turns the direction of writing.
pub fn plain(text: &str, most: usize) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut shown = String::new();
    for c in text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !steers(*c)) {
        if shown.len() + c.len_utf8() > most {
            break;
        }
        shown.push(c);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_outside_cannot_steer_the_screen_it_is_shown_on() {
        for (name, text, shown) in [
            ("ordinary", "Maya's hearth", "Maya's hearth"),
            ("terminal escape", "\u{1b}[2JMaya\r\n", "[2JMaya  "),
            ("right to left", "\u{202e}ayaM\u{2069}", "ayaM"),
            ("long", &"é".repeat(40), &"é".repeat(16)),
            ("empty", "", ""),
        ] {
            assert_eq!(plain(text, 32), shown, "{name}");
        }
    }
}
