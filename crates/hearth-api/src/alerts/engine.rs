//! When an alert begins and when it ends.
//!
//! Each look at the view turns into findings, one for each trouble that could be. A finding must stay bad for a while
//! to become an alert, and good for a while to end it. Some are held back while another trouble, which explains them,
//! is there or may be about to be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hearth_types::LockHash;

use super::computer;
use super::duties::DutyWatch;
use super::{Alert, AlertKind, Severity};
use crate::channels::ChannelView;
use crate::checks::BEACON_SLOW_MS;
use crate::duty::{DutyOutcome, DutyRecord};
use crate::view::{BeaconView, ClusterView, LeftOut, NodeState, NodeView, Reach, SeatState, SeatView};

pub(super) const SECOND: u64 = 1_000;
pub(super) const MINUTE: u64 = 60 * SECOND;

/// Time that a trouble must last, and that it must be gone. Source: ux.md 3.7.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delays {
    pub(super) raise_ms: u64,
    pub(super) clear_ms: u64,
}

pub(super) const AT_ONCE: Delays = Delays { raise_ms: 0, clear_ms: 0 };
const OPERATOR_DARK: Delays = Delays { raise_ms: 3 * MINUTE, clear_ms: MINUTE };
const BEACON_DOWN: Delays = Delays { raise_ms: 2 * MINUTE, clear_ms: 2 * MINUTE };
const BEACON_SLOW: Delays = Delays { raise_ms: 5 * MINUTE, clear_ms: 2 * MINUTE };
const PEER_SLOW: Delays = Delays { raise_ms: 10 * MINUTE, clear_ms: MINUTE };
const CHANNEL_FAILS: Delays = Delays { raise_ms: MINUTE, clear_ms: 0 };
const RELAY_ONLY: Delays = Delays { raise_ms: 15 * MINUTE, clear_ms: 5 * MINUTE };
/// In slots, for a cluster that cannot sign.
const NOT_SIGNING_SLOTS: u64 = 2;
/// Good duties after which a cluster signs again; or, where there are none, epochs with enough operators.
const PROOF_DUTIES: u32 = 2;
const PROOF_EPOCHS: u64 = 2;
/// Epochs that are looked back on for missed duties, and after which they become critical.
const MISSED_WINDOW_EPOCHS: u64 = 2;
const MISSED_CRITICAL_EPOCHS: u64 = 4;
/// An operator that contradicted itself is not trusted for as long.
const CONTRADICTED_MS: u64 = 24 * 60 * MINUTE;
const PEER_SLOW_MS: u32 = 235;
const PEER_FAST_MS: u32 = 200;

/// A longer time without a look means that the computer slept. What was bad before is looked at afresh.
const SLEPT_MS: u64 = MINUTE;
/// Resolved alerts that are kept.
const HISTORY: usize = 200;

/// What a look says about one trouble.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It is there.
    Bad,
    /// Neither there nor safely gone.
    Between,
    /// It is not there.
    Good,
    /// Nothing can be said; everything stays as it was.
    Unknown,
}

impl Verdict {
    pub(super) fn bad_if(bad: Option<bool>) -> Self {
        match bad {
            Some(true) => Self::Bad,
            Some(false) => Self::Good,
            None => Self::Unknown,
        }
    }
}

/// What makes two findings the same trouble.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Cause {
    NotSigning(LockHash),
    DutiesMissed(LockHash),
    OperatorDark(LockHash, u8),
    PeerSlow(LockHash, u8),
    RelayOnly(LockHash, u8),
    Contradicted(LockHash, u8),
    Misfit(LockHash, u8),
    NoBeaconNode,
    BeaconNodeDown(String),
    BeaconNodeSlow(String),
    ChannelFails(u32),
    LeftOut(String),
    ClockOff,
    DiskLow,
    OnBattery,
}

