//! Work on many items at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

/// Cores that this process may use.
pub(crate) fn available() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Does `work` on every item, on up to `lanes` threads, and tells `done` how many items are finished.
///
/// Results come in the order of the items. After a failure no further item is begun; of several failures the one of
/// the earliest item is returned, on every run the same, because items are begun in order and those begun are ended.
pub(crate) fn spread<T: Send, R: Send, E: Send>(
    items: Vec<T>,
    lanes: usize,
    work: impl Fn(T) -> Result<R, E> + Sync,
    mut done: impl FnMut(usize),
) -> Result<Vec<R>, E> {
    let lanes = lanes.min(items.len());
    let queue = Mutex::new(items.into_iter().enumerate());
    let failed = AtomicBool::new(false);
    let (results, finished) = mpsc::channel();
    let lane = |results: mpsc::Sender<(usize, Result<R, E>)>| {
        while !failed.load(Ordering::Relaxed) {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((position, item)) = next else { break };
            let result = work(item);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            if results.send((position, result)).is_err() {
                break;
            }
        }
    };
    let mut in_order = BTreeMap::new();
    thread::scope(|scope| {
        let lane = &lane;
        let start = |_: &usize| {
            let results = results.clone();
            thread::Builder::new().spawn_scoped(scope, move || lane(results)).is_ok()
        };
        // One lane needs no thread, and a system that gives no thread still gets the work done.
        if lanes <= 1 || (0..lanes).filter(start).count() == 0 {
            lane(results.clone());
        }
        drop(results);
        for (position, result) in finished {
            in_order.insert(position, result);
            done(in_order.len());
        }
    });
    in_order.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items_for_any_number_of_lanes() {
        for lanes in [0, 1, 2, 7, 1000] {
            let mut heard = Vec::new();
            let doubled =
                spread((0..100).collect(), lanes, |n: u32| Ok::<_, ()>(2 * n), |done| heard.push(done));
            assert_eq!(doubled, Ok((0..100).map(|n| 2 * n).collect()), "{lanes} lanes");
            assert_eq!(heard, (1..=100).collect::<Vec<_>>(), "{lanes} lanes");
        }
        assert_eq!(spread(vec![], 4, |n: u32| Ok::<_, ()>(n), |_| {}), Ok(vec![]));
    }

    #[test]
    fn the_earliest_failure_is_reported_on_every_run() {
        for _ in 0..200 {
            let odd_fails = |n: u32| if n > 10 && n % 2 == 1 { Err(n) } else { Ok(n) };
            assert_eq!(spread((0..100).collect(), 4, odd_fails, |_| {}), Err(11));
        }
    }
}
