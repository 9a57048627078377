//! The values that the consensus messages of one duty name.

use std::collections::BTreeMap;

use hearth_types::OperatorIndex;

use crate::{Cluster, Digest, Value};

/// Bytes of a value that one validator of the cluster may take up. In Obol's SSZ form it takes 338, in its JSON form
/// about 1,000. What is longer no honest leader proposed.
const BYTES_PER_VALIDATOR: usize = 2_048;

/// Values by their names. Bounded by construction: each peer may bring a number of values that is new to us, each of
/// a length that fits the cluster.
///
/// Whoever delivers a message answers for what comes with it. Its author cannot: votes that justify a message are
/// not covered by its signature, so anybody could attach values to it.
#[derive(Debug)]
pub struct Values {
    known: BTreeMap<Digest, Value>,
    brought: BTreeMap<OperatorIndex, usize>,
    most_each: usize,
    most_bytes: usize,
}

impl Values {
    /// For values of the duties of a cluster.
    pub(crate) fn of_duties(cluster: &Cluster) -> Self {
        Self::new(cluster.operators, BYTES_PER_VALIDATOR.saturating_mul(cluster.validators.len()))
    }

    /// For values of at most so many bytes.
    pub fn new(operators: u8, most_bytes: usize) -> Self {
        Self {
            known: BTreeMap::new(),
            brought: BTreeMap::new(),
            // An honest peer brings its own proposal and what other leaders showed it, of which all but the faulty
            // show everybody the same.
            most_each: 2 * usize::from(operators),
            most_bytes,
        }
    }

    /// Keeps a value of our own.
    pub(crate) fn keep(&mut self, value: Value) {
        self.known.insert(value.digest, value);
    }

    /// Keeps the values of one message that `via` delivered. `false`: they are too many or too long, none is kept,
    /// and the message cannot be used.
    pub(crate) fn admit(&mut self, via: OperatorIndex, values: Vec<Value>) -> bool {
        let new: BTreeMap<Digest, Value> = values
            .into_iter()
            .filter(|value| !self.known.contains_key(&value.digest))
            .map(|value| (value.digest, value))
            .collect();
        let brought = self.brought.entry(via).or_default();
        let fits = *brought + new.len() <= self.most_each
            && new.values().all(|value| value.bytes.len() <= self.most_bytes);
        if fits {
            *brought += new.len();
            self.known.extend(new);
        }
        fits
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<&Value> {
        self.known.get(digest)
    }

    /// Forgets all but one: nothing else will be named again.
    pub(crate) fn retain_only(&mut self, digest: Digest) {
        self.known.retain(|known, _| *known == digest);
    }
}
