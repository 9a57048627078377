//! Prometheus metrics, under Charon's names where the meaning is the same.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use hearth_duties::Report;
use hearth_types::{LockHash, OperatorIndex};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio_util::sync::CancellationToken;

/// Seconds; from loopback to a duty that needed several rounds.
const BUCKETS: [f64; 14] = [0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DutyLabel {
    duty: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FailureLabel {
    duty: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PeerLabel {
    peer: u8,
}

/// The metrics of one cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    consensus_duration: Family<DutyLabel, Histogram>,
    consensus_decided_rounds: Family<DutyLabel, Gauge>,
    broadcast_delay: Family<DutyLabel, Histogram>,
    expected: Family<DutyLabel, Counter>,
    success: Family<DutyLabel, Counter>,
    failed: Family<FailureLabel, Counter>,
    refused: Counter,
    withheld: Family<PeerLabel, Counter>,
    misbehaved: Family<PeerLabel, Counter>,
    ping_latency: Family<PeerLabel, Histogram>,
    ping_success: Family<PeerLabel, Gauge>,
}

fn seconds() -> Histogram {
    Histogram::new(BUCKETS)
}

/// The metrics of all clusters, as they are served.
#[derive(Default)]
pub(crate) struct Registered(Registry);

impl Registered {
    /// Those of one more cluster.
    pub(crate) fn cluster(&mut self, id: LockHash, name: &str) -> Metrics {
        let labels = [("cluster_hash", id.to_string()), ("cluster_name", name.to_owned())];
        let labels = labels.map(|(label, value)| (Cow::Borrowed(label), Cow::Owned(value)));
        Metrics::register(self.0.sub_registry_with_labels(labels.into_iter()))
    }

    /// Serves `/metrics` until `stop`; errors when the address cannot be had.
    pub(crate) async fn serve(self, address: SocketAddr, stop: CancellationToken) -> std::io::Result<()> {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let router = Router::new().route("/metrics", get(page)).with_state(Arc::new(self.0));
        tokio::spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
            if let Err(error) = served {
                tracing::warn!(%error, "metrics are no longer served");
            }
        });
        Ok(())
    }
}

impl Metrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            consensus_duration: Family::new_with_constructor(seconds),
            consensus_decided_rounds: Family::default(),
            broadcast_delay: Family::new_with_constructor(seconds),
            expected: Family::default(),
            success: Family::default(),
            failed: Family::default(),
            refused: Counter::default(),
            withheld: Family::default(),
            misbehaved: Family::default(),
            ping_latency: Family::new_with_constructor(seconds),
            ping_success: Family::default(),
        };
        registry.register_with_unit(
            "core_consensus_duration",
            "From the moment a duty was due to its decision",
            Unit::Seconds,
            metrics.consensus_duration.clone(),
        );
        registry.register(
            "core_consensus_decided_rounds",
            "Round in which the last duty was decided",
            metrics.consensus_decided_rounds.clone(),
        );
        registry.register_with_unit(
            "core_bcast_broadcast_delay",
            "From the moment a duty was due to the beacon node's answer",
            Unit::Seconds,
            metrics.broadcast_delay.clone(),
        );
        registry.register("core_tracker_expect_duties", "Duties that were due", metrics.expected.clone());
        registry.register("core_tracker_success_duties", "Duties that succeeded", metrics.success.clone());
        registry.register("core_tracker_failed_duties", "Duties that failed, and why", metrics.failed.clone());
        registry.register(
            "hearth_signer_refused",
            "Messages that the signer would not sign",
            metrics.refused.clone(),
        );
        registry.register(
            "hearth_consensus_withheld",
            "Proposals of a leader that this node did not support",
            metrics.withheld.clone(),
        );
        registry.register(
            "hearth_peer_misbehaved",
            "Messages of a peer that no honest peer sends",
            metrics.misbehaved.clone(),
        );
        registry.register("p2p_ping_latency_secs", "Round-trip time to a peer", metrics.ping_latency.clone());
        registry.register(
            "p2p_ping_success",
            "Whether the last ping of a peer was answered",
            metrics.ping_success.clone(),
        );
        metrics
    }

    pub(crate) fn duty(&self, report: &Report) {
        match report {
            Report::Decided { duty, round, after_ms, .. } => {
                let label = DutyLabel { duty: duty.kind.name() };
                self.consensus_duration.get_or_create(&label).observe(secs(*after_ms));
                let round = i64::try_from(round.get()).unwrap_or(i64::MAX);
                self.consensus_decided_rounds.get_or_create(&label).set(round);
            }
            Report::Submitted { duty, after_ms, .. } => {
                let label = DutyLabel { duty: duty.kind.name() };
                self.broadcast_delay.get_or_create(&label).observe(secs(*after_ms));
            }
            Report::Finished { duty, failure, .. } => {
                let label = DutyLabel { duty: duty.kind.name() };
                self.expected.get_or_create(&label).inc();
                match failure {
                    None => self.success.get_or_create(&label).inc(),
                    Some(failure) => {
                        let label = FailureLabel { duty: duty.kind.name(), reason: failure.code };
                        self.failed.get_or_create(&label).inc()
                    }
                };
            }
            Report::Refused { .. } => drop(self.refused.inc()),
            Report::Withheld { leader, .. } => drop(self.withheld.get_or_create(&peer(*leader)).inc()),
            Report::Misbehaved { operator, .. } | Report::Equivocated { operator, .. } => {
                self.misbehaved.get_or_create(&peer(*operator)).inc();
            }
            Report::Signed { .. } | Report::Completed { .. } | Report::ChainTrouble { .. } => {}
        }
    }

    pub(crate) fn ping(&self, operator: OperatorIndex, rtt: std::time::Duration) {
        self.ping_latency.get_or_create(&peer(operator)).observe(rtt.as_secs_f64());
        self.ping_success.get_or_create(&peer(operator)).set(1);
    }

    pub(crate) fn lost(&self, operator: OperatorIndex) {
        self.ping_success.get_or_create(&peer(operator)).set(0);
    }
}

async fn page(State(registry): State<Arc<Registry>>) -> ([(axum::http::HeaderName, &'static str); 1], String) {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _written = encode(&mut text, &registry);
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

fn peer(operator: OperatorIndex) -> PeerLabel {
    PeerLabel { peer: operator.share().get() }
}

fn secs(millis: u64) -> f64 {
    std::time::Duration::from_millis(millis).as_secs_f64()
}
