//! Telling one operator how far we are, ten times a second.

use std::time::Duration;

use hearth_crypto::k1::NodeKey;
use hearth_obol::ceremony::Ceremony;
use hearth_obol::ceremony::sync::{Moment, Report, SYNC_PROTOCOL, decode_answer, sign_definition};
use hearth_p2p::{Bytes, Host, SendError};
use hearth_types::OperatorIndex;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::AGAIN_PROTOCOL;
use crate::clock;

/// Between two reports.
const PAUSE: Duration = Duration::from_millis(100);
/// First and longest wait before another stream is tried; it grows by 1.6.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Between two attempts to ask an operator something.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What our reports say at the moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Own {
    pub(super) step: i64,
    /// The next report is the last.
    pub(super) leaving: bool,
}

/// What comes of talking.
#[derive(Debug)]
pub(super) enum Heard {
    /// An operator has answered its first report.
    Answers(OperatorIndex),
    /// It has answered our last.
    Left(OperatorIndex),
    /// It says that it gives up.
    GaveUp(OperatorIndex, String),
    /// It has signed a broadcast.
    Signature(OperatorIndex, Vec<u8>),
    /// Whether it is in the ceremony that we were in before we were started again.
    Knows(OperatorIndex, bool),
}

/// Has a broadcast signed, as often as it takes: an operator who is started again in between signs it afterwards.
pub(super) async fn ask(
    host: Host,
    of: OperatorIndex,
    (protocol, bytes): (&'static str, Bytes),
    hear: mpsc::Sender<Heard>,
) {
    while !hear.is_closed() {
        match host.request(of, protocol, bytes.clone()).await {
            Ok(answer) => return drop(hear.send(Heard::Signature(of, answer)).await),
            Err(reason) => tracing::debug!(operator = of.share().get(), %reason, "a broadcast is not signed"),
        }
        sleep(ASK_AGAIN).await;
    }
}

/// After a restart: asks an operator whether he is still in this ceremony, until he can be reached.
pub(super) async fn ask_again(host: Host, of: OperatorIndex, definition: [u8; 32], hear: mpsc::Sender<Heard>) {
    while !hear.is_closed() {
        let knows = match host.request(of, AGAIN_PROTOCOL, definition.to_vec()).await {
            Ok(answer) => answer == [1],
            // Charon, for which a restart ends a ceremony; or somebody who holds none any more.
            Err(SendError::Unsupported) => false,
            Err(_) => {
                sleep(ASK_AGAIN).await;
                continue;
            }
        };
        return drop(hear.send(Heard::Knows(of, knows)).await);
    }
}

/// A report with everything that does not change.
pub(super) fn hello(ceremony: &Ceremony, key: &NodeKey, nickname: &str) -> Report {
    Report {
        sent_at: Moment { seconds: 0, nanos: 0 },
        hash_signature: sign_definition(key, ceremony.definition_hash()),
        shutdown: false,
        version: ceremony.release().version().into(),
        step: 0,
        nickname: nickname.into(),
    }
}

/// Reports until the last report is answered, or until it gives up. Never more than one stream at a time.
pub(super) async fn talk(
    host: Host,
    to: OperatorIndex,
    hello: Report,
    own: watch::Receiver<Own>,
    hear: mpsc::Sender<Heard>,
) {
    let mut wait = FIRST_WAIT;
    let mut known = false;
    loop {
        if let Ok(mut dialogue) = host.open(to, SYNC_PROTOCOL) {
            loop {
                let next = Instant::now() + PAUSE;
                let Own { step, leaving } = *own.borrow();
                let report = Report { sent_at: now(), shutdown: leaving, step, ..hello.clone() };
                let Ok(answer) = dialogue.ask(report.encode()).await else { break };
                match decode_answer(&answer) {
                    Ok(None) => {}
                    Ok(Some(text)) => return drop(hear.send(Heard::GaveUp(to, text)).await),
                    Err(error) => return drop(hear.send(Heard::GaveUp(to, error.to_string())).await),
                }
                if leaving {
                    return drop(hear.send(Heard::Left(to)).await);
                }
                if !known {
                    known = true;
                    let _unheard = hear.send(Heard::Answers(to)).await;
                }
                wait = FIRST_WAIT;
                sleep_until(next).await;
            }
        }
        sleep(wait).await;
        wait = (wait * 8 / 5).min(LONGEST_WAIT);
    }
}

fn now() -> Moment {
    let ms = clock::now().get();
    Moment {
        seconds: i64::try_from(ms / 1_000).unwrap_or_default(),
        nanos: i32::try_from(ms % 1_000).unwrap_or_default() * 1_000_000,
    }
}
