//! Following a view: first the whole, then what changed, each change tied to the view that it changes.
//!
//! An update says after which view it applies. Whoever holds another one has a gap and starts afresh; nothing is
//! ever applied to the wrong view. The node computes an update for each observer from what that observer was last
//! sent, so there is no queue that could fill up.

use hearth_types::Slot;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::alerts::Alert;
use crate::channels::{ChannelView, Telling};
use crate::checks::Check;
use crate::health::Health;
use crate::view::{BeaconView, ClusterView, LeftOut, NetworkView, NodeInfo, NodeView};

/// What a subscription sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ViewEvent {
    /// Forget what you have; this is how things stand.
    Snapshot(Box<NodeView>),
    /// What changed.
    Update(Update),
}

/// What changed from one view to a later one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Update {
    /// [`NodeView::seq`] of the view that this changes.
    pub after: u64,
    /// The same of the view that results.
    pub seq: u64,
    /// [`NodeView::at_ms`] of the view that results.
    pub at_ms: u64,
    /// [`NodeView::slot`] of the view that results.
    #[cfg_attr(test, ts(type = "string | null"))]
    pub slot: Option<Slot>,
    /// The parts that differ; none when only time went on.
    pub changes: Vec<Change>,
}

/// A part of a view as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "part", content = "now", rename_all = "snake_case")]
pub enum Change {
    /// The node itself.
    Node(NodeInfo),
    /// The chain.
    Network(Option<NetworkView>),
    /// The beacon nodes.
    Beacons(Vec<BeaconView>),
    /// The one cluster with this id.
    Cluster(Box<ClusterView>),
    /// All clusters: some came, went or changed places.
    Clusters(Vec<ClusterView>),
    /// Clusters that it does not run.
    LeftOut(Vec<LeftOut>),
    /// What the node looks at around itself.
    Checks(Vec<Check>),
    /// Where alerts go.
    Channels(Vec<ChannelView>),
    /// What of them is told, and when.
    Telling(Telling),
    /// The alerts.
    Alerts(Vec<Alert>),
    /// The verdict.
    Health(Health),
}

/// The update is for another view than the one it was to be applied to.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
#[error("an update after view {after} for view {have}")]
pub struct Gap {
    /// The view that the update changes.
    pub after: u64,
    /// The view that is there.
    pub have: u64,
}

/// What changed from `old` to `new`.
pub fn difference(old: &NodeView, new: &NodeView) -> Update {
    fn differs<T: PartialEq + Clone>(old: &T, new: &T, change: impl FnOnce(T) -> Change) -> Option<Change> {
        (old != new).then(|| change(new.clone()))
    }
    // All fields by name: a new one that is forgotten here does not compile.
    let NodeView {
        seq,
        at_ms,
        slot,
        node,
        network,
        beacons,
        clusters,
        left_out,
        checks,
        channels,
        telling,
        alerts,
        health,
    } = new;
    let same_clusters = old.clusters.len() == clusters.len()
        && old.clusters.iter().zip(clusters).all(|(old, new)| old.id == new.id);
    let mut changes = Vec::new();
    changes.extend(differs(&old.node, node, Change::Node));
    changes.extend(differs(&old.network, network, Change::Network));
    changes.extend(differs(&old.beacons, beacons, Change::Beacons));
    if same_clusters {
        let pairs = old.clusters.iter().zip(clusters);
        changes.extend(pairs.filter_map(|(old, new)| differs(old, new, |new| Change::Cluster(Box::new(new)))));
    } else {
        changes.push(Change::Clusters(clusters.clone()));
    }
    changes.extend(differs(&old.left_out, left_out, Change::LeftOut));
    changes.extend(differs(&old.checks, checks, Change::Checks));
    changes.extend(differs(&old.channels, channels, Change::Channels));
    changes.extend(differs(&old.telling, telling, Change::Telling));
    changes.extend(differs(&old.alerts, alerts, Change::Alerts));
    changes.extend(differs(&old.health, health, Change::Health));
    Update { after: old.seq, seq: *seq, at_ms: *at_ms, slot: *slot, changes }
}

