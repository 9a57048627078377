//! Whole ceremonies of four operators, whose messages come in any order that a network can bring about; and what becomes of them
//! when one of the four is bad.

use std::collections::BTreeMap;

use hearth_crypto::k1::{NodeKey, checksum_address, ethereum_address};
use hearth_crypto::{PublicKey, SecretKey};
use hearth_dkg::Rule;
use hearth_dkg::pedersen::Fault;
use hearth_obol::ceremony::broadcast::{BroadcastRejection, Content, Topic, encode_request};
use hearth_obol::ceremony::frost::FrostRejection;
use hearth_obol::ceremony::pedersen::{
    DEALS_PROTOCOL, PUBLIC_SHARES_PROTOCOL, PedersenRejection, RESPONSES_PROTOCOL,
};
use hearth_obol::ceremony::signatures::{Purpose, SignatureRejection, encode_node_signature, encode_partials};
use hearth_obol::ceremony::sync::{Moment, Report, SyncRejection, sign_definition};
use hearth_obol::ceremony::{Ceremony, Failure, Formed, Message, Output, Reason, Release};
use hearth_obol::cluster::{Definition, DkgAlgorithm, Lock, Networks, Plan, WalletMessage, new_uuid};
use hearth_obol::enr::Enr;
use hearth_types::{Gwei, OperatorIndex, SigningRoot, ValidatorPubkey};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;

use crate::{node_key, operator};

const OPERATORS: u8 = 4;
/// Position of the bad one.
const BAD: u8 = 2;

fn plan(seed: u64) -> Plan {
    let network = Networks::known().by_name("hoodi").unwrap().clone();
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    Plan {
        name: "friends".into(),
        network,
        threshold: Some(3),
        withdrawal_addresses: vec!["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed".into()],
        fee_recipients: vec!["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed".into()],
        deposit_amounts: [1_000_000_000, 32_000_000_000].map(Gwei::new).to_vec(),
        compounding: false,
        gas_limit: 60_000_000,
        consensus_protocol: "qbft".into(),
        dkg_algorithm: DkgAlgorithm::Default,
        timestamp: "2026-11-27T12:00:00Z".into(),
        uuid: new_uuid(&mut rng),
        registered_at_s: None,
    }
}

fn keys() -> Vec<NodeKey> {
    (1..=OPERATORS).map(node_key).collect()
}

fn definition(validators: usize) -> Definition {
    definition_by(DkgAlgorithm::Default, validators)
}

fn definition_by(dkg_algorithm: DkgAlgorithm, validators: usize) -> Definition {
    let records: Vec<String> = keys().iter().map(|key| Enr::create(key).text().to_owned()).collect();
    Plan { dkg_algorithm, ..plan(1) }.for_ceremony(&records, validators).unwrap()
}

fn ceremony(definition: &Definition, me: u8, release: Release, seed: u64) -> Ceremony {
    let mut rng = ChaCha20Rng::seed_from_u64(seed * 100 + u64::from(me));
    Ceremony::new(definition.clone(), &Networks::known(), release, &node_key(me + 1), &mut rng).unwrap()
}

/// Something on its way from one operator to another.
#[derive(Clone, Debug)]
enum Mail {
    Request(Vec<u8>),
    Answer(Vec<u8>),
    Broadcast(Vec<u8>),
    Shares(Vec<u8>),
    Bundle(&'static str, Vec<u8>),
    Partials(Vec<u8>),
}

type Tamper<'a> = &'a mut dyn FnMut(&mut World, OperatorIndex, OperatorIndex, &mut Mail);

struct World {
    nodes: Vec<(Ceremony, NodeKey)>,
    mail: Vec<(OperatorIndex, OperatorIndex, Mail)>,
    formed: BTreeMap<OperatorIndex, Formed>,
    done: Vec<OperatorIndex>,
    rng: ChaCha20Rng,
}

impl World {
    fn new(definition: &Definition, release: Release, seed: u64) -> Self {
        let nodes = (0..OPERATORS).map(|me| (ceremony(definition, me, release, seed), node_key(me + 1)));
        Self {
            nodes: nodes.collect(),
            mail: Vec::new(),
            formed: BTreeMap::new(),
            done: Vec::new(),
            rng: ChaCha20Rng::seed_from_u64(seed),
        }
    }