/// One trouble that could be, as a look found it.
pub(super) struct Finding {
    pub(super) cause: Cause,
    pub(super) cluster: Option<LockHash>,
    pub(super) kind: AlertKind,
    pub(super) severity: Severity,
    pub(super) verdict: Verdict,
    pub(super) delays: Delays,
    /// Another trouble explains it.
    pub(super) held: bool,
}

#[derive(Debug, Default)]
struct Track {
    bad_since: Option<u64>,
    good_since: Option<u64>,
    alert: Option<Alert>,
}

/// What is to be told to whoever wants to be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Transition {
    /// A trouble began.
    Raised(Alert),
    /// It became better or worse.
    Changed(Alert),
    /// It is over.
    Resolved(Alert),
}

/// Decides which alerts there are. Pure: time is an argument.
///
/// To be shown every view before it is published, and every duty whose outcome is known. Remembers nothing across
/// restarts: a trouble that outlives one is raised again.
#[derive(Debug, Default)]
pub struct AlertEngine {
    tracks: BTreeMap<Cause, Track>,
    duties: BTreeMap<LockHash, DutyWatch>,
    /// Clusters whose misses have an explanation.
    excused: BTreeSet<LockHash>,
    past: VecDeque<Alert>,
    looked_ms: Option<u64>,
}

impl AlertEngine {
    /// Takes note of a duty. One that is still under way counts for nothing.
    pub fn duty(&mut self, duty: &DutyRecord) {
        let done = match duty.outcome {
            DutyOutcome::Waiting => return,
            DutyOutcome::Sent => true,
            DutyOutcome::Missed { .. } => false,
        };
        let watch = self.duties.entry(duty.cluster).or_default();
        if done || !self.excused.contains(&duty.cluster) {
            watch.take(duty.due_ms, &duty.validators, done);
        }
    }

    /// Looks at the node. What `view` has in `alerts` and `health` is not looked at.
    pub fn look(&mut self, now_ms: u64, view: &NodeView) -> Vec<Transition> {
        if self.looked_ms.is_some_and(|before| now_ms.saturating_sub(before) > SLEPT_MS) {
            for track in self.tracks.values_mut() {
                (track.bad_since, track.good_since) = (None, None);
            }
        }
        self.looked_ms = Some(now_ms);

        let findings = self.findings(now_ms, view);
        let mut transitions = Vec::new();
        let mut found = BTreeSet::new();
        for finding in findings {
            found.insert(finding.cause.clone());
            transitions.extend(self.tracks.entry(finding.cause.clone()).or_default().step(now_ms, finding));
        }
        // What is no longer there, such as a beacon node that was taken out of the settings, troubles nobody.
        self.tracks.retain(|cause, track| {
            let keep = found.contains(cause);
            if !keep {
                transitions.extend(track.resolve(now_ms));
            }
            keep
        });
        self.duties.retain(|cluster, _| view.clusters.iter().any(|known| known.id == *cluster));
        for transition in &transitions {
            if let Transition::Resolved(alert) = transition {
                self.past.truncate(HISTORY - 1);
                self.past.push_front(alert.clone());
            }
        }
        transitions
    }

    /// The alerts that there are, worst first, then oldest first.
    pub fn current(&self) -> Vec<Alert> {
        let mut alerts: Vec<Alert> = self.tracks.values().filter_map(|track| track.alert.clone()).collect();
        alerts.sort_by_key(|alert| (std::cmp::Reverse(alert.severity), alert.since_ms));
        alerts
    }

    /// The alerts that there were, newest first.
    pub fn past(&self) -> impl Iterator<Item = &Alert> {
        self.past.iter()
    }

