//! Invitations, seats and agreement, between an organiser and his guests without a network.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "helpers of a test fail as tests do")]

use hearth_crypto::k1::NodeKey;
use hearth_gathering::{
    Answer, Check, CheckKind, FRAME_BYTES, Field, Guest, Heard, Invite, InviteError, LINK, NotYet, Refusal,
    Report, Standing, Table, Terms, Unwilling,
};
use hearth_obol::cluster::{Network, Networks};
use hearth_obol::enr::Enr;
use hearth_types::UnixMillis;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);
const WEEK_MS: u64 = 7 * 24 * 3_600_000;

fn network() -> Network {
    Networks::known().by_name("hoodi").expect("a known network").clone()
}

fn terms() -> Terms {
    Terms {
        name: "Friends of the fire".into(),
        fork_version: *network().fork_version.as_bytes(),
        operators: 4,
        threshold: 3,
        validators: 2,
        withdrawal: [0xab; 20],
        fee_recipient: [0xcd; 20],
        compounding: false,
    }
}

fn key(number: u8) -> NodeKey {
    NodeKey::from_bytes(&[number; 32]).expect("a key")
}

fn record(key: &NodeKey) -> String {
    Enr::create(key).text().to_owned()
}

/// An organiser with seat 1 and three guests, who talk over a table.
struct Round {
    table: Table,
    guests: Vec<(NodeKey, Guest)>,
    now: UnixMillis,
}

impl Round {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let organiser = (record(&key(1)), "Sam".to_owned());
        let table = Table::new(terms(), organiser, (NOW, "uuid".into()), &mut rng);
        let mut round = Self { table, guests: Vec::new(), now: NOW };
        for seat in 2..=4 {
            let guest = Guest::new(round.invite(seat), record(&key(seat)), format!("guest {seat}"));
            round.guests.push((key(seat), guest));
        }
        round
    }

    fn invite(&self, seat: u8) -> Invite {
        self.table.invite(seat, &key(1).public(), vec!["192.0.2.1:3610".into()]).expect("an invitation")
    }

    fn report(&self, seat: u8) -> Report {
        let (key, guest) = &self.guests[usize::from(seat) - 2];
        guest.report(key, false, self.now).expect("a report")
    }

    fn answer(&mut self, seat: u8, report: Report) -> Answer {
        let report = Report::decode(&report.encode()).expect("it reads what it writes");
        let answer = self.table.hear(seat, report, &key(1).public(), self.now);
        self.table.settle(&network()).expect("the plan is sound");
        assert!(answer.encode().len() <= FRAME_BYTES);
        Answer::decode(&answer.encode()).expect("it reads what it writes")
    }

    fn talk(&mut self, seat: u8) -> Result<Heard, Unwilling> {
        let answer = self.answer(seat, self.report(seat));
        let (now, (key, guest)) = (self.now, &mut self.guests[usize::from(seat) - 2]);
        guest.hear(answer, &key.public(), (now, now))
    }

    /// All seats are taken, and everybody has the definition.
    fn seated() -> Self {
        let mut round = Self::new();
        for _twice in 0..2 {
            for seat in 2..=4 {
                round.talk(seat).expect("a free seat");
            }
        }
        round
    }

    /// All agree and are ready.
    fn ready() -> Self {
        let mut round = Self::seated();
        let hash = round.table.hash().expect("a definition");
        round.table.agree(hash).expect("it is the same");
        round.table.set_ready(true);
        for (_, guest) in &mut round.guests {
            guest.agree(hash).expect("it is the same");
            guest.set_ready(true);
        }
        for seat in 2..=4 {
            round.talk(seat).expect("all is well");
        }
        round
    }
}