    /// Runs until all are done, or until the first good operator gives up.
    fn run(&mut self, tamper: Tamper<'_>) -> Result<(), (OperatorIndex, Failure)> {
        if self.ends(tamper)? {
            return Ok(());
        }
        let waits = self.nodes.iter().map(|(ceremony, _)| (ceremony.step(), ceremony.awaited()));
        panic!("the ceremony stands still: {:?}", waits.collect::<Vec<_>>());
    }

    /// Whether all are done before it stands still.
    fn ends(&mut self, tamper: Tamper<'_>) -> Result<bool, (OperatorIndex, Failure)> {
        for me in OperatorIndex::all(OPERATORS) {
            self.act(me, |ceremony, key| ceremony.begin(key))?;
        }
        for _ in 0..20_000 {
            if self.done.len() == usize::from(OPERATORS) {
                return Ok(true);
            }
            if self.mail.is_empty() || self.rng.random_bool(0.3) {
                self.report()?;
                continue;
            }
            let at = self.rng.random_range(0..self.mail.len());
            let (from, to, mut mail) = self.mail.swap_remove(at);
            if from == operator(BAD) {
                tamper(self, from, to, &mut mail);
            }
            self.carry(from, to, &mail)?;
        }
        Ok(false)
    }

    /// One operator tells another how far it is.
    fn report(&mut self) -> Result<(), (OperatorIndex, Failure)> {
        let (from, to) = (self.rng.random_range(0..OPERATORS), self.rng.random_range(0..OPERATORS));
        if from == to {
            return Ok(());
        }
        let report = self.report_of(from);
        self.act(operator(to), |ceremony, key| ceremony.report(operator(from), &report, key))
    }

    fn report_of(&self, from: u8) -> Report {
        let (ceremony, key) = &self.nodes[usize::from(from)];
        Report {
            sent_at: Moment { seconds: 1, nanos: 0 },
            hash_signature: sign_definition(key, ceremony.definition_hash()),
            shutdown: false,
            version: ceremony.release().version().into(),
            step: ceremony.step(),
            nickname: String::new(),
        }
    }

    fn carry(
        &mut self,
        from: OperatorIndex,
        to: OperatorIndex,
        mail: &Mail,
    ) -> Result<(), (OperatorIndex, Failure)> {
        match mail {
            Mail::Request(frame) => {
                let (ceremony, key) = &mut self.nodes[to.position()];
                let answer = ceremony.request(from, frame, key).map_err(|failure| (to, failure))?;
                self.mail.push((to, from, Mail::Answer(answer)));
                Ok(())
            }
            Mail::Answer(frame) => self.act(to, |ceremony, key| ceremony.answer(from, frame, key)),
            Mail::Broadcast(frame) => {
                self.act(to, |ceremony, key| ceremony.hear(from, Message::Broadcast(frame), key))
            }
            Mail::Shares(frame) => {
                self.act(to, |ceremony, key| ceremony.hear(from, Message::Shares(frame), key))
            }
            Mail::Bundle(protocol, frame) => {
                self.act(to, |ceremony, key| ceremony.hear(from, Message::Bundle(protocol, frame), key))
            }
            Mail::Partials(frame) => {
                self.act(to, |ceremony, key| ceremony.hear(from, Message::Partials(frame), key))
            }
        }
    }

    fn act(
        &mut self,
        me: OperatorIndex,
        act: impl FnOnce(&mut Ceremony, &NodeKey) -> Result<Vec<Output>, Failure>,
    ) -> Result<(), (OperatorIndex, Failure)> {
        let (ceremony, key) = &mut self.nodes[me.position()];
        let outputs = act(ceremony, key);
        self.perform(me, outputs)
    }

