//! What the tray says, made from the one view. Pure.

use hearth_api::{Flame, NodeView, headline, seen_at};

/// What a line of the menu does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Act {
    /// Opens the window at a place of its own.
    Open(String),
    /// Copies the state as a message for the other operators.
    Copy,
    /// No notifications for an hour; or again.
    Pause,
    /// Ends the app. The node goes on.
    Quit,
}

impl Act {
    /// How the menu names it.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Open(to) => format!("open {to}"),
            Self::Copy => "copy".into(),
            Self::Pause => "pause".into(),
            Self::Quit => "quit".into(),
        }
    }

    /// What the menu named.
    pub(crate) fn of(id: &str) -> Option<Self> {
        match id {
            "copy" => Some(Self::Copy),
            "pause" => Some(Self::Pause),
            "quit" => Some(Self::Quit),
            _ => id.strip_prefix("open ").map(|to| Self::Open(to.to_owned())),
        }
    }
}

/// A line of the menu.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Line {
    /// What can be chosen.
    Item(String, Act),
    /// A rule between two groups.
    Rule,
}

/// The tray at one moment. Two that are equal look the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Model {
    /// Its shape.
    pub(crate) flame: Flame,
    /// How far the shape has turned, in quarters.
    pub(crate) turn: u8,
    /// What it says when pointed at.
    pub(crate) tooltip: String,
    /// Its menu.
    pub(crate) menu: Vec<Line>,
}

/// The tray at `now_ms`.
pub(crate) fn model(view: Option<&NodeView>, now_ms: u64, paused: bool) -> Model {
    let health = seen_at(view, now_ms);
    let clusters = view.map(|view| view.clusters.as_slice()).unwrap_or_default();
    let known = health.flame != Flame::Ash;
    let state = if known || !clusters.is_empty() {
        let unseen = view.is_none_or(|view| health != view.health);
        if unseen { health.sentence.clone() } else { headline(&health, clusters.is_empty()) }
    } else {
        health.sentence.clone()
    };
    let item = |text: &str, act| Line::Item(text.to_owned(), act);
    let mut menu = vec![item(&state, Act::Open("/".into()))];
    if clusters.len() > 1 && known {
        menu.extend(clusters.iter().map(|cluster| {
            Line::Item(
                format!("{}: {}", cluster.name, cluster.health.sentence),
                Act::Open(format!("/clusters/{}", cluster.id)),
            )
        }));
    }
    menu.push(Line::Rule);
    menu.push(item(if paused { "Alerts again" } else { "Pause alerts for 1 h" }, Act::Pause));
    menu.push(item("Copy status for chat", Act::Copy));
    menu.push(Line::Rule);
    menu.push(item("Open Hearth", Act::Open(String::new())));
    menu.push(item("Health & alerts", Act::Open("/alerts".into())));
    menu.push(item("Settings", Act::Open("/settings/general".into())));
    menu.push(Line::Rule);
    menu.push(item("Stop node…", Act::Open("stop".into())));
    menu.push(item("Quit app (the node keeps running)", Act::Quit));
    let turn = if health.flame == Flame::Working { (now_ms / 1_000 % 4) as u8 } else { 0 };
    Model { flame: health.flame, turn, tooltip: format!("Hearth: {state}"), menu }
}

