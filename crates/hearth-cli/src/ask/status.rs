//! `hearth status`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hearth_api::{
    Alert, BeaconState, BeaconView, ClusterView, ErrorCode, Flame, LeftOut, Mark, NodeView, Reach, Rest,
    SeatState, SeatView, StatusRequest, UiError,
};

use super::words::{duty, moment, now_ms, severity, span};
use super::{NodeArguments, asking, print_json};
use crate::say;

/// A node that says nothing for so long is not there any more. It sends a sign of life every five seconds.
const SILENCE: Duration = Duration::from_secs(15);
/// Exit code of a node that answers and does not sign.
const NOT_SIGNING: u8 = 3;

/// How is the node? Exit code 0: it signs. 3: it answers, but does not sign (now or yet). 1: it cannot be asked.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    node: NodeArguments,
    /// Go on: print one line whenever the state changes, until stopped. With --json a whole view for every change.
    #[arg(long)]
    follow: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    asking(async {
        let mut node = arguments.node.connect().await?;
        if arguments.follow {
            return Ok(follow(node, arguments.node.json).await?);
        }
        let view = node.status(StatusRequest {}).await?;
        if arguments.node.json {
            print_json(&view);
        } else {
            say::line(text(&view, now_ms()));
        }
        Ok(exit_code(&view))
    })
}

async fn follow(node: hearth_api::Client, json: bool) -> Result<ExitCode, UiError> {
    let mut subscription = node.follow()?;
    let mut said = String::new();
    loop {
        let next = tokio::time::timeout(SILENCE, subscription.next()).await;
        let _event = next.map_err(|_| UiError::new(ErrorCode::TimedOut, None))??;
        let Some(view) = subscription.view() else { continue };
        if json {
            if let Ok(line) = serde_json::to_string(view) {
                say::line(line);
            }
            continue;
        }
        let sentence = hearth_api::headline(&view.health, view.clusters.is_empty());
        if sentence != said {
            say::line(format!("{}  {sentence}", moment(view.at_ms, now_ms())));
            said = sentence;
        }
    }
}

fn exit_code(view: &NodeView) -> ExitCode {
    match view.health.flame {
        Flame::Lit | Flame::Low | Flame::NeedsYou => ExitCode::SUCCESS,
        Flame::Working | Flame::Ash | Flame::Dark => ExitCode::from(NOT_SIGNING),
    }
}

/// The view on a page.
fn text(view: &NodeView, now_ms: u64) -> String {
    let mut lines = vec![hearth_api::headline(&view.health, view.clusters.is_empty())];
    let running = format!(
        "Hearth {}, running for {}",
        view.node.version,
        span(now_ms.saturating_sub(view.node.started_ms))
    );
    let chain = view.network.as_ref().map(|network| {
        let test = if network.test { " (test network)" } else { "" };
        let slot = view.slot.map_or("before genesis".to_owned(), |slot| {
            let epoch = slot.get().checked_div(network.slots_per_epoch).unwrap_or_default();
            format!("slot {slot}, epoch {epoch}")
        });
        format!(" · {}{test} · {slot}", network.name)
    });
    lines.push(running + &chain.unwrap_or_default());
    let several = view.clusters.len() > 1;
    for cluster in &view.clusters {
        lines.push(String::new());
        lines.extend(cluster_lines(cluster, several, now_ms));
    }
    for LeftOut { folder, reason } in &view.left_out {
        lines.push(format!("\nThe cluster in {folder} does not run: {reason}."));
    }
    if !view.beacons.is_empty() {
        lines.push("\nBeacon nodes".into());
        lines.extend(view.beacons.iter().map(beacon_line));
    }
    if !view.alerts.is_empty() {
        lines.push("\nAlerts".into());
        lines.extend(view.alerts.iter().map(|alert| alert_lines(alert, now_ms)));
    }
    lines.join("\n")
}

