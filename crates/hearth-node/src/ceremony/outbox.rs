//! What was sent in a ceremony, kept for whoever has missed it.

use hearth_obol::ceremony::frost::SHARES_PROTOCOL;
use hearth_obol::ceremony::{Output, Release};
use hearth_obol::wire::PARTIALS_PROTOCOL;
use hearth_p2p::Bytes;
use hearth_types::OperatorIndex;

/// Everything that was sent, in order. As much as the ceremony's definition calls for.
pub(super) struct Outbox {
    release: Release,
    /// To whom (all, if nobody is named), by which protocol.
    sent: Vec<(Option<OperatorIndex>, &'static str, Bytes)>,
    asking: Option<Bytes>,
}

impl Outbox {
    pub(super) const fn new(release: Release) -> Self {
        Self { release, sent: Vec::new(), asking: None }
    }

    pub(super) fn keep(&mut self, output: &Output) {
        let (to, protocol, bytes) = match output {
            Output::Ask(frame) => return self.asking = Some(frame.clone().into()),
            Output::Deliver(frame) => {
                self.asking = None;
                (None, self.release.message_protocol(), frame.clone())
            }
            Output::Share(to, frame) => (Some(*to), SHARES_PROTOCOL, frame.to_vec()),
            Output::Bundle(protocol, frame) => (None, *protocol, frame.clone()),
            Output::Partials(frame) => (None, PARTIALS_PROTOCOL, frame.clone()),
            Output::Save(_) | Output::Done => return,
        };
        self.sent.push((to, protocol, bytes.into()));
    }

    /// What an operator was sent.
    pub(super) fn of(&self, operator: OperatorIndex) -> impl Iterator<Item = (&'static str, Bytes)> + '_ {
        let his = move |to: &Option<OperatorIndex>| to.is_none_or(|to| to == operator);
        self.sent.iter().filter(move |(to, ..)| his(to)).map(|(_, protocol, bytes)| (*protocol, bytes.clone()))
    }

    /// The broadcast that not all have signed, if there is one.
    pub(super) fn asking(&self) -> Option<Bytes> {
        self.asking.clone()
    }
}
