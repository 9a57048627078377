//! Transcripts: what the library behind Charon said in ceremonies of its own, and what was derived from the specification.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hearth_crypto::{Commitments, Polynomial, Proof, PublicKey, SecretKey, threshold};
use hearth_dkg::frost::{Cast, RoundOne, RoundTwo, Terms};
use hearth_dkg::{Abort, Blame, Rule};
use hearth_types::{OperatorIndex, ShareIndex, SigningRoot, Threshold};
use serde_json::{Value, json};

use crate::{begin, casts_of, confirm, exchange, operator, shares_from};

pub(crate) fn shared(name: &str) -> Option<Value> {
    let folder = std::env::var_os("HEARTH_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors")),
        PathBuf::from,
    );
    let path = folder.join("obol-dkg").join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) => {
            println!("skipped: {} not found", path.display());
            None
        }
    }
}

pub(crate) fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

pub(crate) fn secret(value: &Value) -> SecretKey {
    SecretKey::from_bytes(&bytes(value)).unwrap()
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

fn share_index(value: &Value) -> ShareIndex {
    ShareIndex::new(u8::try_from(number(value)).unwrap()).unwrap()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn cast(value: &Value) -> Cast {
    let points = list(&value["commitments"]).iter().map(|point| PublicKey::from_bytes(&bytes(point)).unwrap());
    Cast {
        commitments: Commitments::new(points.collect()).unwrap(),
        proof: Proof::from_bytes(bytes(&value["ci"]), bytes(&value["wi"])).unwrap(),
    }
}

/// Replays a transcript of one validator as each of its participants.
fn replay(transcript: &Value) -> Vec<Result<RoundTwo, Abort>> {
    let participants = list(&transcript["participants"]);
    let operators = u8::try_from(participants.len()).unwrap();
    let threshold = Threshold::new(number(&transcript["threshold"]), operators).unwrap();
    let outcome = |me: &Value| {
        let index = share_index(&me["id"]);
        let terms = Terms { me: index.operator(), operators, threshold, validators: 1 };
        let own = BTreeMap::from([(index.operator(), vec![secret(&me["own_share"])])]);
        let mut round = RoundOne::resume(terms, vec![cast(&me["round1_bcast"])], own);
        for other in participants.iter().filter(|other| other["id"] != me["id"]) {
            let from = share_index(&other["id"]).operator();
            round.take_casts(from, vec![cast(&other["round1_bcast"])])?;
            let sent = list(&other["shares_sent"]).iter().find(|share| share["to"] == me["id"]).unwrap();
            // The index that a share is said to be of is checked where messages are read (hearth-obol).
            round.take_shares(from, vec![secret(&sent["value"])])?;
        }
        round.finish()
    };
    participants.iter().map(outcome).collect()
}

#[test]
fn transcripts_of_the_library_behind_charon_are_followed_to_the_same_keys() {
    for name in ["2-of-3-ctx-0", "3-of-3-ctx-0", "invalid-proof"] {
        let Some(transcript) = shared(&format!("kryptology-golden/{name}.json")) else { return };
        let participants = list(&transcript["participants"]);
        let outcomes = replay(&transcript);
        for (participant, outcome) in participants.iter().zip(&outcomes) {
            let expected = &participant["expected_round2"];
            match outcome {
                Ok(second) => {
                    assert_eq!(expected["kind"], "success", "{name}");
                    let claim = second.claims()[0];
                    assert_eq!(claim.group.to_bytes(), bytes(&expected["verification_key"]), "{name}");
                    assert_eq!(claim.share.to_bytes(), bytes(&expected["vk_share"]), "{name}");
                }
                Err(abort) => {
                    assert_ne!(expected["kind"], "success", "{name}: {abort}");
                    let blame = Blame { culprit: operator(0), validator: Some(0), rule: Rule::Proof };
                    assert_eq!(*abort, Abort::Blamed(blame), "{name}: {expected}");
                }
            }
        }
        let Ok(second) = outcomes.into_iter().collect::<Result<Vec<_>, _>>() else { continue };
        for (participant, keys) in participants.iter().zip(confirm(second)) {
            let expected = &participant["expected_round2"]["signing_share"];
            assert_eq!(*keys[0].share.to_bytes(), bytes(expected), "{name}");
        }
    }
}

#[test]
fn a_ceremony_derived_from_the_specification_is_followed_byte_for_byte() {
    let Some(file) = shared("frost-3-of-4-2-validators.json") else { return };
    let threshold_of = Threshold::new(number(&file["threshold"]), 4).unwrap();
    for validator in list(&file["validators"]) {
        let participants = list(&validator["participants"]);
        let mut casts = Vec::new();
        let mut made: Vec<BTreeMap<OperatorIndex, Vec<SecretKey>>> = Vec::new();
        for participant in participants {
            let index = share_index(&participant["id"]);
            let coefficients = list(&participant["coefficients"]).iter().map(secret).collect();
            let polynomial = Polynomial::from_coefficients(coefficients).unwrap();
            let proof = Proof::make(index, &polynomial, secret(&participant["nonce_k"])).unwrap();
            let told = Cast { commitments: polynomial.commitments(), proof };
            assert_eq!(told, cast(participant));
            let shares = (1..=4).map(|to| {
                let to = ShareIndex::new(to).unwrap();
                let share = polynomial.share(to).unwrap();
                assert_eq!(*share.to_bytes(), bytes(&participant["shares"][to.get().to_string()]));
                (to.operator(), vec![share])
            });
            casts.push(vec![told]);
            made.push(shares.collect());
        }
        let rounds = made.into_iter().zip(&casts).zip(0..).map(|((made, casts), me)| {
            let terms = Terms { me: operator(me), operators: 4, threshold: threshold_of, validators: 1 };
            RoundOne::resume(terms, casts.clone(), made)
        });
        let second = exchange(rounds.collect()).into_iter().map(|round| round.finish().unwrap());
        let made = confirm(second.collect());
        let root = SigningRoot::new(bytes(&validator["message"]));
        let mut partials = Vec::new();
        for (participant, keys) in participants.iter().zip(&made) {
            let index = share_index(&participant["id"]);
            assert_eq!(keys[0].group.to_bytes(), bytes(&validator["verification_key"]));
            assert_eq!(*keys[0].share.to_bytes(), bytes(&participant["final_secret_share"]));
            let public = keys[0].public_shares[index.operator().position()];
            assert_eq!(public.to_bytes(), bytes(&participant["vk_share"]));
            let partial = keys[0].share.sign(&root);
            let expected: [u8; 96] = bytes(&validator["partial_signatures"][index.get().to_string()]);
            assert_eq!(partial.to_bytes().as_bytes(), &expected);
            partials.push((index, partial));
        }
        let whole = threshold::recombine(&partials[1..]).unwrap();
        assert_eq!(whole.to_bytes().as_bytes(), &bytes::<96>(&validator["threshold_signature"]));
    }
}

/// A vector of our own: what a seeded ceremony says, so that a change of any byte of it is seen. `UPDATE=1` writes it anew.
#[test]
fn a_seeded_ceremony_says_what_it_always_said() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/frost-2-of-3.json");
    let rounds = begin(3, 2, 2, 42);
    let told = |round: &RoundOne| -> Value {
        let cast = |cast: &Cast| {
            let points = cast.commitments.points().iter().map(|point| hex::encode(point.to_bytes()));
            json!({
                "commitments": points.collect::<Vec<_>>(),
                "ci": hex::encode(cast.proof.challenge()),
                "wi": hex::encode(cast.proof.response()),
            })
        };
        let shares = (0..3).map(|to| {
            let shares = shares_from(round, operator(to));
            shares.iter().map(|share| hex::encode(*share.to_bytes())).collect::<Vec<_>>()
        });
        json!({ "casts": casts_of(round).iter().map(cast).collect::<Vec<_>>(), "shares": shares.collect::<Vec<_>>() })
    };
    let said: Vec<Value> = rounds.iter().map(told).collect();
    let made = confirm(exchange(rounds).into_iter().map(|round| round.finish().unwrap()).collect());
    let keys = made[0].iter().map(|key| {
        let publics = key.public_shares.iter().map(|share| hex::encode(share.to_bytes()));
        json!({ "group": hex::encode(key.group.to_bytes()), "public_shares": publics.collect::<Vec<_>>() })
    });
    let vector = json!({
        "provenance": "made by this project; every secret is a public test value",
        "participants": said,
        "keys": keys.collect::<Vec<_>>(),
    });
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, serde_json::to_string_pretty(&vector).unwrap() + "\n").unwrap();
    }
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(vector, kept);
}