/// The state as a message for the other operators: nothing secret, nothing that they could not see themselves.
pub(crate) fn for_chat(view: Option<&NodeView>, now_ms: u64) -> String {
    let health = seen_at(view, now_ms);
    let Some(view) = view.filter(|_| health.flame != Flame::Ash) else {
        return format!("My Hearth node: {}", health.sentence);
    };
    let clusters = view.clusters.iter().map(|cluster| {
        let away = cluster.seats.iter().filter(|seat| seat.state == hearth_api::SeatState::Dark);
        let away: Vec<_> = away.map(hearth_api::SeatView::called).collect();
        let away = if away.is_empty() { String::new() } else { format!(" Not here: {}.", away.join(", ")) };
        format!("{}: {}{away}", cluster.name, cluster.health.sentence)
    });
    let alerts = view.alerts.iter().filter(|alert| alert.recovering_since_ms.is_none());
    let alerts = alerts.map(|alert| format!("- {}", alert.title));
    clusters.chain(alerts).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use hearth_api::{Alert, NodeState, Publisher, STALE_MS};
    use serde_json::json;

    use super::*;

    /// As a node publishes it: of four operators these are dark.
    fn view(dark: &[u64], clusters: usize) -> NodeView {
        let seat = |number: u64| {
            json!({"number": number, "nickname": (number == 2).then_some("Maya"), "me": number == 1,
                   "state": if dark.contains(&number) { "dark" } else { "here" }, "path": "direct", "dialled_in": false,
                   "rtt_ms": null, "last_seen_ms": null, "client": null, "version": null, "clock_offset_ms": null})
        };
        let health = json!({"flame": "ash", "sentence": "", "here": 0, "spare": 0});
        let cluster = |number: usize| {
            json!({"id": format!("0x{number:064x}"), "name": format!("Cluster {number}"), "stage": "active", "needed": 3,
                   "seats": (1..=4).map(seat).collect::<Vec<_>>(), "validators": 1, "next_duty": null, "strip": [],
                   "effectiveness": {"day": null, "week": null, "month": null}, "health": health})
        };
        let mut view = NodeView { at_ms: 1_000, ..NodeView::default() };
        view.node.state = NodeState::Running;
        view.clusters = serde_json::from_value((1..=clusters).map(cluster).collect()).unwrap();
        NodeView::clone(&Publisher::new(view).current())
    }

    fn first(model: &Model) -> &str {
        match model.menu.first() {
            Some(Line::Item(text, _)) => text,
            _ => panic!("the menu begins with the state"),
        }
    }

    #[test]
    fn the_first_line_says_how_it_is_and_the_shape_agrees() {
        for (name, view, now_ms, flame, line) in [
            ("all here", Some(view(&[], 1)), 1_000, Flame::Lit, "Lit. 4 of 4 operators here."),
            (
                "one away",
                Some(view(&[2], 1)),
                1_000,
                Flame::Low,
                "Lit, low. 3 of 4 operators here, no one to spare.",
            ),
            (
                "two away",
                Some(view(&[2, 3], 1)),
                1_000,
                Flame::Dark,
                "Dark. Not signing: 2 of 4 operators here, 3 needed.",
            ),
            ("no cluster", Some(view(&[], 0)), 1_000, Flame::Ash, "No cluster yet."),
            ("old", Some(view(&[], 1)), 1_001 + STALE_MS, Flame::Ash, "Not connected to the Hearth node."),
            ("nobody", None, 1_000, Flame::Ash, "Not connected to the Hearth node."),
        ] {
            let model = model(view.as_ref(), now_ms, false);
            assert_eq!((model.flame, first(&model)), (flame, line), "{name}");
            assert_eq!(model.tooltip, format!("Hearth: {line}"), "{name}");
        }
    }

    #[test]
    fn several_clusters_have_a_line_each_that_leads_to_them() {
        let model = model(Some(&view(&[2], 2)), 1_000, false);
        for line in &model.menu {
            if let Line::Item(_, act) = line {
                assert_eq!(Act::of(&act.id()).as_ref(), Some(act));
            }
        }
        let lines: Vec<_> = model
            .menu
            .iter()
            .filter_map(|line| match line {
                Line::Item(text, Act::Open(to)) if to.starts_with("/clusters/") => {
                    Some((text.as_str(), to.len()))
                }
                _ => None,
            })
            .collect();
        let expected = |number| format!("Cluster {number}: 3 of 4 operators here, no one to spare.");
        assert_eq!(lines, [(expected(1).as_str(), 76), (expected(2).as_str(), 76)]);
    }

    #[test]
    fn time_alone_changes_nothing_but_what_turns() {
        let at = |now_ms| model(Some(&view(&[], 1)), now_ms, false);
        assert_eq!(at(1_000), at(1_000 + STALE_MS));
        let mut starting = view(&[], 1);
        starting.node.state = NodeState::Starting { waiting_for: "waiting".into() };
        let starting = NodeView::clone(&Publisher::new(starting).current());
        let turns = [0, 1, 2, 3, 4].map(|second| model(Some(&starting), 1_000 * second, false).turn);
        assert_eq!(turns, [0, 1, 2, 3, 0]);
    }

    #[test]
    fn the_message_for_others_names_who_is_away_and_what_is_amiss() {
        let mut seen = view(&[2], 1);
        let alert = json!({"kind": {"code": "disk_low", "free_mib": 9, "full_in_days": null}, "cluster": null,
            "severity": "warning", "since_ms": 1, "recovering_since_ms": null, "resolved_ms": null,
            "title": "Only 9 MiB are free on the disk", "text": "", "action": null, "why": "", "rests": null});
        seen.alerts = vec![serde_json::from_value::<Alert>(alert).unwrap()];
        assert_eq!(
            for_chat(Some(&seen), 1_000),
            "Cluster 1: 3 of 4 operators here, no one to spare. Not here: Maya.\n- Only 9 MiB are free on the disk"
        );
        assert_eq!(for_chat(None, 1_000), "My Hearth node: Not connected to the Hearth node.");
    }
}
