//! From the partial signatures of one root to whole ones.

use hearth_crypto::threshold::split;
use hearth_crypto::{
    Partial, PublicKey, SecretKey, SlotJob, SlotOutcome, Standing, ValidatorPartials, complete_slot,
};
use hearth_types::{ShareIndex, SignatureBytes, Threshold};
use proptest::prelude::*;

use crate::{OTHER_ROOT, ROOT, seeded, share};

struct Validator {
    whole: SecretKey,
    shares: Vec<SecretKey>,
}

impl Validator {
    fn new(seed: u64) -> Self {
        let mut rng = seeded(seed);
        let whole = SecretKey::generate(&mut rng);
        let shares = split(&whole, three_of_four(), 4, &mut rng);
        Self { whole, shares }
    }

    fn group(&self) -> PublicKey {
        self.whole.public_key()
    }

    fn signature(&self) -> Option<SignatureBytes> {
        Some(self.whole.sign(&ROOT).to_bytes())
    }

    fn good(&self, x: u8) -> Partial {
        let key = &self.shares[usize::from(x) - 1];
        Partial {
            share: share(x),
            key: key.public_key(),
            signature: key.sign(&ROOT).to_bytes(),
            standing: Standing::Unchecked,
        }
    }

    fn own(&self, x: u8) -> Partial {
        Partial { standing: Standing::Own, ..self.good(x) }
    }

    /// A signature, but of something else.
    fn wrong(&self, x: u8) -> Partial {
        Partial { signature: self.shares[usize::from(x) - 1].sign(&OTHER_ROOT).to_bytes(), ..self.good(x) }
    }

    /// No signature at all.
    fn garbage(&self, x: u8) -> Partial {
        Partial { signature: SignatureBytes::new([0xff; 96]), ..self.good(x) }
    }

    fn own_infinity(&self, x: u8) -> Partial {
        let infinity = std::array::from_fn(|at| if at == 0 { 0xc0 } else { 0 });
        Partial { signature: SignatureBytes::new(infinity), ..self.own(x) }
    }

    fn with(&self, partials: Vec<Partial>) -> ValidatorPartials {
        ValidatorPartials { group: self.group(), partials }
    }
}

fn three_of_four() -> Threshold {
    Threshold::new(3, 4).unwrap()
}

fn run(validators: Vec<ValidatorPartials>) -> SlotOutcome {
    complete_slot(&SlotJob { root: ROOT, threshold: three_of_four(), validators }, &mut seeded(7))
}

#[test]
fn the_table_of_what_may_arrive_for_one_validator() {
    let v = Validator::new(1);
    let cases: Vec<(&str, Vec<Partial>, bool, &[u8])> = vec![
        ("nothing", vec![], false, &[]),
        ("one too few", vec![v.own(1), v.good(2)], false, &[]),
        ("just enough", vec![v.own(1), v.good(2), v.good(3)], true, &[]),
        ("just enough, all from others", vec![v.good(4), v.good(2), v.good(3)], true, &[]),
        ("all", vec![v.good(4), v.good(3), v.good(2), v.own(1)], true, &[]),
        ("one bad, enough left", vec![v.own(1), v.wrong(2), v.good(3), v.good(4)], true, &[2]),
        ("one garbage, enough left", vec![v.own(1), v.garbage(2), v.good(3), v.good(4)], true, &[2]),
        ("one bad, too few left", vec![v.own(1), v.wrong(2), v.good(3)], false, &[2]),
        ("several bad", vec![v.garbage(4), v.wrong(2), v.wrong(1), v.good(3)], false, &[1, 2, 4]),
        ("the same twice", vec![v.own(1), v.good(2), v.good(2)], false, &[]),
        (
            "a good one and then a bad one of one share",
            vec![v.own(1), v.good(2), v.wrong(2), v.good(3)],
            true,
            &[],
        ),
        (
            "a bad one and then a good one of one share",
            vec![v.own(1), v.wrong(2), v.good(2), v.good(3)],
            false,
            &[2],
        ),
        (
            "garbage and then a good one of one share",
            vec![v.own(1), v.garbage(2), v.good(2), v.good(3)],
            false,
            &[2],
        ),
        (
            "our own garbage",
            vec![Partial { standing: Standing::Own, ..v.garbage(1) }, v.good(2), v.good(3)],
            false,
            &[1],
        ),
        ("our own at infinity", vec![v.own_infinity(1), v.good(2), v.good(3), v.good(4)], true, &[1]),
        (
            "infinity",
            vec![v.own(1), Partial { standing: Standing::Unchecked, ..v.own_infinity(2) }, v.good(3)],
            false,
            &[2],
        ),
        (
            "another share's signature",
            vec![v.own(1), v.good(2), Partial { signature: v.good(4).signature, ..v.good(3) }],
            false,
            &[3],
        ),
    ];
    for (name, partials, whole, invalid) in cases {
        let outcome = run(vec![v.with(partials)]);
        assert_eq!(outcome.signatures, [if whole { v.signature() } else { None }], "{name}");
        let invalid: Vec<(usize, ShareIndex)> = invalid.iter().map(|x| (0, share(*x))).collect();
        assert_eq!(outcome.invalid, invalid, "{name}");
    }
}

