//! `--cluster`: one of a node's clusters.

use clap::Args;
use hearth_api::{Client, ClusterView, StatusRequest, UiError};
use hearth_types::LockHash;

/// Which cluster is meant.
#[derive(Args, Clone, Debug)]
pub(crate) struct ClusterArguments {
    /// Which cluster, where the node has several: its name, or how the hash of its lock begins.
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
}

impl ClusterArguments {
    /// As the node knows it; `None` if none was named.
    pub(super) async fn of(&self, node: &mut Client) -> Result<Option<LockHash>, UiError> {
        let Some(wanted) = &self.cluster else { return Ok(None) };
        let view = node.status(StatusRequest {}).await?;
        pick(&view.clusters, wanted).map(Some)
    }
}

/// A name counts for more than a hash; one that fits several clusters, or none, is refused.
fn pick(clusters: &[ClusterView], wanted: &str) -> Result<LockHash, UiError> {
    let hash = wanted.trim_start_matches("0x").to_lowercase();
    let begins = |cluster: &&ClusterView| {
        !hash.is_empty() && cluster.id.to_string().trim_start_matches("0x").starts_with(&hash)
    };
    let named: Vec<_> = clusters.iter().filter(|cluster| cluster.name == wanted).collect();
    let fits = if named.is_empty() { clusters.iter().filter(begins).collect() } else { named };
    match fits.as_slice() {
        [only] => Ok(only.id),
        _ => {
            let each: Vec<_> =
                clusters.iter().map(|cluster| format!("{:?} ({})", cluster.name, cluster.id)).collect();
            Err(UiError::value_refused(format!(
                "Name one of this node's clusters, or the beginning of its hash: {}.",
                if each.is_empty() { "it has none".to_owned() } else { each.join(", ") }
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_api::{ClusterStage, Effectiveness, Health};

    use super::*;

    fn cluster(id: u8, name: &str) -> ClusterView {
        ClusterView {
            id: LockHash::new([id; 32]),
            name: name.into(),
            stage: ClusterStage::Active,
            refuses: None,
            needed: 3,
            seats: Vec::new(),
            validators: 1,
            next_duty: None,
            strip: Vec::new(),
            effectiveness: Effectiveness::default(),
            router: Default::default(),
            health: Health::default(),
        }
    }

    #[test]
    fn a_cluster_is_named_or_known_by_how_its_hash_begins() {
        let clusters = [
            cluster(0xab, "family"),
            cluster(0xac, "office"),
            cluster(0xcd, "ab"),
            cluster(1, "two"),
            cluster(2, "two"),
        ];
        for (wanted, found) in [
            ("family", Some(0xab)),
            ("ab", Some(0xcd)),
            ("abab", Some(0xab)),
            ("0xAC", Some(0xac)),
            ("a", None),
            ("two", None),
            ("0101", Some(1)),
            ("", None),
            ("nobody's", None),
        ] {
            let picked = pick(&clusters, wanted).ok();
            assert_eq!(picked, found.map(|id| LockHash::new([id; 32])), "{wanted}");
        }
        assert!(pick(&clusters[..2], "x").unwrap_err().remedy.contains("\"family\" (0xabab"));
        assert!(pick(&[], "x").unwrap_err().remedy.contains("it has none"));
    }
}