fn cluster_lines(cluster: &ClusterView, several: bool, now_ms: u64) -> Vec<String> {
    let validators = say::counted(usize::try_from(cluster.validators).unwrap_or(usize::MAX), "validator");
    let (operators, name) = (cluster.seats.len(), &cluster.name);
    let mut lines =
        vec![format!("Cluster {name:?}: {validators}, {} of {operators} operators sign", cluster.needed)];
    if several {
        lines.push(format!("  {}", hearth_api::headline(&cluster.health, false)));
    }
    lines.extend(cluster.seats.iter().map(|seat| seat_line(seat, now_ms)));
    lines.push(match &cluster.next_duty {
        Some(next) => {
            let left = span(next.due_ms.saturating_sub(now_ms));
            format!("  Next duty: {} in slot {}, in {left}", duty(next.kind), next.slot)
        }
        None => "  Next duty: none is known".into(),
    });
    let marks: String = cluster.strip.iter().map(|duty| mark(duty.mark)).collect();
    if !marks.is_empty() {
        lines.push(format!("  Last duties, oldest first: {marks}   (o done, l late, x missed, . under way)"));
    }
    lines
}

const fn mark(mark: Mark) -> char {
    match mark {
        Mark::Waiting => '.',
        Mark::Done => 'o',
        Mark::Late => 'l',
        Mark::Missed => 'x',
    }
}

fn seat_line(seat: &SeatView, now_ms: u64) -> String {
    let state = match seat.state {
        SeatState::Here => "here   ",
        SeatState::Slow => "slow   ",
        SeatState::Dark => "dark   ",
        SeatState::Unknown => "unknown",
    };
    let mut facts = Vec::new();
    if seat.me {
        facts.push("this node".to_owned());
    }
    match (seat.path, seat.rtt_ms) {
        (Reach::Direct, Some(rtt)) => facts.push(format!("direct, {rtt} ms")),
        (Reach::Direct, None) => facts.push("direct".into()),
        (Reach::Relay, Some(rtt)) => facts.push(format!("through a relay, {rtt} ms")),
        (Reach::Relay, None) => facts.push("through a relay".into()),
        (Reach::None, _) => {}
    }
    if let (Some(client), Some(version)) = (&seat.client, &seat.version) {
        facts.push(format!("{client} {version}"));
    }
    if let Some(offset) = seat.clock_offset_ms.filter(|offset| offset.unsigned_abs() > 50) {
        facts.push(format!("clock {offset:+} ms"));
    }
    if let (SeatState::Dark, Some(seen)) = (seat.state, seat.last_seen_ms) {
        facts.push(format!("last seen {}", moment(seen, now_ms)));
    }
    format!("  {:>3}  {state}  {:<24}  {}", seat.number, seat.called(), facts.join(" · ")).trim_end().to_owned()
}

pub(super) const fn beacon_state(state: BeaconState) -> &'static str {
    match state {
        BeaconState::Unknown => "not asked yet",
        BeaconState::Ready => "ready",
        BeaconState::NoExecution => "no execution client",
        BeaconState::Syncing => "syncing",
        BeaconState::OtherNetwork => "on another network",
        BeaconState::Silent => "does not answer",
    }
}

fn beacon_line(beacon: &BeaconView) -> String {
    let state = beacon_state(beacon.state);
    let latency = beacon.latency_ms.map(|ms| format!(", {ms} ms")).unwrap_or_default();
    let version = beacon.version.as_deref().map(|version| format!(" · {version}")).unwrap_or_default();
    let usable = beacon.state.usable() == Some(true);
    let error = beacon.last_error.as_deref().filter(|_| !usable).map(|error| format!("\n    {error}"));
    format!("  {}  {state}{latency}{version}{}", beacon.url, error.unwrap_or_default())
}