#[test]
fn a_wrong_signature_of_our_own_never_leaves_and_blames_nobody() {
    let (v, w) = (Validator::new(1), Validator::new(2));
    let wrong = Partial { standing: Standing::Own, ..v.wrong(1) };
    let outcome =
        run(vec![v.with(vec![wrong, v.good(2), v.good(3)]), w.with(vec![w.own(1), w.good(2), w.good(3)])]);
    assert_eq!(outcome.signatures, [None, w.signature()]);
    assert_eq!(outcome.invalid, []);
}

#[test]
fn shares_that_do_not_belong_to_the_group_key_yield_no_signature() {
    let (v, w) = (Validator::new(1), Validator::new(2));
    let outcome = run(vec![w.with(vec![v.good(1), v.good(2), v.good(3)])]);
    assert_eq!(outcome, SlotOutcome { signatures: vec![None], invalid: vec![] });
}

#[test]
fn a_job_without_validators_is_done_at_once() {
    assert_eq!(run(vec![]), SlotOutcome { signatures: vec![], invalid: vec![] });
}

#[test]
fn one_operator_whose_signatures_are_all_bad_is_named_for_every_validator() {
    let validators: Vec<Validator> = (0..12).map(Validator::new).collect();
    let outcome =
        run(validators.iter().map(|v| v.with(vec![v.own(1), v.wrong(2), v.good(3), v.good(4)])).collect());
    assert_eq!(outcome.signatures, validators.iter().map(Validator::signature).collect::<Vec<_>>());
    assert_eq!(outcome.invalid, (0..12).map(|at| (at, share(2))).collect::<Vec<_>>());
}

/// What becomes of one partial signature; share 1 is our own.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Absent,
    Good,
    Wrong,
    Garbage,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_validator_gets_what_its_good_partials_suffice_for(
        fates in proptest::collection::vec(
            proptest::array::uniform4(prop_oneof![
                1 => Just(Fate::Absent), 6 => Just(Fate::Good), 1 => Just(Fate::Wrong), 1 => Just(Fate::Garbage),
            ]),
            0..10,
        ),
        backwards in any::<bool>(),
    ) {
        let mut expected = SlotOutcome { signatures: vec![], invalid: vec![] };
        let mut job = vec![];
        for (at, fates) in fates.iter().enumerate() {
            let v = Validator::new(at as u64);
            let mut partials: Vec<Partial> = (1..).zip(fates).filter_map(|(x, fate)| match fate {
                Fate::Absent => None,
                Fate::Good if x == 1 => Some(v.own(x)),
                Fate::Good => Some(v.good(x)),
                Fate::Wrong => Some(v.wrong(x)),
                Fate::Garbage => Some(v.garbage(x)),
            }).collect();
            if backwards {
                partials.reverse();
            }
            let good = fates.iter().filter(|fate| **fate == Fate::Good).count();
            expected.signatures.push(if good >= 3 { v.signature() } else { None });
            let bad = (1..).zip(fates).filter(|(_, fate)| matches!(fate, Fate::Wrong | Fate::Garbage));
            expected.invalid.extend(bad.map(|(x, _)| (at, share(x))));
            job.push(v.with(partials));
        }
        prop_assert_eq!(run(job), expected);
    }
}
