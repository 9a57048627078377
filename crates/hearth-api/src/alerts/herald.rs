//! What is new about the alerts for somebody who is told of them, rather than looks.

use std::collections::BTreeMap;

use super::{Alert, Severity};

/// Something to tell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum News<T> {
    /// It began, or became worse.
    Began {
        /// By which it is known until it is over.
        key: String,
        /// How bad it is.
        severity: Severity,
        /// What it is.
        what: T,
    },
    /// It is over.
    Over {
        /// By which it was known.
        key: String,
        /// What it was, as it was told last.
        what: T,
    },
}

/// What is not told for now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hush {
    /// Everything is told.
    Nothing,
    /// Quiet hours: what is not critical waits for their end, also its own end.
    AllButCritical,
    /// The owner wants to hear of nothing new; ends are told.
    News,
}

/// Knows what was told. Tells each trouble once, again when it becomes worse, and its end once. Pure.
#[derive(Debug)]
pub struct Herald<T> {
    told: BTreeMap<String, (Severity, T)>,
}

impl<T> Default for Herald<T> {
    fn default() -> Self {
        Self { told: BTreeMap::new() }
    }
}

impl<T: Clone> Herald<T> {
    /// As [`Herald::look`] wants it, what there is of an alert that `what` tells of: one that rests is nothing new, and if it was
    /// told, it is not over.
    pub fn sight(&self, alert: &Alert, what: impl FnOnce() -> T) -> Option<(String, (Severity, T))> {
        let key = alert.key();
        let seen = if alert.is_resting() { self.told.get(&key)?.clone() } else { (alert.severity, what()) };
        Some((key, seen))
    }

    /// What was told and is not over.
    pub fn told(&self) -> &BTreeMap<String, (Severity, T)> {
        &self.told
    }

    /// What is new, now that `there` is what there is. What is hushed is told afterwards, if it is still so.
    pub fn look(&mut self, there: BTreeMap<String, (Severity, T)>, hush: Hush) -> Vec<News<T>> {
        let waits = |severity| hush == Hush::AllButCritical && severity < Severity::Critical;
        let mut news = Vec::new();
        self.told.retain(|key, (severity, what)| {
            let over = !there.contains_key(key) && !waits(*severity);
            if over {
                news.push(News::Over { key: key.clone(), what: what.clone() });
            }
            !over
        });
        if hush == Hush::News {
            return news;
        }
        for (key, (severity, what)) in there.into_iter().filter(|(_, (severity, _))| !waits(*severity)) {
            let worse = self.told.get(&key).is_none_or(|(before, _)| severity > *before);
            self.told.insert(key.clone(), (severity, what.clone()));
            if worse {
                news.push(News::Began { key, severity, what });
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_quiet_hours_only_what_is_critical_is_told_and_the_rest_afterwards() {
        use Hush::{AllButCritical, News as NoNews, Nothing};
        use Severity::{Critical, Warning};
        let mut herald = Herald::default();
        for (name, there, hush, expected) in [
            ("before", vec![("a", Warning), ("b", Critical)], Nothing, vec!["+a", "+b"]),
            (
                "a new warning waits",
                vec![("a", Warning), ("b", Critical), ("c", Warning)],
                AllButCritical,
                vec![],
            ),
            ("so does the end of one", vec![("b", Critical), ("c", Warning)], AllButCritical, vec![]),
            ("what is critical does not", vec![("c", Critical)], AllButCritical, vec!["-b", "+c"]),
            ("afterwards", vec![("c", Critical), ("d", Warning)], Nothing, vec!["-a", "+d"]),
            ("a pause hides what is new", vec![("e", Critical)], NoNews, vec!["-c", "-d"]),
            ("until it ends", vec![("e", Critical)], Nothing, vec!["+e"]),
        ] {
            let there = there.into_iter().map(|(key, severity)| (key.to_owned(), (severity, ()))).collect();
            let told: Vec<String> = herald
                .look(there, hush)
                .into_iter()
                .map(|news| match news {
                    News::Began { key, .. } => format!("+{key}"),
                    News::Over { key, .. } => format!("-{key}"),
                })
                .collect();
            assert_eq!(told, expected, "{name}");
        }
    }
}