    fn findings(&mut self, now_ms: u64, view: &NodeView) -> Vec<Finding> {
        let (slot_ms, epoch_ms) = match &view.network {
            Some(network) => (network.slot_ms, network.slot_ms.saturating_mul(network.slots_per_epoch)),
            None => (12 * SECOND, 384 * SECOND),
        };
        let mut findings = Vec::new();
        let blind = self.beacons(&view.beacons, &mut findings);
        findings.extend(view.checks.iter().filter_map(computer::finding));
        findings.extend(view.channels.iter().map(channel_finding));
        findings.extend(view.left_out.iter().map(left_out_finding));
        self.excused.clear();
        for cluster in &view.clusters {
            let stuck = self.not_signing(view, cluster, (slot_ms, epoch_ms), &mut findings);
            if stuck || blind {
                self.excused.insert(cluster.id);
            }
            self.duties_missed(now_ms, cluster, epoch_ms, stuck || blind, &mut findings);
            for seat in cluster.seats.iter().filter(|seat| !seat.me) {
                findings.extend(seat_findings(now_ms, cluster, seat, stuck));
            }
        }
        findings
    }

    /// Whether a trouble is there: as an alert, or as a finding that may become one.
    fn looms(&self, finding: &Finding) -> bool {
        finding.verdict == Verdict::Bad
            || self.tracks.get(&finding.cause).is_some_and(|track| track.alert.is_some())
    }

    /// Whether the node sees no chain.
    fn beacons(&self, beacons: &[BeaconView], findings: &mut Vec<Finding>) -> bool {
        let usable = |beacon: &BeaconView| beacon.state.usable();
        let none_usable = if beacons.iter().any(|beacon| usable(beacon) == Some(true)) {
            Some(false)
        } else if beacons.is_empty() || beacons.iter().any(|beacon| usable(beacon).is_none()) {
            None
        } else {
            Some(true)
        };
        let none = Finding {
            cause: Cause::NoBeaconNode,
            cluster: None,
            kind: AlertKind::NoBeaconNode { known: u32::try_from(beacons.len()).unwrap_or(u32::MAX) },
            severity: Severity::Critical,
            verdict: Verdict::bad_if(none_usable),
            delays: BEACON_DOWN,
            held: false,
        };
        let blind = self.looms(&none);
        findings.push(none);
        for beacon in beacons {
            let url = beacon.url.clone();
            findings.push(Finding {
                cause: Cause::BeaconNodeDown(url.clone()),
                cluster: None,
                kind: AlertKind::BeaconNodeDown { url: url.clone() },
                severity: Severity::Warning,
                verdict: Verdict::bad_if(usable(beacon).map(|usable| !usable)),
                delays: BEACON_DOWN,
                held: blind,
            });
            let slow = beacon.latency_ms.filter(|_| usable(beacon) == Some(true));
            findings.push(Finding {
                cause: Cause::BeaconNodeSlow(url.clone()),
                cluster: None,
                kind: AlertKind::BeaconNodeSlow { url, limit_ms: BEACON_SLOW_MS },
                severity: Severity::Warning,
                verdict: Verdict::bad_if(slow.map(|latency| latency > BEACON_SLOW_MS)),
                delays: BEACON_SLOW,
                held: false,
            });
        }
        blind
    }

    /// Whether the cluster cannot sign, as far as this node sees.
    fn not_signing(
        &mut self,
        view: &NodeView,
        cluster: &ClusterView,
        (slot_ms, epoch_ms): (u64, u64),
        findings: &mut Vec<Finding>,
    ) -> bool {
        let count =
            |wanted: fn(SeatState) -> bool| cluster.seats.iter().filter(|seat| wanted(seat.state)).count();
        let here = count(|state| matches!(state, SeatState::Here | SeatState::Slow));
        let unknown = count(|state| state == SeatState::Unknown);
        let needed = usize::from(cluster.needed);
        let reason = cluster.refuses.clone();
        let verdict = match &view.node.state {
            NodeState::Starting { .. } | NodeState::Stopping => Verdict::Unknown,
            NodeState::Running if reason.is_some() || here + unknown < needed => Verdict::Bad,
            NodeState::Running if here < needed => Verdict::Unknown,
            NodeState::Running => Verdict::Good,
        };
        let watch = self.duties.entry(cluster.id).or_default();
        if verdict == Verdict::Bad {
            watch.count_good_from_here();
        }
        let proved = watch.good_in_a_row() >= PROOF_DUTIES;
        let delays = Delays {
            raise_ms: if reason.is_some() { 0 } else { NOT_SIGNING_SLOTS.saturating_mul(slot_ms) },
            clear_ms: if proved { 0 } else { PROOF_EPOCHS.saturating_mul(epoch_ms) },
        };
        let missing = cluster.seats.iter().filter(|seat| seat.state == SeatState::Dark).map(SeatView::called);
        let finding = Finding {
            cause: Cause::NotSigning(cluster.id),
            cluster: Some(cluster.id),
            kind: AlertKind::NotSigning {
                here: u8::try_from(here).unwrap_or(u8::MAX),
                needed: cluster.needed,
                missing: missing.collect(),
                reason,
            },
            severity: Severity::Critical,
            verdict,
            delays,
            held: false,
        };
        let stuck = self.looms(&finding);
        findings.push(finding);
        stuck
    }

