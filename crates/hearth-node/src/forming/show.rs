//! A gathering as the window shows it.

use hearth_api::{ClusterPlan, Forming, FormingSeat, FormingStage, LinkCode, SeatCheck, SeatCheckKind};
use hearth_gathering::{Check, CheckKind, Kind, NAME_BYTES, SeatState, Terms};
use hearth_obol::cluster::{Network, Networks};
use qrcode::{EcLevel, QrCode};

use super::gathering::Gathering;
use crate::ceremony::words_of;

/// The page that hands invitations to the app, if whoever publishes this Hearth has put `installers/join/index.html` somewhere.
const JOIN_PAGE: Option<&str> = option_env!("HEARTH_JOIN_PAGE");
/// Longest text of another operator that is shown, bytes.
const TEXT_BYTES: usize = 300;

pub(super) fn forming(gathering: &Gathering, code_of: Option<u8>) -> Forming {
    let states = gathering.states();
    let agreed_on = gathering.definition().and_then(words_of);
    let (hash, words) = agreed_on.map_or((None, Vec::new()), |(hash, words)| (Some(hash), words.to_vec()));
    let everybody_agrees =
        states.iter().filter(|seat| seat.kind != Kind::Named).all(|seat| seat.standing.agrees(hash));
    let stage = if gathering.formed.is_some() {
        FormingStage::Formed
    } else if gathering.refused {
        FormingStage::Refused
    } else if gathering.ceremony().is_some() {
        FormingStage::Ceremony
    } else if hash.is_none() && gathering.record().is_some() {
        FormingStage::Defining
    } else if hash.is_none() {
        FormingStage::Inviting
    } else if everybody_agrees {
        FormingStage::Gathering
    } else {
        FormingStage::Agreeing
    };
    let plan = gathering.planned();
    let seats = (1..=plan.operators).map(|number| {
        let state = states.get(usize::from(number - 1));
        seat(gathering, (number, state), hash, code_of == Some(number))
    });
    let ceremony = gathering.ceremony();
    Forming {
        stage,
        me: gathering.me(),
        record: gathering.record(),
        signed: gathering.is_signed(),
        plan,
        definition_hash: hash.map(|hash| hash.to_string()),
        words: words.into_iter().map(str::to_owned).collect(),
        seats: seats.collect(),
        connected: gathering.connected,
        addresses: gathering.addresses().to_vec(),
        trouble: gathering.trouble.as_deref().map(|text| hearth_api::plain(text, TEXT_BYTES)),
        step: ceremony.map(|ceremony| u8::try_from(ceremony.step).unwrap_or_default()),
        saving: ceremony.and_then(|ceremony| ceremony.saving).map(|(done, total)| (count(done), count(total))),
        formed: gathering.formed.clone(),
        folder: gathering.folder().display().to_string(),
    }
}

fn seat(
    gathering: &Gathering,
    (number, state): (u8, Option<&SeatState>),
    hash: Option<hearth_types::Root>,
    with_code: bool,
) -> FormingSeat {
    let Some(SeatState { kind, taken, here, standing }) = state else {
        return FormingSeat { number, ..FormingSeat::default() };
    };
    let link = gathering.link(number).filter(|_| !taken);
    let (connected, step) = match gathering.ceremony() {
        Some(ceremony) if number == gathering.me() => (true, u8::try_from(ceremony.step).ok()),
        Some(ceremony) => {
            let (here, step) = ceremony.others.get(&number).copied().unwrap_or_default();
            (here, step.and_then(|step| u8::try_from(step).ok()))
        }
        None => (*here, None),
    };
    FormingSeat {
        number,
        nickname: name(&standing.nickname),
        named: *kind == Kind::Named,
        taken: *taken,
        here: connected,
        agreed: standing.agrees(hash),
        ready: standing.ready,
        version: hearth_api::plain(&standing.version, NAME_BYTES),
        checks: standing.checks.iter().map(check).collect(),
        step,
        code: link.as_ref().filter(|_| with_code).and_then(|(link, _)| code(link)),
        expires_ms: link.as_ref().map(|(_, expires_ms)| *expires_ms),
        page_link: link.as_ref().and_then(|(link, _)| page_link(JOIN_PAGE?, link)),
        link: link.map(|(link, _)| link),
    }
}

/// An invitation as the address of a page. What follows the `#` stays in the browser.
fn page_link(page: &str, link: &str) -> Option<String> {
    let (version, data) = link.rsplit_once('/')?;
    let (_, version) = version.rsplit_once('/')?;
    Some(format!("{page}#{version}.{data}"))
}

fn check(check: &Check) -> SeatCheck {
    let kind = match check.kind {
        CheckKind::Clock => SeatCheckKind::Clock,
        CheckKind::Disk => SeatCheckKind::Disk,
        CheckKind::Folder => SeatCheckKind::Folder,
        CheckKind::Version => SeatCheckKind::Version,
        CheckKind::Reach => SeatCheckKind::Reach,
    };
    SeatCheck { kind, good: check.good, detail: hearth_api::plain(&check.detail, TEXT_BYTES) }
}

/// What a cluster is to be.
pub(super) fn plan(terms: &Terms, networks: &Networks) -> ClusterPlan {
    plan_on(terms, networks.by_fork_version(terms.network()))
}

pub(super) fn plan_on(terms: &Terms, network: Option<&Network>) -> ClusterPlan {
    ClusterPlan {
        name: name(&terms.name),
        network: network.map_or_else(|| terms.network().to_string(), |network| network.name.clone()),
        network_known: network.is_some(),
        real_money: network.is_none_or(Network::holds_real_money),
        operators: terms.operators,
        threshold: terms.threshold,
        validators: terms.validators,
        withdrawal_address: terms.withdrawal_text(),
        fee_recipient: terms.fee_recipient_text(),
        compounding: terms.compounding,
    }
}

/// A name from outside.
pub(super) fn name(text: &str) -> String {
    hearth_api::plain(text, NAME_BYTES)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A link as a picture: its dark modules, row by row.
fn code(link: &str) -> Option<LinkCode> {
    let code = QrCode::with_error_correction_level(link, EcLevel::L).ok()?;
    let (size, colours) = (code.width(), code.to_colors());
    let mut path = String::new();
    for (y, row) in colours.chunks(size).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|one, other| one == other) {
            let length = run.len();
            if run.first() == Some(&qrcode::Color::Dark) {
                path.push_str(&format!("M{x} {y}h{length}v1h-{length}z"));
            }
            x += length;
        }
    }
    Some(LinkCode { size: count(size), path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_an_invitation_on_a_page_is_read_as_the_invitation() {
        let page = page_link("https://hearth.example/join", "hearth://join/1/aB-_9").unwrap();
        assert_eq!(page, "https://hearth.example/join#1.aB-_9");
    }

    #[test]
    fn a_link_becomes_a_picture_of_all_its_dark_modules() {
        let link = format!("hearth://join/1/{}", "a".repeat(600));
        let LinkCode { size, path } = code(&link).unwrap();
        let dark = QrCode::with_error_correction_level(&link, EcLevel::L).unwrap();
        let dark = dark.to_colors().into_iter().filter(|colour| *colour == qrcode::Color::Dark).count();
        let drawn: usize = path
            .split('M')
            .skip(1)
            .map(|run| run.split(['h', 'v']).nth(1).unwrap().parse::<usize>().unwrap())
            .sum();
        assert_eq!((drawn, size >= 21), (dark, true));
        assert_eq!(code(&"a".repeat(5_000)), None);
    }
}