/// Brings a view up to date.
///
/// Errors: [`Gap`] when the update is for another view; `view` is then as it was.
pub fn apply(view: &mut NodeView, update: Update) -> Result<(), Gap> {
    if update.after != view.seq {
        return Err(Gap { after: update.after, have: view.seq });
    }
    (view.seq, view.at_ms, view.slot) = (update.seq, update.at_ms, update.slot);
    for change in update.changes {
        match change {
            Change::Node(now) => view.node = now,
            Change::Network(now) => view.network = now,
            Change::Beacons(now) => view.beacons = now,
            Change::Cluster(now) => {
                if let Some(place) = view.clusters.iter_mut().find(|cluster| cluster.id == now.id) {
                    *place = *now;
                }
            }
            Change::Clusters(now) => view.clusters = now,
            Change::LeftOut(now) => view.left_out = now,
            Change::Checks(now) => view.checks = now,
            Change::Channels(now) => view.channels = now,
            Change::Telling(now) => view.telling = now,
            Change::Alerts(now) => view.alerts = now,
            Change::Health(now) => view.health = now,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hearth_types::LockHash;
    use proptest::prelude::*;

    use super::*;
    use crate::history::Effectiveness;
    use crate::view::{BeaconState, ClusterStage, SeatState, SeatView};

    fn any_cluster() -> impl Strategy<Value = ClusterView> {
        let state = prop_oneof![Just(SeatState::Here), Just(SeatState::Dark), Just(SeatState::Unknown)];
        (0_u8..4, prop::collection::vec(state, 0..4), any::<u32>()).prop_map(|(id, states, validators)| {
            let seat = |(number, state)| SeatView { number, state, ..SeatView::default() };
            ClusterView {
                id: LockHash::new([id; 32]),
                name: format!("cluster {id}"),
                stage: ClusterStage::Active,
                refuses: None,
                needed: 2,
                seats: (1..).zip(states).map(seat).collect(),
                validators,
                next_duty: None,
                strip: Vec::new(),
                effectiveness: Effectiveness::default(),
                router: Default::default(),
                health: Health::default(),
            }
        })
    }

    fn any_view() -> impl Strategy<Value = NodeView> {
        let clusters = prop::collection::vec(any_cluster(), 0..3).prop_map(|mut clusters| {
            clusters.sort_by_key(|cluster| cluster.id);
            clusters.dedup_by_key(|cluster| cluster.id);
            clusters
        });
        let beacon = |state| BeaconView {
            url: "http://localhost".into(),
            version: None,
            state,
            head_slot: Some(Slot::new(u64::MAX)),
            latency_ms: None,
            head_delay_ms: None,
            last_error: None,
        };
        let state = prop_oneof![Just(BeaconState::Ready), Just(BeaconState::Silent)];
        let beacons = prop::collection::vec(state.prop_map(beacon), 0..2);
        (any::<u64>(), prop::option::of(any::<u64>()), clusters, beacons).prop_map(
            |(seq, slot, clusters, beacons)| {
                let mut view = NodeView {
                    seq,
                    at_ms: seq / 2,
                    slot: slot.map(Slot::new),
                    clusters,
                    beacons,
                    left_out: seq
                        .is_multiple_of(2)
                        .then(|| LeftOut { folder: "f".into(), reason: seq.to_string() })
                        .into_iter()
                        .collect(),
                    ..NodeView::default()
                };
                let machine = crate::Machine { free_mib: Some(seq), ..crate::Machine::default() };
                view.checks = crate::checks(&view, &machine);
                crate::health::judge(&mut view);
                view
            },
        )
    }

    proptest! {
        #[test]
        fn an_update_turns_the_old_view_into_the_new_one_even_after_travelling(old in any_view(), new in any_view()) {
            let sent = serde_json::to_vec(&ViewEvent::Update(difference(&old, &new))).unwrap();
            let ViewEvent::Update(update) = serde_json::from_slice(&sent).unwrap() else { panic!("not an update") };
            let mut view = old;
            apply(&mut view, update).unwrap();
            prop_assert_eq!(view, new);
        }

        #[test]
        fn an_update_for_another_view_changes_nothing(old in any_view(), new in any_view(), held in any_view()) {
            prop_assume!(held.seq != old.seq);
            let mut view = held.clone();
            let gap = apply(&mut view, difference(&old, &new)).unwrap_err();
            prop_assert_eq!(gap, Gap { after: old.seq, have: held.seq });
            prop_assert_eq!(view, held);
        }
    }
}
