//! Once a day: what happened, for an owner who need not look.

use std::collections::BTreeMap;

use hearth_api::{Alert, NodeView};

use crate::letter::{Letter, Tone, lasting};

/// Nine in the morning. Source: ux.md 3.7.
const AT_MINUTE: u16 = 9 * 60;
/// Lines about troubles, at most.
const LINES: usize = 20;
/// Troubles that are remembered, at most: the oldest make room.
const MOST: usize = 500;

/// A moment as the clock on the wall shows it.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Moment {
    /// Number of the day in a calendar.
    pub day: i32,
    /// Minutes since midnight.
    pub minute: u16,
}

#[derive(Debug)]
struct Trouble {
    title: String,
    since_ms: u64,
    over_ms: Option<u64>,
}

/// Collects what happens, and tells it once a day if anything did. Pure: time is an argument. Troubles that are muted or snoozed are
/// told here as well.
#[derive(Debug, Default)]
pub struct Digest {
    troubles: BTreeMap<String, Trouble>,
    /// The day on which the next one is due.
    due: Option<i32>,
}

impl Digest {
    /// Takes note of what there is now.
    pub fn look(&mut self, now_ms: u64, alerts: &[Alert]) {
        let keys: Vec<String> = alerts.iter().map(Alert::key).collect();
        for (key, trouble) in &mut self.troubles {
            if !keys.contains(key) {
                trouble.over_ms.get_or_insert(now_ms);
            }
        }
        for (key, alert) in keys.into_iter().zip(alerts) {
            let noted = Trouble { title: alert.title.clone(), since_ms: alert.since_ms, over_ms: None };
            self.troubles.insert(key, noted);
        }
        while self.troubles.len() > MOST {
            let oldest =
                self.troubles.iter().min_by_key(|(_, trouble)| trouble.since_ms).map(|(key, _)| key.clone());
            self.troubles.remove(&oldest.unwrap_or_default());
        }
    }

    /// Whether it is time; once a day. The first is due at the next nine o'clock.
    pub fn is_due(&mut self, now: Moment) -> bool {
        let today = if now.minute < AT_MINUTE { now.day } else { now.day.saturating_add(1) };
        let due = *self.due.get_or_insert(today);
        let is_due = now >= Moment { day: due, minute: AT_MINUTE };
        if is_due {
            self.due = Some(now.day.saturating_add(1));
        }
        is_due
    }

    /// What there is to tell, if anything. What is over is forgotten then.
    pub fn letter(&mut self, now_ms: u64, view: &NodeView) -> Option<Letter> {
        let mut troubles: Vec<&Trouble> = self.troubles.values().collect();
        troubles.sort_by_key(|trouble| trouble.since_ms);
        let missed =
            view.clusters.iter().any(|cluster| cluster.effectiveness.day.is_some_and(|day| day < 1_000));
        if troubles.is_empty() && !missed {
            return None;
        }
        let mut lines: Vec<String> = view
            .clusters
            .iter()
            .map(|cluster| {
                let done = cluster.effectiveness.day.map_or_else(
                    || "no duty in the last 24 hours".to_owned(),
                    |day| format!("{}.{} % of the duties of the last 24 hours done", day / 10, day % 10),
                );
                format!("{}: {done}. {}", cluster.name, cluster.health.sentence)
            })
            .collect();
        let said = |trouble: &Trouble| {
            let end = trouble.over_ms.unwrap_or(now_ms);
            let lasted = lasting(end.saturating_sub(trouble.since_ms));
            match trouble.over_ms {
                Some(_) => format!("- {}: {lasted}, over", trouble.title),
                None => format!("- {}: for {lasted}, and still so", trouble.title),
            }
        };
        lines.extend(troubles.iter().copied().take(LINES).map(said));
        if troubles.len() > LINES {
            lines.push(format!("- and {} more", troubles.len().saturating_sub(LINES)));
        }
        self.troubles.retain(|_, trouble| trouble.over_ms.is_none());
        Some(Letter { tone: Tone::Digest, title: "Hearth: the last day".into(), text: lines.join("\n") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letter::tests::alert;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn it_is_due_at_nine_once_a_day_and_later_when_the_computer_slept() {
        let mut digest = Digest::default();
        for (day, minute, due) in [
            (1, 600, false),
            (2, 0, false),
            (2, 539, false),
            (2, 540, true),
            (2, 541, false),
            (3, 600, true),
            (3, 900, false),
            (7, 60, true),
            (7, 540, false),
            (8, 540, true),
            (6, 540, false),
        ] {
            assert_eq!(digest.is_due(Moment { day, minute }), due, "day {day}, minute {minute}");
        }
    }

    #[test]
    fn it_tells_what_is_over_once_and_what_lasts_again_and_nothing_of_a_quiet_day() {
        let (mut digest, view) = (Digest::default(), NodeView::default());
        assert_eq!(digest.letter(0, &view), None);
        digest.look(0, &[alert(0)]);
        digest.look(2 * HOUR, &[alert(HOUR)]);
        let letter = digest.letter(3 * HOUR, &view).unwrap();
        assert_eq!(letter.text, "- Disk: 2 h 0 min, over\n- Disk: for 2 h 0 min, and still so");
        digest.look(4 * HOUR, &[alert(HOUR)]);
        let letter = digest.letter(24 * HOUR, &view).unwrap();
        assert_eq!(letter.text, "- Disk: for 23 h 0 min, and still so");
        digest.look(25 * HOUR, &[]);
        assert_eq!(digest.letter(48 * HOUR, &view).unwrap().text, "- Disk: 24 h 0 min, over");
        assert_eq!(digest.letter(72 * HOUR, &view), None);
    }
}