#[test]
fn a_link_says_what_it_was_made_of_however_a_messenger_has_broken_it() {
    let invite = Round::new().invite(3);
    let link = invite.link(&key(1));
    assert!(link.len() < 700, "{} characters", link.len());
    let broken = format!("  {}\n{}. ", &link[..80], &link[80..]);
    let data = link.strip_prefix(LINK).expect("a link of this version");
    let page = format!("https://hearth.example/join#1.{data}");
    for text in [
        link.as_str(),
        &broken,
        &format!("{link}/"),
        &format!("Sit with us at \"friends\", seat 3:\n\n{link}\n\nYours, Sam"),
        &format!("{link} see you"),
        &page,
        &format!("Sit with us: <{page}>."),
    ] {
        assert_eq!(Invite::read(text), Ok(invite.clone()), "{text}");
        assert_eq!(Invite::link_in(text), Ok(link.clone()));
    }
    assert_eq!(invite.seat, 3);
    assert!(!invite.is_over(NOW) && invite.is_over(UnixMillis::new(NOW.get() + WEEK_MS)));
}

#[test]
fn what_is_no_invitation_is_told_from_one_that_is_damaged_or_newer() {
    let link = Round::new().invite(2).link(&key(1));
    let other_key = Round::new().invite(2).link(&key(2));
    let last = link.chars().last().expect("a link");
    let changed = format!("{}{}", &link[..link.len() - 1], if last == 'A' { 'Q' } else { 'A' });
    for (text, expected) in [
        ("", InviteError::Foreign),
        ("https://launchpad.obol.org/dv#0x12", InviteError::Foreign),
        ("hearth://join/", InviteError::Damaged),
        ("hearth://join/1/", InviteError::Damaged),
        ("hearth://join/1/@@@", InviteError::Damaged),
        ("hearth://join/2/abcd", InviteError::Newer),
        (&link[..link.len() - 20], InviteError::Damaged),
        (&changed, InviteError::Damaged),
        (&other_key, InviteError::Damaged),
        (&"x".repeat(100_000), InviteError::Foreign),
    ] {
        assert_eq!(Invite::read(text), Err(expected), "{text:.60}");
    }
}

#[test]
fn all_have_one_definition_once_the_last_seat_is_taken_and_begin_together_when_all_are_ready() {
    let mut round = Round::new();
    for seat in 2..=4 {
        assert!(matches!(round.talk(seat), Ok(Heard::State)));
        assert_eq!(round.table.hash().is_some(), seat == 4);
    }
    assert_eq!(round.table.begin(NOW), Err(NotYet::NotAgreed(1)));
    (2..=4).for_each(|seat| assert_eq!(round.talk(seat), Ok(Heard::Changed), "{seat}"));
    assert!(round.guests.iter().all(|(_, guest)| guest.hash() == round.table.hash()));

    let mut round = Round::ready();
    assert_eq!(round.table.begin(NOW), Ok(1));
    assert!(!round.table.all_gone());
    (2..=4).for_each(|seat| assert_eq!(round.talk(seat), Ok(Heard::Go(1)), "{seat}"));
    (2..=4).for_each(|seat| assert_eq!(round.talk(seat), Ok(Heard::State), "once"));
    assert!(round.table.all_gone());
}

#[test]
fn a_ceremony_begins_only_when_nothing_is_in_the_way() {
    type Change = fn(&mut Round);
    let unfit: Change = |round| {
        let check = Check { kind: CheckKind::Folder, good: false, detail: "it is full".into() };
        let (_, guest) = &mut round.guests[1];
        guest.own(Standing { checks: vec![check], ..guest.standing().clone() });
        round.talk(3).expect("all is well");
    };
    let gone: Change = |round| {
        round.now = UnixMillis::new(NOW.get() + 6_000);
        for seat in 2..=3 {
            round.talk(seat).expect("all is well");
        }
    };
    let unready: Change = |round| {
        round.guests[0].1.set_ready(false);
        round.talk(2).expect("all is well");
    };
    let disagrees: Change =
        |round| round.table.reopen(4, NOW, &mut rand_chacha::ChaCha20Rng::seed_from_u64(1)).expect("a seat");
    for (name, change, expected) in [
        ("a guest's folder is taken", unfit, NotYet::NotFit { seat: 3, detail: "it is full".into() }),
        ("a guest is silent", gone, NotYet::NotReady(4)),
        ("a guest is not ready", unready, NotYet::NotReady(2)),
        ("a seat is free again", disagrees, NotYet::Empty(1)),
    ] {
        let mut round = Round::ready();
        change(&mut round);
        assert_eq!(round.table.begin(round.now), Err(expected), "{name}");
    }
}