    fn perform(
        &mut self,
        me: OperatorIndex,
        outputs: Result<Vec<Output>, Failure>,
    ) -> Result<(), (OperatorIndex, Failure)> {
        let outputs = outputs.map_err(|failure| (me, failure))?;
        let others: Vec<_> = OperatorIndex::all(OPERATORS).filter(|other| *other != me).collect();
        let mut save = None;
        for output in outputs {
            let mut to_all = |mail: Mail| self.mail.extend(others.iter().map(|to| (me, *to, mail.clone())));
            match output {
                Output::Ask(frame) => to_all(Mail::Request(frame)),
                Output::Deliver(frame) => to_all(Mail::Broadcast(frame)),
                Output::Bundle(protocol, frame) => to_all(Mail::Bundle(protocol, frame)),
                Output::Partials(frame) => to_all(Mail::Partials(frame)),
                Output::Share(to, frame) => self.mail.push((me, to, Mail::Shares(frame.to_vec()))),
                Output::Save(formed) => save = Some(*formed),
                Output::Done => self.done.push(me),
            }
        }
        if let Some(formed) = save {
            self.formed.insert(me, formed);
            let (ceremony, key) = &mut self.nodes[me.position()];
            let outputs = ceremony.saved(key);
            self.perform(me, outputs)?;
        }
        Ok(())
    }
}

fn honest(_: &mut World, _: OperatorIndex, _: OperatorIndex, _: &mut Mail) {}

#[test]
fn four_operators_end_with_one_cluster_whatever_the_order_of_their_messages() {
    for (seed, release, algorithm, validators) in [
        (1, Release::V1_11, DkgAlgorithm::Default, 1),
        (2, Release::V1_11, DkgAlgorithm::Frost, 3),
        (3, Release::V1_10, DkgAlgorithm::Default, 2),
        (4, Release::V1_11, DkgAlgorithm::Default, 2),
        (5, Release::V1_10, DkgAlgorithm::Default, 1),
        (6, Release::V1_11, DkgAlgorithm::Pedersen, 3),
        (7, Release::V1_10, DkgAlgorithm::Pedersen, 1),
        (8, Release::V1_11, DkgAlgorithm::Pedersen, 2),
    ] {
        let mut world = World::new(&definition_by(algorithm, validators), release, seed);
        world.run(&mut honest).unwrap();
        let first = &world.formed[&operator(0)];
        crate::independent::check(&first.lock_json);
        // Read and judged as a stranger would, not by what the ceremony holds of it.
        let lock = Lock::from_json(first.lock_json.as_bytes()).unwrap();
        let lock = lock.verify(&Networks::known()).unwrap();
        assert_eq!(lock.warnings(), [], "seed {seed}");
        for (me, formed) in &world.formed {
            assert_eq!(formed.lock_json, first.lock_json, "seed {seed}");
            assert_eq!(formed.deposits, first.deposits, "seed {seed}");
            for (share, validator) in formed.shares.iter().zip(&lock.lock().validators) {
                assert_eq!(share.public_key().to_bytes().to_vec(), validator.public_shares[me.position()]);
            }
        }
        assert_eq!(first.deposits.len(), 2);
        let root = SigningRoot::new([3; 32]);
        for validator in 0..validators {
            let partials: Vec<_> = [3, 0, 2]
                .map(|at| (operator(at).share(), world.formed[&operator(at)].shares[validator].sign(&root)))
                .to_vec();
            let whole = hearth_crypto::threshold::recombine(&partials).unwrap();
            let group: [u8; 48] = lock.lock().validators[validator].public_key.clone().try_into().unwrap();
            assert!(whole.verify(&PublicKey::from_bytes(&group).unwrap(), &root), "seed {seed}");
        }
    }
}

/// As it comes out of Obol's launchpad: every operator has signed with a wallet, and so has who made it.
fn signed_by_wallets(mut definition: Definition) -> Definition {
    let wallet = |seed: u8| node_key(100 + seed);
    let account = |seed| checksum_address(&ethereum_address(&wallet(seed).public()));
    let chain = Networks::known().by_name("hoodi").unwrap().chain_id;
    let sign = |seed, message: WalletMessage<'_>| wallet(seed).sign(&message.digest(chain)).to_vec();
    definition.creator.address = account(0);
    for (entry, seed) in definition.operators.iter_mut().zip(1..) {
        entry.address = account(seed);
    }
    definition.rehash().unwrap();
    let hash = format!("0x{}", hex::encode(&definition.config_hash));
    definition.creator.config_signature = sign(0, WalletMessage::CreatorConfig(&hash));
    for (entry, seed) in definition.operators.iter_mut().zip(1..) {
        entry.config_signature = sign(seed, WalletMessage::OperatorConfig(&hash));
        entry.enr_signature = sign(seed, WalletMessage::Enr(&entry.enr));
    }
    definition.rehash().unwrap();
    definition
}

#[test]
fn a_plan_that_all_wallets_have_signed_becomes_a_cluster_whose_lock_has_their_signatures() {
    let definition = signed_by_wallets(definition(2));
    definition.verify(&Networks::known()).unwrap();
    let mut world = World::new(&definition, Release::V1_11, 9);
    world.run(&mut honest).unwrap();
    for formed in world.formed.values() {
        crate::independent::check(&formed.lock_json);
        let lock = Lock::from_json(formed.lock_json.as_bytes()).unwrap().verify(&Networks::known()).unwrap();
        assert_eq!(lock.warnings(), []);
        assert_eq!(lock.lock().definition, definition);
    }
    // Never a mix: one of them has not signed.
    let mut mixed = definition;
    let last = mixed.operators.last_mut().unwrap();
    (last.config_signature, last.enr_signature) = Default::default();
    mixed.rehash().unwrap();
    let refused = mixed.verify(&Networks::known()).unwrap_err().to_string();
    assert!(refused.contains("a signature of operator 4 is missing"), "{refused}");
}

#[test]
fn who_breaks_a_rule_after_pedersen_is_named_and_nobody_has_files() {
    type Spoil = fn(&'static str, &mut Vec<u8>);
    let cases: [(&str, Spoil, Option<Reason>); 4] = [
        (
            "a truncated bundle",
            |_, frame| frame.truncate(frame.len() / 2),
            Some(Reason::Pedersen(PedersenRejection::Undecodable)),
        ),
        (
            "a bundle in another's name",
            |protocol, frame| {
                if protocol == RESPONSES_PROTOCOL {
                    // Field 1, the author, is operator 3 here.
                    frame.splice(0..2, [0x08, 0x03]);
                }
            },
            Some(Reason::Pedersen(PedersenRejection::Author(3))),
        ),
        (
            "a public share of somebody else",
            |protocol, frame| {
                if protocol == PUBLIC_SHARES_PROTOCOL {
                    let end = frame.len() - 48;
                    frame.splice(end.., other(9).public_key().to_bytes());
                }
            },
            Some(Reason::Fault(Fault::PublicShare)),
        ),
        // It is signed by nobody then, and the ceremony waits for a genuine one until its driver gives up.
        (
            "a changed deal",
            |protocol, frame| {
                if protocol == DEALS_PROTOCOL {
                    frame[40] ^= 1;
                }
            },
            None,
        ),
    ];
    for (name, spoil, reason) in cases {
        let mut world = World::new(&definition_by(DkgAlgorithm::Pedersen, 2), Release::V1_11, 7);
        let mut tamper = |_: &mut World, _: OperatorIndex, _: OperatorIndex, mail: &mut Mail| {
            if let Mail::Bundle(protocol, frame) = mail {
                spoil(protocol, frame);
            }
        };
        let end = world.ends(&mut tamper);
        assert!(world.formed.is_empty(), "{name}: nobody has files");
        match (end, reason) {
            (Err((_, failure)), Some(reason)) => {
                assert_eq!((failure.culprit, failure.reason), (Some(operator(BAD)), reason), "{name}");
            }
            (Ok(false), None) => {
                let (ceremony, _) = &world.nodes[0];
                assert_eq!((ceremony.step(), ceremony.awaited()), (1, vec![operator(BAD)]), "{name}");
            }
            (end, _) => panic!("{name}: {end:?}"),
        }
    }
}

#[test]
fn bundles_have_no_place_in_a_ceremony_of_the_other_kind() {
    let mut frost = ceremony(&definition(1), 0, Release::V1_11, 1);
    let refused = frost.hear(operator(1), Message::Bundle(DEALS_PROTOCOL, &[]), &node_key(1)).map(drop);
    assert_eq!(refused.unwrap_err().reason, Reason::NoSuchPurpose);
}

/// Runs with a bad operator and says who gave up first, and why.
fn failure_with(tamper: Tamper<'_>) -> (Failure, World) {
    let mut world = World::new(&definition(2), Release::V1_11, 7);
    let (witness, failure) = world.run(tamper).unwrap_err();
    assert_ne!(witness, operator(BAD), "{failure}");
    assert!(world.formed.is_empty(), "nobody has files");
    (failure, world)
}

fn other(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32]).unwrap()
}