    fn duties_missed(
        &mut self,
        now_ms: u64,
        cluster: &ClusterView,
        epoch_ms: u64,
        held: bool,
        findings: &mut Vec<Finding>,
    ) {
        let cause = Cause::DutiesMissed(cluster.id);
        let since = self.tracks.get(&cause).and_then(|track| track.alert.as_ref()).map(|alert| alert.since_ms);
        let lasting = since.map_or(0, |since| now_ms.saturating_sub(since));
        let critical = lasting >= MISSED_CRITICAL_EPOCHS.saturating_mul(epoch_ms);
        let watch = self.duties.entry(cluster.id).or_default();
        findings.push(Finding {
            cause,
            cluster: Some(cluster.id),
            verdict: watch.verdict(now_ms, MISSED_WINDOW_EPOCHS.saturating_mul(epoch_ms)),
            kind: AlertKind::DutiesMissed { missed: watch.missed() },
            severity: if critical { Severity::Critical } else { Severity::Warning },
            delays: AT_ONCE,
            held,
        });
    }
}

/// A cluster that is there and does not run. It stays so until it is tried again.
fn left_out_finding(LeftOut { folder, reason }: &LeftOut) -> Finding {
    Finding {
        cause: Cause::LeftOut(folder.clone()),
        cluster: None,
        kind: AlertKind::LeftOut { folder: folder.clone(), reason: reason.clone() },
        severity: Severity::Critical,
        verdict: Verdict::Bad,
        delays: AT_ONCE,
        held: false,
    }
}

/// Whether what is sent through a channel arrives.
fn channel_finding(channel: &ChannelView) -> Finding {
    let ChannelView { id, kind, goes_to, last, .. } = channel;
    Finding {
        cause: Cause::ChannelFails(*id),
        cluster: None,
        kind: AlertKind::ChannelFails { channel: *id, kind: *kind, goes_to: goes_to.clone() },
        severity: Severity::Warning,
        verdict: Verdict::bad_if(last.as_ref().map(|last| last.error.is_some())),
        delays: CHANNEL_FAILS,
        held: false,
    }
}

