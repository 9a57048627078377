//! What one peer can make this node hold: messages, bytes and reports, each counted against that peer alone.
//!
//! Everything that waits for the application carries the permits it was admitted with and gives them back when it
//! is taken. So the queue towards the application is bounded by the sum of its peers' allowances, and no peer can
//! use up the place of another.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;

/// The allowance of one peer; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Allowance {
    messages: Arc<Semaphore>,
    reports: Arc<Semaphore>,
    kibibytes: Arc<Semaphore>,
}

impl Allowance {
    /// A full allowance. One frame of `longest_frame` bytes and its answer always fit.
    pub(crate) fn new(limits: &Limits, longest_frame: usize) -> Self {
        let bytes = limits.inbound_bytes_per_peer.max(longest_frame.saturating_mul(2));
        let pool = |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self {
            messages: pool(limits.inbound_per_peer),
            reports: pool(limits.reports_per_peer),
            kibibytes: pool(bytes.div_ceil(KIB)),
        }
    }

    /// A place for one more inbound message; `None` at the bound.
    pub(crate) fn message(&self) -> Option<Permit> {
        self.messages.clone().try_acquire_owned().ok().map(Permit::new)
    }

    /// A place for one more report; `None` at the bound.
    pub(crate) fn report(&self) -> Option<Permit> {
        self.reports.clone().try_acquire_owned().ok().map(Permit::new)
    }

    /// A claim on memory that holds nothing yet.
    pub(crate) fn memory(&self) -> Memory {
        Memory { pool: self.kibibytes.clone(), held: None }
    }
}

const KIB: usize = 1024;

/// One place, given back when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Permit {
    _place: Arc<OwnedSemaphorePermit>,
}

impl Permit {
    fn new(place: OwnedSemaphorePermit) -> Self {
        Self { _place: Arc::new(place) }
    }
}

/// Bytes of a buffer that grows, counted in KiB; given back on drop.
#[derive(Debug)]
pub(crate) struct Memory {
    pool: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Memory {
    /// Claims enough for a buffer of `bytes` in total; `false` where the peer's allowance does not reach.
    #[must_use]
    pub(crate) fn grow_to(&mut self, bytes: usize) -> bool {
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Ok(missing) = u32::try_from(bytes.div_ceil(KIB).saturating_sub(held)) else { return false };
        let Ok(more) = self.pool.clone().try_acquire_many_owned(missing) else { return false };
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        true
    }
}

impl Memory {
    /// A claim on a pool of its own.
    pub(crate) fn of_kibibytes(kibibytes: usize) -> Self {
        Self { pool: Arc::new(Semaphore::new(kibibytes.min(Semaphore::MAX_PERMITS))), held: None }
    }
}

#[cfg(test)]
impl Memory {
    /// What is claimed now.
    pub(crate) fn claimed_kibibytes(&self) -> usize {
        self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_come_back_when_what_they_admitted_is_dropped() {
        let limits = Limits { inbound_per_peer: 2, ..Limits::default() };
        let allowance = Allowance::new(&limits, 0);
        let first = allowance.message().unwrap();
        let shared = first.clone();
        let _second = allowance.message().unwrap();
        assert!(allowance.message().is_none());
        drop(first);
        assert!(allowance.message().is_none(), "a clone still holds the place");
        drop(shared);
        assert!(allowance.message().is_some());
    }

    #[test]
    fn memory_is_claimed_as_a_buffer_grows_and_refused_beyond_the_allowance() {
        let limits = Limits { inbound_bytes_per_peer: 8 * KIB, ..Limits::default() };
        let allowance = Allowance::new(&limits, 0);
        let (mut one, mut two) = (allowance.memory(), allowance.memory());
        assert!(one.grow_to(1));
        assert!(one.grow_to(5 * KIB));
        assert!(!two.grow_to(4 * KIB), "only three KiB are left");
        assert!(two.grow_to(3 * KIB));
        drop(one);
        assert!(two.grow_to(8 * KIB));
    }

    #[test]
    fn the_longest_frame_and_its_answer_fit_whatever_the_setting_says() {
        let limits = Limits { inbound_bytes_per_peer: 0, ..Limits::default() };
        let allowance = Allowance::new(&limits, 10 * KIB);
        let (mut question, mut answer) = (allowance.memory(), allowance.memory());
        assert!(question.grow_to(10 * KIB) && answer.grow_to(10 * KIB));
    }
}