#[test]
fn a_bad_participant_is_named_with_the_rule_and_nobody_has_files() {
    type Spoil = fn(&mut World, OperatorIndex, &mut Mail);
    let cases: [(&str, Spoil, Reason); 7] = [
        (
            "garbage instead of a request",
            |_, _, mail| {
                if let Mail::Request(frame) = mail {
                    *frame = vec![0xff; 40];
                }
            },
            Reason::Broadcast(BroadcastRejection::Undecodable),
        ),
        (
            "a truncated broadcast",
            |_, _, mail| {
                if let Mail::Broadcast(frame) = mail {
                    frame.truncate(frame.len() / 2);
                }
            },
            Reason::Broadcast(BroadcastRejection::Undecodable),
        ),
        (
            "a broadcast with the signature of one missing",
            |_, _, mail| {
                if let Mail::Broadcast(frame) = mail {
                    frame.truncate(frame.len() - 67);
                }
            },
            Reason::Broadcast(BroadcastRejection::Signatures { found: 3, wanted: 4 }),
        ),
        (
            "a share off the polynomial",
            |_, _, mail| {
                if let Mail::Shares(frame) = mail {
                    let last = frame.len() - 1;
                    frame[last] ^= 1;
                }
            },
            Reason::Rule { rule: Rule::Share, validator: Some(1) },
        ),
        (
            "partial signatures by another key",
            |_, _, mail| {
                if let Mail::Partials(frame) = mail {
                    *frame = forged(frame);
                }
            },
            Reason::Partial { validator: 0 },
        ),
        (
            "another answer than a signature over what was asked",
            |_, _, mail| {
                if let Mail::Answer(frame) = mail {
                    let last = frame.len() - 20;
                    frame[last] ^= 1;
                }
            },
            Reason::Broadcast(BroadcastRejection::NotSigned(OperatorIndex::new(BAD).unwrap())),
        ),
        (
            "a node signature over another lock",
            |_, _, mail| {
                if let Mail::Request(frame) = mail
                    && frame.windows(8).any(|window| window == b"node_sig")
                {
                    let wrong = node_key(BAD + 1).sign(&[9; 32]);
                    let value = encode_node_signature(OperatorIndex::new(BAD + 1).unwrap(), &wrong);
                    *frame = encode_request(&Content::new(Topic::NodeSignature, value));
                }
            },
            Reason::Signature(SignatureRejection::Position(u32::from(BAD) + 1)),
        ),
    ];
    for (name, spoil, reason) in cases {
        let (failure, _) = failure_with(&mut |world, _, to, mail| spoil(world, to, mail));
        assert_eq!((failure.culprit, failure.reason), (Some(operator(BAD)), reason), "{name}");
    }
}