#[test]
fn any_change_of_seats_undoes_every_agreement() {
    let mut round = Round::ready();
    let before = round.table.hash().expect("a definition");
    let named = (String::from("Institution"), vec!["203.0.113.5:3610".to_owned()]);
    round.table.name(4, &record(&key(9)), named).expect("a free record");
    round.table.settle(&network()).expect("a sound plan");
    let after = round.table.hash().expect("a definition");
    assert_ne!(before, after);
    assert_eq!(round.talk(2), Ok(Heard::Changed));
    let guest = &mut round.guests[0].1;
    assert!(!guest.standing().ready && !guest.standing().agrees(Some(after)));
    assert_eq!(guest.agree(before), Err(NotYet::Changed), "the words are old");
    assert_eq!(round.table.begin(NOW), Err(NotYet::NotAgreed(1)));
    assert_eq!(round.talk(4), Err(Unwilling::Refused(Refusal::NoSeat)), "the seat was given away");
}

#[test]
fn a_guest_is_refused_with_the_reason() {
    let stranger = |round: &Round, seat: u8, key: &NodeKey| {
        let guest = Guest::new(round.invite(seat), record(key), "?".into());
        guest.report(key, false, NOW).expect("a report")
    };
    let mut round = Round::seated();
    let used = stranger(&round, 2, &key(8));
    assert_eq!(round.answer(2, used), Answer::Refused(Refusal::Used));
    let twice = stranger(&round, 2, &key(3));
    assert_eq!(round.answer(2, twice), Answer::Refused(Refusal::SeatedTwice));
    let organiser = stranger(&round, 2, &key(1));
    assert_eq!(round.answer(2, organiser), Answer::Refused(Refusal::SeatedTwice));

    // Who has seen a record does not have its key.
    let mut claimed = round.report(2);
    claimed.record = record(&key(8));
    assert_eq!(round.answer(2, claimed), Answer::Refused(Refusal::Unproven));
    // Nor does a proof for one seat serve for another.
    let elsewhere = round.report(3);
    assert_eq!(round.answer(2, elsewhere), Answer::Refused(Refusal::Unproven));

    let mut round = Round::new();
    round.now = UnixMillis::new(NOW.get() + WEEK_MS);
    assert_eq!(round.talk(2), Err(Unwilling::Refused(Refusal::Expired)));
    let mut seated = Round::seated();
    seated.now = UnixMillis::new(NOW.get() + WEEK_MS);
    assert!(seated.talk(2).is_ok(), "who sits may stay");
    for seat in [0, 1, 5, 255] {
        let report = seated.report(2);
        assert_eq!(seated.answer(seat, report), Answer::Refused(Refusal::NoSeat), "{seat}");
    }
}

#[test]
fn a_guest_does_not_go_along_with_a_plan_that_is_not_what_he_was_invited_to() {
    type Change = fn(&mut Terms);
    let changes: [(Field, Change); 6] = [
        (Field::Name, |terms| terms.name = "Fiends".into()),
        (Field::Threshold, |terms| terms.threshold = 2),
        (Field::Validators, |terms| terms.validators = 3),
        (Field::Withdrawal, |terms| terms.withdrawal[19] ^= 1),
        (Field::FeeRecipient, |terms| terms.fee_recipient[0] ^= 1),
        (Field::Compounding, |terms| terms.compounding = true),
    ];
    let records: Vec<String> = (1..=4).map(|number| record(&key(number))).collect();
    for (field, change) in changes {
        let mut round = Round::seated();
        let mut other = terms();
        change(&mut other);
        let definition = other.definition(&network(), &records, ("2026-11-30T00:00:00Z", "u")).expect("a plan");
        let Answer::Seated { seats, ceremony, now_ms, .. } = round.answer(2, round.report(2)) else {
            panic!("he sits");
        };
        let hash = definition.compute_definition_hash().ok().map(|hash| *hash.as_bytes());
        let json = definition.to_json().ok();
        let answer = Answer::Seated { seats, hash, definition: json, ceremony, now_ms };
        let guest = &mut round.guests[0].1;
        let Err(Unwilling::Differs(difference)) = guest.hear(answer, &key(2).public(), (NOW, NOW)) else {
            panic!("{field:?} is not noticed");
        };
        assert_eq!(difference.field, field);
        assert_ne!(difference.invited, difference.found);
        assert_eq!(guest.hash(), None, "nothing to agree to");
    }
}

