//! Beacon nodes on this computer, or at addresses that the owner names.

use hearth_api::{BeaconState, FindBeaconsReply, FindBeaconsRequest, FoundBeacon, UiError};
use hearth_beacon::{FoundNode, InvalidNodeUrl, NodeUrl, Patience, USUAL_ADDRESSES, look_at};
use hearth_obol::cluster::Networks;

/// Looks for them.
///
/// Errors: an address that is none, or too many.
pub(crate) async fn find_beacons(request: FindBeaconsRequest) -> Result<FindBeaconsReply, UiError> {
    if request.urls.len() > FindBeaconsRequest::MOST {
        return Err(UiError::value_refused("Name 16 addresses at most."));
    }
    let named = !request.urls.is_empty();
    let urls: Vec<&str> =
        if named { request.urls.iter().map(String::as_str).collect() } else { USUAL_ADDRESSES.to_vec() };
    let urls = urls.into_iter().map(str::parse).collect::<Result<Vec<NodeUrl>, _>>();
    let urls = urls.map_err(|error| UiError::value_refused(wanted(error)))?;
    let looked_at = urls.iter().map(ToString::to_string).collect();
    let all = look_at(urls, Patience::default()).await;
    let found = all.into_iter().filter(|node| named || node.network.is_some()).map(found).collect();
    Ok(FindBeaconsReply { found, looked_at })
}

/// What an address has to look like, for somebody who gave another.
pub(crate) const fn wanted(error: InvalidNodeUrl) -> &'static str {
    match error {
        InvalidNodeUrl::NotAUrl => "Give an address such as http://127.0.0.1:5052.",
        InvalidNodeUrl::OtherScheme => {
            "Let the address begin with http:// or https://, such as http://127.0.0.1:5052."
        }
        InvalidNodeUrl::QueryOrFragment => {
            "Leave out ? and # and what follows them; a token goes into the path or before @."
        }
    }
}

fn found(node: FoundNode) -> FoundBeacon {
    let known = Networks::known();
    let network = node.network.and_then(|version| known.by_fork_version(version));
    let state = match (node.network, node.syncing) {
        (None, _) | (_, None) => BeaconState::Silent,
        (_, Some(syncing)) if syncing.is_syncing || syncing.is_optimistic => BeaconState::Syncing,
        (_, Some(syncing)) if syncing.el_offline => BeaconState::NoExecution,
        _ => BeaconState::Ready,
    };
    FoundBeacon {
        url: node.url.to_string(),
        state,
        version: node.version.map(|version| hearth_api::plain(&version, 200)),
        network: network.map(|network| network.name.clone()),
        latency_ms: node.latency_ms,
        error: node.error.map(|error| hearth_api::plain(&error, 300)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_where_nobody_listens_is_told_as_silent_and_one_that_is_none_is_refused() {
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let urls = vec![format!("http://user:hunter2@{free}")];
        let reply = find_beacons(FindBeaconsRequest { urls }).await.unwrap();
        assert_eq!(reply.found[0].state, BeaconState::Silent);
        assert!(reply.found[0].error.is_some());
        assert!(!format!("{reply:?}").contains("hunter2"));
        for urls in [vec!["127.0.0.1:5052".to_owned()], vec!["http://a".to_owned(); 17]] {
            let refused = find_beacons(FindBeaconsRequest { urls }).await.unwrap_err();
            assert_eq!(refused.code, hearth_api::ErrorCode::ValueRefused);
        }
    }
}
