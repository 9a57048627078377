//! Says afterwards what became of a duty, and why.

use hearth_types::Threshold;

use crate::collect::Tally;
use crate::{Failure, Stage};

/// How far one duty came.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) fetch_error: Option<String>,
    pub(crate) decided: bool,
    pub(crate) decide_error: Option<String>,
    pub(crate) sign_error: Option<String>,
    pub(crate) combine_error: Option<String>,
    pub(crate) complete: usize,
    pub(crate) taken: usize,
    pub(crate) submit_error: Option<String>,
    pub(crate) taken_after_ms: Option<u64>,
    /// The last word was said.
    pub(crate) closed: bool,
}

impl Account {
    /// What stopped the duty of `validators` validators, the worst off of which has the partial signatures of
    /// `least`; `None` if the beacon node took all their attestations.
    ///
    /// Source of the codes: `obol-duties.md` 10.
    pub(crate) fn failure(
        &self,
        validators: usize,
        threshold: Threshold,
        least: Tally,
        round: u64,
    ) -> Option<Failure> {
        if self.taken >= validators {
            return None;
        }
        let fail = |stage, code, detail| Some(Failure { stage, code, detail });
        if self.complete > self.taken {
            let detail = self.submit_error.clone().unwrap_or_else(|| "the beacon node has not answered".into());
            return fail(Stage::Submit, "broadcast_bn_error", detail);
        }
        if let Some(error) = &self.decide_error {
            return fail(Stage::Agree, "bug_duty_db_error", error.clone());
        }
        if !self.decided {
            if let Some(error) = &self.fetch_error {
                return fail(Stage::Fetch, "fetch_bn_error", error.clone());
            }
            let detail = format!("the operators did not agree in time; this one reached round {round}");
            return fail(Stage::Agree, "no_consensus", detail);
        }
        if let Some(error) = &self.combine_error {
            return fail(Stage::Collect, "bug_sig_agg", error.clone());
        }
        if !least.own {
            let detail = self.sign_error.clone().unwrap_or_else(|| "our signer has not answered".into());
            return fail(Stage::Sign, "no_local_vc_signature", detail);
        }
        let Tally { of_one_vote, of_any, .. } = least;
        let (code, among) = match of_any {
            0 | 1 => ("no_peer_signatures", String::new()),
            _ if of_one_vote < of_any => {
                ("bug_par_sig_db_inconsistent", format!(", and {of_any} in all, of different votes"))
            }
            _ => ("insufficient_peer_signatures", String::new()),
        };
        fail(
            Stage::Collect,
            code,
            format!("{of_one_vote} of {threshold} needed partial signatures arrived{among}"),
        )
    }
}
