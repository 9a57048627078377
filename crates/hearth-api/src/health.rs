//! The one place that says how things stand: a flame and a sentence, for a cluster and for the node.
//!
//! Pure. Header, tray, card, notification and command line show what this says and conclude nothing themselves, so
//! they cannot contradict each other (ux.md, C-12).

use serde::{Deserialize, Serialize};

use crate::alerts::{Alert, Severity};
use crate::view::{ClusterView, NodeState, NodeView, STALE_MS, SeatState};

/// The state of a cluster or a node, from best to worst. The tray draws each by its shape (ux.md 3.6); its seventh
/// shape, the drill, comes with the drills.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Flame {
    /// All is well, and an operator may leave.
    Lit,
    /// Burning, with something amiss: no operator to spare, or a warning.
    Low,
    /// Burning, and the owner has something to do.
    NeedsYou,
    /// In between: starting or stopping.
    Working,
    /// Not known.
    #[default]
    Ash,
    /// Not signing.
    Dark,
}

/// The verdict.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Health {
    /// The state.
    pub flame: Flame,
    /// The state in a sentence.
    pub sentence: String,
    /// Operators that are here.
    pub here: u8,
    /// Operators that may leave before signing stops; zero below that too.
    pub spare: u8,
}

/// What a flame depends on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Facts {
    /// What the node is doing.
    pub state: NodeState,
    /// Why it must not sign for the cluster, if so.
    pub refuses: Option<String>,
    /// Operators of the cluster.
    pub operators: u8,
    /// Operators needed to sign.
    pub needed: u8,
    /// Operators that are here, this one included.
    pub here: u8,
    /// Operators of which nothing is known yet.
    pub unknown: u8,
    /// Title of the worst alert with something for the owner to do.
    pub to_do: Option<String>,
    /// Title of the worst other alert above information.
    pub amiss: Option<String>,
}

/// The flame that the facts make.
pub fn flame(facts: &Facts) -> Flame {
    match facts.state {
        NodeState::Starting { .. } | NodeState::Stopping => Flame::Working,
        NodeState::Running if facts.refuses.is_some() => Flame::Dark,
        NodeState::Running if facts.here.saturating_add(facts.unknown) < facts.needed => Flame::Dark,
        NodeState::Running if facts.here < facts.needed => Flame::Ash,
        NodeState::Running if facts.to_do.is_some() => Flame::NeedsYou,
        NodeState::Running if facts.here == facts.needed || facts.amiss.is_some() => Flame::Low,
        NodeState::Running => Flame::Lit,
    }
}

/// The sentence that goes with the flame.
pub fn sentence(facts: &Facts) -> String {
    let Facts { operators, needed, here, .. } = facts;
    let present = format!("{here} of {operators} operators here");
    match (flame(facts), &facts.state) {
        (Flame::Dark, _) if facts.refuses.is_some() => {
            format!("Not signing: {}.", facts.refuses.as_deref().unwrap_or_default())
        }
        (Flame::Dark, _) => format!("Not signing: {present}, {needed} needed."),
        (Flame::Working, NodeState::Starting { waiting_for }) => format!("Starting: {waiting_for}."),
        (Flame::Working, _) => "Stopping: the duty under way is finished first.".into(),
        (Flame::Ash, _) => format!("Looking for the other operators: {present} so far, {needed} needed."),
        (Flame::NeedsYou, _) => format!("Needs you: {}.", facts.to_do.as_deref().unwrap_or_default()),
        (Flame::Low, _) if here == needed => format!("{present}, no one to spare."),
        (Flame::Low, _) => format!("{present}. {}.", facts.amiss.as_deref().unwrap_or_default()),
        (Flame::Lit, _) => format!("{present}."),
    }
}

impl Facts {
    /// The facts about a cluster of a node, with the alerts that concern it.
    pub fn of(state: &NodeState, cluster: &ClusterView, alerts: &[Alert]) -> Self {
        let count = |wanted: &[SeatState]| {
            let seats = cluster.seats.iter().filter(|seat| wanted.contains(&seat.state)).count();
            u8::try_from(seats).unwrap_or(u8::MAX)
        };
        let worst = |to_do: bool| {
            let concerns = alerts.iter().filter(|alert| {
                alert.resolved_ms.or(alert.recovering_since_ms).is_none()
                    && !alert.is_resting()
                    && alert.severity > Severity::Info
                    && alert.action.is_some() == to_do
                    && alert.cluster.is_none_or(|id| id == cluster.id)
            });
            concerns.max_by_key(|alert| alert.severity).map(|alert| alert.title.clone())
        };
        Self {
            state: state.clone(),
            refuses: cluster.refuses.clone(),
            operators: u8::try_from(cluster.seats.len()).unwrap_or(u8::MAX),
            needed: cluster.needed,
            here: count(&[SeatState::Here, SeatState::Slow]),
            unknown: count(&[SeatState::Unknown]),
            to_do: worst(true),
            amiss: worst(false),
        }
    }