/// What could be wrong with another operator. While the cluster cannot sign all of it is held back, since that alert names who is
/// missing; but not that an operator contradicted itself, which nothing else explains.
fn seat_findings(now_ms: u64, cluster: &ClusterView, seat: &SeatView, held: bool) -> [Finding; 5] {
    let (number, needed) = (seat.number, cluster.needed);
    let present = |seat: &&SeatView| matches!(seat.state, SeatState::Here | SeatState::Slow);
    let here = u8::try_from(cluster.seats.iter().filter(present).count()).unwrap_or(u8::MAX);
    let finding = |cause, kind, severity, verdict, delays| Finding {
        cause,
        cluster: Some(cluster.id),
        kind,
        severity,
        verdict,
        delays,
        held,
    };
    let dark = match seat.state {
        SeatState::Here | SeatState::Slow => Verdict::Good,
        SeatState::Dark => Verdict::Bad,
        SeatState::Unknown => Verdict::Unknown,
    };
    let severity = match here.saturating_sub(needed) {
        0 => Severity::Critical,
        1 => Severity::Warning,
        _ => Severity::Info,
    };
    let slow = match seat.rtt_ms {
        Some(rtt) if rtt > PEER_SLOW_MS => Verdict::Bad,
        Some(rtt) if rtt >= PEER_FAST_MS => Verdict::Between,
        Some(_) => Verdict::Good,
        None => Verdict::Unknown,
    };
    let relayed = match seat.path {
        Reach::Direct => Verdict::Good,
        Reach::Relay => Verdict::Bad,
        Reach::None => Verdict::Unknown,
    };
    let contradicted = seat.contradicted_ms.is_some_and(|at| now_ms.saturating_sub(at) < CONTRADICTED_MS);
    let (id, name) = (cluster.id, seat.called());
    [
        Finding {
            held: false,
            ..finding(
                Cause::Contradicted(id, number),
                AlertKind::Contradicted { seat: number, name: name.clone() },
                Severity::Critical,
                Verdict::bad_if(Some(contradicted)),
                AT_ONCE,
            )
        },
        finding(
            Cause::Misfit(id, number),
            AlertKind::Misfit {
                seat: number,
                name: name.clone(),
                reason: seat.misfit.clone().unwrap_or_default(),
            },
            Severity::Warning,
            Verdict::bad_if(Some(seat.misfit.is_some())),
            AT_ONCE,
        ),
        finding(
            Cause::OperatorDark(id, number),
            AlertKind::OperatorDark { seat: number, name: name.clone(), here, needed },
            severity,
            dark,
            OPERATOR_DARK,
        ),
        finding(
            Cause::PeerSlow(id, number),
            AlertKind::PeerSlow { seat: number, name: name.clone(), limit_ms: u64::from(PEER_SLOW_MS) },
            Severity::Info,
            slow,
            PEER_SLOW,
        ),
        finding(
            Cause::RelayOnly(id, number),
            AlertKind::RelayOnly { seat: number, name },
            Severity::Info,
            relayed,
            RELAY_ONLY,
        ),
    ]
}

impl Track {
    fn step(&mut self, now_ms: u64, finding: Finding) -> Option<Transition> {
        match finding.verdict {
            Verdict::Unknown => None,
            Verdict::Between => {
                (self.bad_since, self.good_since) = (None, None);
                self.alert.as_mut()?.recovering_since_ms = None;
                None
            }
            Verdict::Bad => {
                self.good_since = None;
                let since = *self.bad_since.get_or_insert(now_ms);
                match &mut self.alert {
                    Some(alert) => {
                        let before = alert.severity;
                        *alert = Alert::new(
                            finding.kind,
                            finding.cluster,
                            finding.severity,
                            (alert.since_ms, finding.delays),
                        );
                        (alert.severity != before).then(|| Transition::Changed(alert.clone()))
                    }
                    None if finding.held || now_ms.saturating_sub(since) < finding.delays.raise_ms => None,
                    None => {
                        let alert = Alert::new(
                            finding.kind,
                            finding.cluster,
                            finding.severity,
                            (since, finding.delays),
                        );
                        self.alert = Some(alert.clone());
                        Some(Transition::Raised(alert))
                    }
                }
            }
            Verdict::Good => {
                self.bad_since = None;
                let alert = self.alert.as_mut()?;
                let since = *self.good_since.get_or_insert(now_ms);
                alert.recovering_since_ms = Some(since);
                if now_ms.saturating_sub(since) < finding.delays.clear_ms {
                    return None;
                }
                self.resolve(now_ms)
            }
        }
    }

    fn resolve(&mut self, now_ms: u64) -> Option<Transition> {
        self.good_since = None;
        let alert = self.alert.take()?;
        Some(Transition::Resolved(Alert { resolved_ms: Some(now_ms), ..alert }))
    }
}
