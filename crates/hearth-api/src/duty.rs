//! What became of a duty, with the reason in a sentence.

use hearth_types::{DutyKind, LockHash, Slot, ValidatorIndex};
use serde::{Deserialize, Serialize};

use crate::view::{DutyMark, Mark, plain};

/// Longest raw detail of a miss, in bytes.
const DETAIL_BYTES: usize = 500;

/// A duty of the cluster and its story.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DutyRecord {
    /// Whose duty.
    #[cfg_attr(test, ts(type = "string"))]
    pub cluster: LockHash,
    /// The slot.
    #[cfg_attr(test, ts(type = "string"))]
    pub slot: Slot,
    /// What was to be done.
    #[cfg_attr(test, ts(type = "DutyKind"))]
    pub kind: DutyKind,
    /// When it was due. The moments of [`Trace`] count from here.
    pub due_ms: u64,
    /// How many validators had it.
    pub validator_count: u32,
    /// Which ones; empty if that is not known.
    #[cfg_attr(test, ts(type = "Array<string>"))]
    pub validators: Vec<ValidatorIndex>,
    /// The stages it reached.
    pub trace: Trace,
    /// Number of the operator who led the round in which it was agreed.
    pub leader: Option<u8>,
    /// That round.
    pub round: Option<u64>,
    /// Numbers of the operators whose partial signature arrived, this one's included.
    pub signers: Vec<u8>,
    /// What became of it here.
    pub outcome: DutyOutcome,
    /// What the chain has of it; `None` where nobody has looked. Only attestations are looked for.
    pub on_chain: Option<OnChain>,
}

/// The votes of an attestation duty that blocks have.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct OnChain {
    /// The inclusion delay of each of [`DutyRecord::validators`], in their order: slots from the duty's to the block that has the
    /// vote, 1 or more; `None` where no block has it.
    ///
    /// Source: consensus-specs, phase0/beacon-chain.md, `PendingAttestation.inclusion_delay`.
    pub delays: Vec<Option<u8>>,
    /// The same for a vote that was there at once: slots to the first block after the duty's slot. More than 1 where a slot
    /// stayed empty, which is nobody's fault here.
    pub best: Option<u8>,
    /// Whether all are found, or the time is over in which a block may include them.
    pub settled: bool,
}

/// When a duty passed each stage, in milliseconds after it was due; `None` for what it did not reach.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Trace {
    /// The operators agreed.
    pub agreed_ms: Option<u64>,
    /// Our share signed.
    pub signed_ms: Option<u64>,
    /// Enough shares were together.
    pub complete_ms: Option<u64>,
    /// The beacon node took it.
    pub sent_ms: Option<u64>,
}

/// What became of a duty as far as this node's own work goes.
///
/// "Sent" is what it knows of that: its beacon node took it. Whether the chain has it is another fact ([`OnChain`]; ux.md, C-04).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DutyOutcome {
    /// Under way, or not known yet.
    Waiting,
    /// The beacon node took it.
    Sent,
    /// It was not done. Made by [`DutyOutcome::missed`].
    Missed {
        /// The stage that did not succeed.
        stage: DutyStage,
        /// The reason's code, as Charon's tracker names it.
        code: String,
        /// The reason.
        sentence: String,
        /// What to do, if anything.
        suggestion: Option<String>,
        /// What is known about it, for whoever wants to know more.
        detail: String,
    },
}

/// The five stages of a duty, in their order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum DutyStage {
    /// Ask the beacon node what to do.
    Fetch,
    /// Agree on it.
    Agree,
    /// Sign our part.
    Sign,
    /// Gather the parts of the others.
    Collect,
    /// Hand the whole to the beacon node.
    Submit,
}

/// What the reason of a miss is told from.
#[derive(Clone, Debug)]
pub struct Miss<'a> {
    /// The stage that did not succeed.
    pub stage: DutyStage,
    /// The reason's code.
    pub code: &'a str,
    /// What is known about it.
    pub detail: &'a str,
    /// Partial signatures that were needed.
    pub needed: u8,
    /// Partial signatures that arrived.
    pub arrived: u8,
    /// What to call the operators whose partial signature did not.
    pub missing: &'a [String],
}

impl DutyOutcome {
    /// A miss, explained.
    ///
    /// The sentence states the fact and does not guess the cause; a suggestion stands apart (ux.md, C-05 and S-04).
    pub fn missed(miss: &Miss<'_>) -> Self {
        let Miss { needed, arrived, .. } = miss;
        let (sentence, suggestion) = match miss.code {
            "fetch_bn_error" => (
                "Your beacon node did not answer in time.".to_owned(),
                Some("Check your beacon node.".to_owned()),
            ),
            "no_consensus" => ("The operators did not agree in time.".to_owned(), None),
            "no_local_vc_signature" => {
                ("Your own signer did not sign.".to_owned(), Some("The detail says why.".to_owned()))
            }
            "no_peer_signatures" | "insufficient_peer_signatures" => {
                let missing = plain(&miss.missing.join(", "), DETAIL_BYTES);
                let missing = (!missing.is_empty()).then(|| format!("Missing: {missing}."));
                (format!("Only {arrived} of the {needed} needed signatures arrived."), missing)
            }
            "broadcast_bn_error" => (
                "The signature was there, but the beacon node did not take it.".to_owned(),
                Some("The detail has its answer.".to_owned()),
            ),
            _ => (
                "Something in Hearth or in another operator's node went wrong.".to_owned(),
                Some("Save the log and report it.".to_owned()),
            ),
        };
        let (code, detail) = (miss.code.to_owned(), plain(miss.detail, DETAIL_BYTES));
        Self::Missed { stage: miss.stage, code, sentence, suggestion, detail }
    }
}