    fn health(&self) -> Health {
        let spare = self.here.saturating_sub(self.needed);
        Health { flame: flame(self), sentence: sentence(self), here: self.here, spare }
    }
}

/// Fills in every verdict of a view. The node's is that of its worst cluster.
pub(crate) fn judge(view: &mut NodeView) {
    for cluster in &mut view.clusters {
        cluster.health = Facts::of(&view.node.state, cluster, &view.alerts).health();
    }
    let several = view.clusters.len() > 1;
    // The first of the worst, in the order in which they are listed.
    let worst = view.clusters.iter().rev().max_by_key(|cluster| cluster.health.flame);
    view.health = match (worst, &view.node.state) {
        (Some(worst), NodeState::Running) if several => {
            let Health { sentence, .. } = &worst.health;
            Health { sentence: format!("{}: {sentence}", worst.name), ..worst.health.clone() }
        }
        (Some(worst), _) => worst.health.clone(),
        (None, NodeState::Running) if !view.left_out.is_empty() => {
            let folders: Vec<_> = view.left_out.iter().map(|left_out| left_out.folder.as_str()).collect();
            let sentence = format!("Not signing: the cluster in {} does not run.", folders.join(", "));
            Health { flame: Flame::Dark, sentence, ..Health::default() }
        }
        (None, NodeState::Running) => Health { sentence: "No cluster yet.".into(), ..Health::default() },
        (None, state) => {
            let nobody = Facts {
                state: state.clone(),
                refuses: None,
                operators: 0,
                needed: 0,
                here: 0,
                unknown: 0,
                to_do: None,
                amiss: None,
            };
            nobody.health()
        }
    };
}

/// The verdict on one line: the state in a word, then in a sentence. `alone`: there is no cluster.
pub fn headline(health: &Health, alone: bool) -> String {
    let word = match health.flame {
        Flame::Lit => "Lit",
        Flame::Low => "Lit, low",
        Flame::NeedsYou => "Lit, needs you",
        Flame::Working => "Working",
        Flame::Ash if alone => return health.sentence.clone(),
        Flame::Ash => "Not known yet",
        Flame::Dark => "Dark",
    };
    format!("{word}. {}", health.sentence)
}

/// The verdict as a surface has to show it at `now_ms`: that of the view, unless there is none or it is too old.
pub fn seen_at(view: Option<&NodeView>, now_ms: u64) -> Health {
    match view {
        Some(view) if now_ms.saturating_sub(view.at_ms) <= STALE_MS => view.health.clone(),
        _ => Health { sentence: "Not connected to the Hearth node.".into(), ..Health::default() },
    }
}