/// An alert as `status` and `alerts` print it.
pub(super) fn alert_lines(alert: &Alert, now_ms: u64) -> String {
    let kind = severity(alert.severity);
    let since = moment(alert.since_ms, now_ms);
    let when = match (alert.resolved_ms, alert.recovering_since_ms) {
        (Some(over), _) => format!("{since}, over after {}", span(over.saturating_sub(alert.since_ms))),
        (None, Some(_)) => format!("since {since}, getting better"),
        (None, None) => format!("since {since}"),
    };
    let rests = match alert.rests {
        None => String::new(),
        Some(Rest::Muted) => ", muted".into(),
        Some(Rest::Snoozed { until_ms }) => format!(", snoozed for {}", span(until_ms.saturating_sub(now_ms))),
    };
    let action = alert.action.as_deref().map(|action| format!("\n      What to do: {action}"));
    format!("  {kind}: {} ({when}{rests})\n      {}{}", alert.title, alert.text, action.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use hearth_api::Publisher;
    use serde_json::json;

    use super::*;

    /// A view as it comes over the socket.
    fn view() -> NodeView {
        let seat = |number, me, state| {
            json!({"number": number, "nickname": if me { Some("Maya") } else { None }, "me": me, "state": state,
                   "path": if state == "dark" { "none" } else { "direct" }, "dialled_in": false, "rtt_ms": if me { None } else { Some(12) },
                   "last_seen_ms": 1000, "client": "hearth", "version": "0.1.0", "clock_offset_ms": -240})
        };
        let view: NodeView = serde_json::from_value(json!({
            "seq": 0, "at_ms": 5000, "slot": "65",
            "node": {"version": "0.1.0", "mode": "foreground", "state": {"kind": "running"}, "started_ms": 1000,
                     "quiet": false},
            "network": {"name": "hoodi", "test": true, "genesis_ms": 0, "slot_ms": 12000, "slots_per_epoch": 32},
            "beacons": [{"url": "http://127.0.0.1:5052", "version": "Lodestar/v1", "state": "silent", "head_slot": null,
                         "latency_ms": null, "head_delay_ms": null, "last_error": "no answer"}],
            "clusters": [{"id": format!("0x{}", "11".repeat(32)), "name": "four", "stage": "active", "needed": 3,
                "seats": [seat(1, true, "here"), seat(2, false, "here"), seat(3, false, "here"), seat(4, false, "dark")],
                "validators": 1, "next_duty": {"slot": "66", "kind": "attester", "due_ms": 197_000},
                "strip": [{"slot": "63", "kind": "attester", "mark": "late", "delay": 3}, {"slot": "64", "kind": "attester", "mark": "done", "delay": null},
                    {"slot": "65", "kind": "attester", "mark": "missed"}],
                "effectiveness": {"day": 995, "week": null, "month": null},
                "health": {"flame": "ash", "sentence": "", "here": 0, "spare": 0}}],
            "left_out": [], "checks": [], "channels": [],
            "telling": {"quiet": null, "digest": true, "muted": []}, "alerts": [], "health": {"flame": "ash", "sentence": "", "here": 0, "spare": 0}
        }))
        .unwrap();
        // As a node publishes it.
        NodeView::clone(&Publisher::new(view).current())
    }

    #[test]
    fn the_page_says_first_how_it_is_then_who_is_here_and_what_comes_next() {
        let page = text(&view(), 5_000);
        let mut rest = page.as_str();
        for expected in [
            "Lit, low. 3 of 4 operators here, no one to spare.",
            "Hearth 0.1.0, running for 4 s · hoodi (test network) · slot 65, epoch 2",
            "Cluster \"four\": one validator, 3 of 4 operators sign",
            "here     Maya                      this node",
            "clock -240 ms",
            "4  dark     operator 4",
            "last seen",
            "Next duty: attestation in slot 66, in 3 min 12 s",
            "Last duties, oldest first: lox",
            "http://127.0.0.1:5052  does not answer · Lodestar/v1\n    no answer",
        ] {
            let at = rest
                .find(expected)
                .unwrap_or_else(|| panic!("`{expected}` is not where it belongs in:\n{page}"));
            rest = &rest[at + expected.len()..];
        }
    }
}