impl OnChain {
    /// The greatest inclusion delay, of those that are known.
    pub fn worst(&self) -> Option<u8> {
        self.delays.iter().flatten().copied().max()
    }

    /// Whether a vote came later than it could have.
    pub fn is_late(&self) -> bool {
        self.worst() > self.best
    }
}

impl DutyRecord {
    /// Whether the duty was done for the validator at this position of [`Self::validators`]; `None` while nobody can say.
    ///
    /// What the chain has counts; until it is known, what this node did.
    pub fn was_done(&self, position: usize) -> Option<bool> {
        let here = match self.outcome {
            DutyOutcome::Waiting => return None,
            DutyOutcome::Sent => true,
            DutyOutcome::Missed { .. } => false,
        };
        let on_chain = self.on_chain.as_ref().and_then(|on_chain| {
            let delay = on_chain.delays.get(position)?;
            (delay.is_some() || on_chain.settled).then_some(delay.is_some())
        });
        Some(on_chain.unwrap_or(here))
    }

    /// What became of it, in one sign: the worst that became of any of its validators.
    pub fn mark(&self) -> Mark {
        let each: Option<Vec<bool>> =
            (0..self.validators.len().max(1)).map(|position| self.was_done(position)).collect();
        match each {
            None => Mark::Waiting,
            Some(done) if done.contains(&false) => Mark::Missed,
            Some(_) if self.on_chain.as_ref().is_some_and(OnChain::is_late) => Mark::Late,
            Some(_) => Mark::Done,
        }
    }

    /// The duty's place in [`crate::ClusterView::strip`].
    pub fn in_strip(&self) -> DutyMark {
        let delay = self.on_chain.as_ref().and_then(OnChain::worst);
        DutyMark { slot: self.slot, kind: self.kind, mark: self.mark(), delay }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_has_the_last_word_on_a_duty_once_it_has_spoken() {
        let missed = || DutyOutcome::Missed {
            stage: DutyStage::Fetch,
            code: "fetch_bn_error".into(),
            sentence: String::new(),
            suggestion: None,
            detail: String::new(),
        };
        let chain = |delays: &[Option<u8>], best, settled| {
            Some(OnChain { delays: delays.to_vec(), best: Some(best), settled })
        };
        let both = vec![ValidatorIndex::new(7), ValidatorIndex::new(9)];
        for (name, validators, outcome, on_chain, mark) in [
            ("under way", &both, DutyOutcome::Waiting, chain(&[Some(1), Some(1)], 1, true), Mark::Waiting),
            ("handed in", &both, DutyOutcome::Sent, None, Mark::Done),
            ("missed here", &both, missed(), None, Mark::Missed),
            ("of nobody known", &vec![], DutyOutcome::Sent, None, Mark::Done),
            ("of nobody known, missed", &vec![], missed(), None, Mark::Missed),
            ("in the next block", &both, DutyOutcome::Sent, chain(&[Some(1), Some(1)], 1, true), Mark::Done),
            ("one is late", &both, DutyOutcome::Sent, chain(&[Some(1), Some(3)], 1, true), Mark::Late),
            ("an empty slot", &both, DutyOutcome::Sent, chain(&[Some(2), Some(2)], 2, true), Mark::Done),
            ("one to be found", &both, DutyOutcome::Sent, chain(&[Some(1), None], 1, false), Mark::Done),
            ("one never came", &both, DutyOutcome::Sent, chain(&[Some(1), None], 1, true), Mark::Missed),
            ("none came", &both, DutyOutcome::Sent, chain(&[None, None], 1, true), Mark::Missed),
            ("the others did it", &both, missed(), chain(&[Some(1), Some(1)], 1, true), Mark::Done),
            ("the others did half of it", &both, missed(), chain(&[Some(1), None], 1, false), Mark::Missed),
        ] {
            let record = DutyRecord {
                cluster: LockHash::new([1; 32]),
                slot: Slot::new(1),
                kind: DutyKind::Attester,
                due_ms: 0,
                validator_count: 2,
                validators: validators.clone(),
                trace: Trace::default(),
                leader: None,
                round: None,
                signers: Vec::new(),
                outcome,
                on_chain,
            };
            assert_eq!(record.mark(), mark, "{name}");
        }
    }

    #[test]
    fn every_reason_of_the_tracker_has_a_sentence_of_its_own() {
        let missing = ["Maya".to_owned(), "operator 4".to_owned()];
        for (code, expected, suggested) in [
            ("fetch_bn_error", "Your beacon node did not answer", Some("Check your beacon node.")),
            ("no_consensus", "The operators did not agree", None),
            ("no_local_vc_signature", "Your own signer did not sign", Some("The detail says why.")),
            ("no_peer_signatures", "Only 2 of the 3 needed", Some("Missing: Maya, operator 4.")),
            ("insufficient_peer_signatures", "Only 2 of the 3 needed", Some("Missing: Maya, operator 4.")),
            ("broadcast_bn_error", "The signature was there", Some("The detail has its answer.")),
            ("bug_sig_agg", "Something in Hearth", Some("Save the log and report it.")),
            ("a code to come", "Something in Hearth", Some("Save the log and report it.")),
        ] {
            let miss = Miss {
                stage: DutyStage::Collect,
                code,
                detail: "d\u{1b}",
                needed: 3,
                arrived: 2,
                missing: &missing,
            };
            let DutyOutcome::Missed { sentence, suggestion, detail, .. } = DutyOutcome::missed(&miss) else {
                panic!("{code}: not a miss");
            };
            assert!(sentence.starts_with(expected), "{code}: {sentence}");
            assert_eq!((suggestion.as_deref(), detail.as_str()), (suggested, "d"), "{code}");
        }
    }
}