/// The same message with signatures of a key that has no share.
fn forged(frame: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(frame).into_owned();
    let validators: Vec<ValidatorPubkey> =
        text.match_indices("0x").filter_map(|(at, _)| text.get(at..at + 98)?.parse().ok()).collect();
    let wrong = other(9).sign(&SigningRoot::new([1; 32]));
    let partials = validators.into_iter().map(|validator| (validator, wrong)).collect();
    encode_partials(Purpose::Deposit(0), operator(BAD).share(), &partials)
}

/// What an operator asks the others to sign first, in the ceremony of this seed.
fn first_request(me: u8, seed: u64) -> Vec<u8> {
    let world = World::new(&definition(2), Release::V1_11, seed);
    let reports: Vec<_> = (0..OPERATORS).map(|from| world.report_of(from)).collect();
    let (mut ceremony, key) = world.nodes.into_iter().nth(usize::from(me)).unwrap();
    ceremony.begin(&key).unwrap();
    for from in (0..OPERATORS).filter(|from| *from != me) {
        let report = Report { step: 1, ..reports[usize::from(from)].clone() };
        for output in ceremony.report(operator(from), &report, &key).unwrap() {
            if let Output::Ask(frame) = output {
                return frame;
            }
        }
    }
    panic!("it begins when all have reached the first step");
}

#[test]
fn who_says_different_things_to_different_peers_gets_one_of_them_signed() {
    let others = first_request(BAD, 8);
    // To the first peer both are shown, as if two had compared what they were asked to sign.
    let (failure, _) = failure_with(&mut |world, from, to, mail| {
        if let (Mail::Request(_), true) = (&*mail, to == operator(0)) {
            world.mail.push((from, to, Mail::Request(others.clone())));
        }
    });
    assert_eq!(failure.culprit, Some(operator(BAD)));
    assert_eq!(failure.reason, Reason::Broadcast(BroadcastRejection::Equivocation));
}

