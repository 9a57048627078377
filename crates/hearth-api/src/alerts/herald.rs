//! What is new about the alerts for somebody who is told of them, rather than looks.

use std::collections::BTreeMap;

use super::Severity;

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
    /// What was told and is not over.
    pub fn told(&self) -> &BTreeMap<String, (Severity, T)> {
        &self.told
    }

    /// What is new, now that `there` is what there is. While `paused` only ends are told, and the rest afterwards if it is
    /// still so.
    pub fn look(&mut self, there: BTreeMap<String, (Severity, T)>, paused: bool) -> Vec<News<T>> {
        let mut news = Vec::new();
        self.told.retain(|key, (_, what)| {
            let over = !there.contains_key(key);
            if over {
                news.push(News::Over { key: key.clone(), what: what.clone() });
            }
            !over
        });
        if paused {
            return news;
        }
        for (key, (severity, what)) in there {
            let worse = self.told.get(&key).is_none_or(|(before, _)| severity > *before);
            self.told.insert(key.clone(), (severity, what.clone()));
            if worse {
                news.push(News::Began { key, severity, what });
            }
        }
        news
    }
}