/// What becomes of each cluster when this node stops, for the person who is about to stop it.
pub fn without_this_node(view: &NodeView) -> String {
    let each = view.clusters.iter().map(|cluster| {
        let (name, needed) = (&cluster.name, usize::from(cluster.needed));
        let others = |wanted: fn(SeatState) -> bool| {
            cluster.seats.iter().filter(|seat| !seat.me && wanted(seat.state)).count()
        };
        let here = others(|state| matches!(state, SeatState::Here | SeatState::Slow));
        let unknown = others(|state| state == SeatState::Unknown);
        let count = format!("{here} other operators are here, {needed} are needed");
        if here >= needed {
            format!("{name} goes on without this node: {count}.")
        } else if here + unknown >= needed {
            format!("{name} may stop signing: {count}, and {unknown} were not heard of yet.")
        } else {
            format!("{name} does not sign until this node is back: {count}.")
        }
    });
    each.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts(here: u8, unknown: u8) -> Facts {
        Facts {
            state: NodeState::Running,
            refuses: None,
            operators: 4,
            needed: 3,
            here,
            unknown,
            to_do: None,
            amiss: None,
        }
    }

    #[test]
    fn each_state_of_the_tray_has_its_facts_and_its_sentence() {
        let starting = NodeState::Starting { waiting_for: "waiting for the beacon node".into() };
        let refuses = Some("the slashing record is damaged".to_owned());
        let (clock, slow) = (Some("clock is 240 ms off".to_owned()), Some("A beacon node is slow".to_owned()));
        for (facts, flame, sentence) in [
            (facts(4, 0), Flame::Lit, "4 of 4 operators here."),
            (facts(3, 0), Flame::Low, "3 of 4 operators here, no one to spare."),
            (facts(3, 1), Flame::Low, "3 of 4 operators here, no one to spare."),
            (facts(2, 0), Flame::Dark, "Not signing: 2 of 4 operators here, 3 needed."),
            (
                facts(2, 1),
                Flame::Ash,
                "Looking for the other operators: 2 of 4 operators here so far, 3 needed.",
            ),
            (Facts { to_do: clock.clone(), ..facts(4, 0) }, Flame::NeedsYou, "Needs you: clock is 240 ms off."),
            (Facts { to_do: clock.clone(), ..facts(3, 0) }, Flame::NeedsYou, "Needs you: clock is 240 ms off."),
            (Facts { amiss: slow, ..facts(4, 0) }, Flame::Low, "4 of 4 operators here. A beacon node is slow."),
            (
                Facts { to_do: clock, ..facts(2, 0) },
                Flame::Dark,
                "Not signing: 2 of 4 operators here, 3 needed.",
            ),
            (
                Facts { state: starting, ..facts(1, 3) },
                Flame::Working,
                "Starting: waiting for the beacon node.",
            ),
            (
                Facts { state: NodeState::Stopping, ..facts(4, 0) },
                Flame::Working,
                "Stopping: the duty under way is finished first.",
            ),
            (Facts { refuses, ..facts(4, 0) }, Flame::Dark, "Not signing: the slashing record is damaged."),
        ] {
            assert_eq!(super::flame(&facts), flame, "{facts:?}");
            assert_eq!(super::sentence(&facts), sentence, "{facts:?}");
        }
    }

    #[test]
    fn an_old_view_is_ash_whatever_it_says() {
        let mut view = NodeView { at_ms: 1_000, ..NodeView::default() };
        view.health.flame = Flame::Lit;
        for (name, seen, now_ms, flame) in [
            ("fresh", Some(&view), 1_000, Flame::Lit),
            ("just in time", Some(&view), 1_000 + STALE_MS, Flame::Lit),
            ("old", Some(&view), 1_001 + STALE_MS, Flame::Ash),
            ("a clock set back", Some(&view), 0, Flame::Lit),
            ("none", None, 0, Flame::Ash),
        ] {
            assert_eq!(seen_at(seen, now_ms).flame, flame, "{name}");
        }
    }

    fn any_facts() -> impl Strategy<Value = Facts> {
        let state = prop_oneof![
            6 => Just(NodeState::Running),
            1 => Just(NodeState::Stopping),
            1 => Just(NodeState::Starting { waiting_for: "w".into() }),
        ];
        let refuses = prop_oneof![6 => Just(None), 1 => Just(Some("r".to_owned()))];
        let title = prop::option::of(Just("title".to_owned()));
        (state, refuses, 2_u8..10, 0_u8..10, 0_u8..10, 0_u8..10, title.clone(), title).prop_map(
            |(state, refuses, operators, needed, here, unknown, to_do, amiss)| {
                let here = here.min(operators);
                let (needed, unknown) = (2.max(needed.min(operators)), unknown.min(operators - here));
                Facts { state, refuses, operators, needed, here, unknown, to_do, amiss }
            },
        )
    }

    proptest! {
        #[test]
        fn flame_sentence_and_counts_never_contradict_each_other(facts in any_facts()) {
            let Health { flame, sentence, here, spare } = facts.health();
            prop_assert_eq!(here, facts.here);
            prop_assert_eq!(sentence.starts_with("Not signing"), flame == Flame::Dark);
            prop_assert_eq!(sentence.starts_with("Needs you"), flame == Flame::NeedsYou);
            if flame == Flame::Lit {
                prop_assert!(spare > 0 && facts.to_do.is_none() && facts.amiss.is_none());
            }
            if flame <= Flame::NeedsYou {
                prop_assert!(here >= facts.needed, "burning below the threshold");
            }
        }

        #[test]
        fn an_operator_who_comes_back_never_makes_it_worse(facts in any_facts()) {
            // One of the dark, else one of whom nothing was known; where all are here, nothing changes.
            let dark = facts.operators - facts.here - facts.unknown;
            let (here, unknown) = match (dark, facts.unknown) {
                (1.., unknown) => (facts.here + 1, unknown),
                (0, unknown @ 1..) => (facts.here + 1, unknown - 1),
                (0, 0) => (facts.here, 0),
            };
            let better = Facts { here, unknown, ..facts.clone() };
            prop_assert!(flame(&better) <= flame(&facts));
        }
    }
}