#[test]
fn content_of_one_colluder_is_not_signed_for_the_other() {
    let of_another = first_request(0, 7);
    let (failure, _) = failure_with(&mut |_, _, _, mail| {
        if let Mail::Request(frame) = mail {
            frame.clone_from(&of_another);
        }
    });
    assert_eq!(
        (failure.culprit, failure.reason),
        (Some(operator(BAD)), Reason::Frost(FrostRejection::Source(1)))
    );
}

#[test]
fn who_has_another_definition_or_release_or_begins_anew_is_told_and_named() {
    let definition = definition(1);
    let key = node_key(1);
    let world = World::new(&definition, Release::V1_11, 1);
    let good = world.report_of(BAD);
    let mut changed = plan(1);
    changed.withdrawal_addresses = vec!["0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359".into()];
    let records: Vec<String> = keys().iter().map(|key| Enr::create(key).text().to_owned()).collect();
    let other = changed.for_ceremony(&records, 1).unwrap();
    let other = World::new(&other, Release::V1_11, 1).report_of(BAD);
    let not_its_key = World::new(&definition, Release::V1_11, 1).report_of(BAD + 1);
    let theirs = "v1.10".to_owned();
    for (name, reports, reason) in [
        ("another withdrawal address", vec![other], SyncRejection::Definition),
        ("another operator's key", vec![not_its_key], SyncRejection::Definition),
        (
            "another release",
            vec![Report { version: theirs.clone(), ..good.clone() }],
            SyncRejection::Version { theirs, ours: "v1.11" },
        ),
        ("a late start", vec![Report { step: 4, ..good.clone() }], SyncRejection::LateStart(4)),
        (
            "a lie about its step",
            vec![good.clone(), Report { step: 5, ..good.clone() }],
            SyncRejection::Skipped { before: 0, now: 5 },
        ),
        (
            "a restart",
            vec![Report { step: 1, ..good.clone() }, Report { step: 0, ..good.clone() }],
            SyncRejection::Restarted { before: 1, now: 0 },
        ),
    ] {
        let mut ceremony = ceremony(&definition, 0, Release::V1_11, 1);
        let (last, before) = reports.split_last().unwrap();
        for report in before {
            ceremony.report(operator(BAD), report, &key).unwrap();
        }
        let failure = ceremony.report(operator(BAD), last, &key).map(|_| ()).unwrap_err();
        assert_eq!((failure.culprit, failure.reason), (Some(operator(BAD)), Reason::Sync(reason)), "{name}");
    }
}

#[test]
fn who_is_silent_is_known_at_every_step() {
    // Mail of the bad one is lost from some message on: whoever waits, waits for it, and for nobody who has done his part.
    for lost_from in 0..12 {
        let mut world = World::new(&definition(1), Release::V1_11, 3);
        for me in OperatorIndex::all(OPERATORS) {
            world.act(me, |ceremony, key| ceremony.begin(key)).unwrap();
        }
        let mut sent = 0;
        for _ in 0..4_000 {
            for from in 0..OPERATORS {
                for to in (0..OPERATORS).filter(|to| *to != from) {
                    let report = world.report_of(from);
                    world
                        .act(operator(to), |ceremony, key| ceremony.report(operator(from), &report, key))
                        .unwrap();
                }
            }
            if world.mail.is_empty() {
                break;
            }
            let (from, to, mail) = world.mail.remove(0);
            if from == operator(BAD) {
                sent += 1;
                if sent > lost_from {
                    continue;
                }
            }
            world.carry(from, to, &mail).unwrap();
        }
        let waiting = world.nodes.iter().filter(|(ceremony, _)| ceremony.me() != operator(BAD));
        let named = waiting.flat_map(|(ceremony, _)| ceremony.awaited()).collect::<Vec<_>>();
        assert!(named.contains(&operator(BAD)), "{lost_from}: {named:?}");
        assert!(world.formed.is_empty(), "{lost_from}");
    }
}

#[test]
fn a_ceremony_that_cannot_be_held_does_not_begin() {
    let unheard_of = Definition { dkg_algorithm: "unheard of".into(), ..definition(1) };
    let begin = |definition: &Definition, key: &NodeKey| {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let begun = Ceremony::new(definition.clone(), &Networks::known(), Release::V1_11, key, &mut rng);
        begun.map(|_| ()).unwrap_err().reason
    };
    assert_eq!(begin(&unheard_of, &node_key(1)), Reason::Algorithm("unheard of".into()));
    let stranger = begin(&definition(1), &node_key(9));
    assert!(stranger.to_string().contains("none of them is this node's"), "{stranger}");
}
