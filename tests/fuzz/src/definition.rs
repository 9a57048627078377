//! Definitions: read, hashed, checked, and written again.

use hearth_obol::cluster::{Check, Definition, Finding, Networks, Outcome, Problem, VerifyError};

use crate::assert_is_a_line;

/// Reads the bytes as a `cluster-definition.json` and holds everything that can be done with it against its promises.
pub fn definition(input: &[u8]) {
    match Definition::from_json(input) {
        Ok(definition) => {
            check_verdict(&definition);
            check_writing(&definition);
        }
        Err(error) => assert_is_a_line(&error),
    }
}

/// One verdict is the first failure of the other, and what contracts are to be asked can be asked.
fn check_verdict(definition: &Definition) {
    let networks = Networks::known();
    let findings = definition.verify_all(&networks);
    findings.iter().for_each(assert_is_a_line);
    assert_eq!(definition.verify(&networks), first_failure(&findings).map_or(Ok(()), Err));
    for question in definition.contract_signatures(&networks) {
        // Four bytes that name the function, then words.
        assert_eq!(question.call_data().len() % 32, 4);
    }
}

/// What is written says what was read, with the hashes that belong to it, and is written so again.
fn check_writing(definition: &Definition) {
    let mut fresh = definition.clone();
    if let Err(unhashable) = fresh.rehash() {
        assert_is_a_line(&unhashable);
        assert_eq!(definition.to_json(), Err(unhashable));
        return;
    }
    let text = definition.to_json().expect("what has hashes can be written");
    let again = Definition::from_json(text.as_bytes()).expect("what is written can be read");
    assert_eq!(again, fresh);
    assert_eq!(again.to_json().as_ref(), Ok(&text));
    let findings = again.verify_all(&Networks::known());
    for check in [Check::ConfigHash, Check::DefinitionHash] {
        assert_eq!(outcome(&findings, check), Some(&Outcome::Passed), "{check}");
    }
}

/// The failure that a verdict of one sentence tells.
pub(crate) fn first_failure(findings: &[Finding]) -> Option<VerifyError> {
    findings.iter().find_map(|finding| {
        let problem: Problem = failure(&finding.outcome)?.clone();
        Some(VerifyError::Failed { check: finding.check, problem })
    })
}

fn failure(outcome: &Outcome) -> Option<&Problem> {
    match outcome {
        Outcome::Failed(problem) => Some(problem),
        Outcome::Passed | Outcome::NotApplicable | Outcome::Warning(_) => None,
    }
}

fn outcome(findings: &[Finding], check: Check) -> Option<&Outcome> {
    findings.iter().find(|finding| finding.check == check).map(|finding| &finding.outcome)
}
