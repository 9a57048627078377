//! How far the computer's clock is off, by time servers.

use std::time::Duration;

use rsntp::{AsyncSntpClient, Config};

/// A server that does not answer in time is not waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// A server whose answer takes longer than that says too little: half of it could be the error.
const LONGEST_TRIP: f64 = 0.4;

/// True time minus the computer's, in milliseconds: the median of the servers that answer.
pub(super) async fn offset(servers: &[String]) -> Option<i64> {
    let asked = servers.iter().cloned().map(|server| tokio::spawn(ask(server)));
    let mut answers = Vec::new();
    for asked in asked.collect::<Vec<_>>() {
        answers.extend(asked.await.ok().flatten());
    }
    median(answers)
}

async fn ask(server: String) -> Option<i64> {
    let client = AsyncSntpClient::with_config(Config::default().timeout(PATIENCE));
    // The name is looked up first, and that has no limit of its own.
    let answer = tokio::time::timeout(2 * PATIENCE, client.synchronize(server.as_str())).await;
    match answer {
        Ok(Ok(answer)) if answer.round_trip_delay().as_secs_f64() <= LONGEST_TRIP => {
            let ms = answer.clock_offset().as_secs_f64() * 1_000.0;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "what is beyond every clock ends at the greatest number"
            )]
            Some(ms.round() as i64)
        }
        Ok(Ok(_)) => {
            tracing::debug!(server, "the time server answers too slowly to say anything");
            None
        }
        Ok(Err(error)) => {
            tracing::debug!(server, %error, "time server");
            None
        }
        Err(_) => {
            tracing::debug!(server, "the time server does not answer");
            None
        }
    }
}

/// Of two in the middle the one nearer to zero: two servers that disagree do not prove that the clock is wrong.
fn median(mut answers: Vec<i64>) -> Option<i64> {
    answers.sort_unstable();
    let middle = answers.len() / 2;
    let upper = answers.get(middle).copied();
    let lower = middle.checked_sub(1).and_then(|below| answers.get(below).copied());
    match (lower, upper) {
        (Some(lower), Some(upper)) if answers.len().is_multiple_of(2) => {
            Some(if lower.unsigned_abs() < upper.unsigned_abs() { lower } else { upper })
        }
        _ => upper,
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn one_server_of_three_that_is_wrong_does_no_harm() {
        for (answers, expected) in [
            (vec![], None),
            (vec![7], Some(7)),
            (vec![-90_000, 7], Some(7)),
            (vec![90_000, -7], Some(-7)),
            (vec![90_000, 7, 3], Some(7)),
        ] {
            assert_eq!(median(answers.clone()), expected, "{answers:?}");
        }
    }

    /// Answers one question as a server whose clock is `ahead` of this computer's. Source: RFC 4330.
    fn server(ahead: Duration) -> String {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let address = socket.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let mut asked = [0; 48];
            let (_, from) = socket.recv_from(&mut asked).unwrap();
            const UNIX_IN_NTP: u64 = 2_208_988_800;
            let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap() + ahead;
            let fraction = u64::from(now.subsec_nanos()) * (1 << 32) / 1_000_000_000;
            let stamp = ((now.as_secs() + UNIX_IN_NTP) << 32 | fraction).to_be_bytes();
            let mut answer = [0; 48];
            answer[..2].copy_from_slice(&[0b00_100_100, 1]);
            answer[24..32].copy_from_slice(&asked[40..48]);
            answer[32..40].copy_from_slice(&stamp);
            answer[40..48].copy_from_slice(&stamp);
            socket.send_to(&answer, from).unwrap();
        });
        address
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_clock_behind_that_of_a_server_has_a_positive_offset() {
        let silent = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let servers = [server(Duration::from_secs(90)), silent.local_addr().unwrap().to_string()];
        let offset = offset(&servers).await.unwrap();
        // The answer may have been under way for long, on a busy machine.
        assert!((89_500..=90_500).contains(&offset), "{offset}");
    }
}