#[test]
fn a_guest_does_not_go_along_where_another_node_has_his_seat() {
    let mut round = Round::seated();
    let mut records: Vec<String> = (1..=4).map(|number| record(&key(number))).collect();
    records.swap(1, 2);
    let definition = terms().definition(&network(), &records, ("2026-11-30T00:00:00Z", "u")).expect("a plan");
    let hash = definition.compute_definition_hash().ok().map(|hash| *hash.as_bytes());
    let answer = Answer::Seated {
        seats: Vec::new(),
        hash,
        definition: definition.to_json().ok(),
        ceremony: 0,
        now_ms: 0,
    };
    let refused = round.guests[0].1.hear(answer, &key(2).public(), (NOW, NOW));
    assert!(matches!(refused, Err(Unwilling::Differs(difference)) if difference.field == Field::Seats));
}

#[test]
fn a_definition_whose_hash_is_said_to_be_another_is_not_taken() {
    let mut round = Round::seated();
    let json = round.table.definition().and_then(|definition| definition.to_json().ok());
    let answer =
        Answer::Seated { seats: Vec::new(), hash: Some([1; 32]), definition: json, ceremony: 0, now_ms: 0 };
    let guest = &mut round.guests[0].1;
    assert_eq!(guest.hear(answer, &key(2).public(), (NOW, NOW)), Err(Unwilling::Unreadable));
    assert_eq!(guest.hash(), None);
}

#[test]
fn what_is_kept_over_a_restart_is_the_plan_the_seats_and_the_agreement() {
    let round = Round::ready();
    let table: Table = minicbor::decode(&minicbor::to_vec(&round.table).expect("it writes")).expect("it reads");
    assert_eq!(table.hash(), round.table.hash());
    assert_eq!(table.seats()[2].record(), Some(record(&key(3)).as_str()));
    assert_eq!(
        table.invite(2, &key(1).public(), vec!["h:1".into()]).map(|invite| invite.secret),
        Some(round.invite(2).secret)
    );
    let (_, guest) = &round.guests[1];
    let again: Guest = minicbor::decode(&minicbor::to_vec(guest).expect("it writes")).expect("it reads");
    assert_eq!((again.hash(), again.standing()), (guest.hash(), guest.standing()));
    assert_eq!(again.seats(), guest.seats());
}

#[test]
fn a_secret_is_never_shown() {
    assert!(
        !format!("{:?}", Round::new().invite(2)).contains("secret: [")
            && format!("{:?}", Round::new().table).contains("SeatSecret(…)")
    );
}

#[test]
fn clocks_are_compared_by_the_middle_of_a_question() {
    let mut round = Round::seated();
    round.now = UnixMillis::new(NOW.get() + 5_000);
    let answer = round.answer(2, round.report(2));
    let asked = NOW;
    let heard = UnixMillis::new(NOW.get() + 400);
    round.guests[0].1.hear(answer, &key(2).public(), (asked, heard)).expect("all is well");
    assert_eq!(round.guests[0].1.ahead_ms(), Some(4_800));
}

proptest! {
    #[test]
    fn no_bytes_from_outside_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _report = Report::decode(&bytes);
        let _answer = Answer::decode(&bytes);
        let _invite = Invite::read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_link_with_one_letter_changed_is_refused(place in 16_usize..400, letter in "[A-Za-z0-9_-]") {
        let link = Round::new().invite(2).link(&key(1));
        prop_assume!(place < link.len() && link.get(place..=place) != Some(letter.as_str()));
        let mut changed = link.clone();
        changed.replace_range(place..=place, &letter);
        // The last letter has bits that stand for nothing; a decoder that is strict refuses them as well.
        prop_assert_eq!(Invite::read(&changed), Err(InviteError::Damaged));
    }
}
