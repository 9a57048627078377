//! Settings over the local socket: shown without secrets, changed in their file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hearth_api::{ChangeSettingsRequest, ErrorCode, NodeSettings, PeerAddresses, SettingsReply, UiError};
use hearth_beacon::NodeUrl;
use hearth_p2p::{check_listen_address, check_peer_address, check_relay_address};
use tokio::sync::Notify;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::{FILE_NAME, Settings};
use crate::aside::{aside, replace_private};
use crate::checks::wanted;

/// Longest nickname, in bytes. Source: Charon's limit.
const NICKNAME_BYTES: usize = 32;
/// Beacon nodes and time servers, at most.
const MOST: usize = 16;

/// Shows and changes the settings of a node. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct SettingsDesk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    /// The node's, where these are of one of its clusters.
    of_node: Option<Settings>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    in_effect: Settings,
    /// What was changed while a change would have disturbed duties, and what the file has since.
    unused: Option<(ChangeSettingsRequest, Settings)>,
}

impl SettingsDesk {
    /// `in_effect`: what the node was started with, from the file and from its command line.
    pub(crate) fn new(folder: &Path, in_effect: Settings) -> Self {
        Self::with(folder, None, in_effect)
    }

    /// Those of one of several clusters, in a folder of its own.
    pub(crate) fn of_cluster(folder: &Path, of_node: Settings, in_effect: Settings) -> Self {
        Self::with(folder, Some(of_node), in_effect)
    }

    fn with(folder: &Path, of_node: Option<Settings>, in_effect: Settings) -> Self {
        let (folder, state) = (folder.to_owned(), Mutex::new(State { in_effect, unused: None }));
        Self(Arc::new(Inner { folder, of_node, state, changed: Notify::new() }))
    }

    /// What the node works with.
    pub(crate) fn in_effect(&self) -> Settings {
        self.state().in_effect.clone()
    }

    pub(crate) fn time_servers(&self) -> Vec<String> {
        self.in_effect().time_servers
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a change is in effect at once; else after a restart, because there are clusters whose duties it would disturb.
    /// What was changed before it came to waiting is in effect then.
    pub(crate) fn set_waiting(&self, waits: bool) {
        let mut state = self.state();
        state.in_effect.wait_for_cluster = waits;
        if waits && let Some((request, settings)) = state.unused.take() {
            adopt(&mut state.in_effect, &request, &settings);
            self.0.changed.notify_waiters();
        }
    }

    /// Waits for the next change after this call.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> + '_ {
        let mut notified = Box::pin(self.0.changed.notified());
        notified.as_mut().enable();
        notified
    }

    pub(crate) async fn show(&self) -> Result<SettingsReply, UiError> {
        let inner = Arc::clone(&self.0);
        let settings = aside(move || inner.read()).await?;
        Ok(self.reply(&settings))
    }

    /// Changes the file. A node without a cluster takes it at once; one with a cluster when it is started again.
    pub(crate) async fn change(&self, request: ChangeSettingsRequest) -> Result<SettingsReply, UiError> {
        let (inner, changes) = (Arc::clone(&self.0), request.clone());
        let settings = aside(move || inner.change(&changes)).await?;
        let mut state = self.state();
        if state.in_effect.wait_for_cluster {
            adopt(&mut state.in_effect, &request, &settings);
            self.0.changed.notify_waiters();
        } else {
            let before = state.unused.take().map(|(before, _)| before).unwrap_or_default();
            state.unused = Some((both(before, request), settings.clone()));
        }
        drop(state);
        Ok(self.reply(&settings))
    }

    fn reply(&self, settings: &Settings) -> SettingsReply {
        let (shown, in_effect) = (shown(settings), self.in_effect());
        SettingsReply {
            // One that waits takes every change at once; what its command line says is no change.
            restart_needed: !in_effect.wait_for_cluster && shown != self::shown(&in_effect),
            settings: shown,
            file: self.0.folder.join(FILE_NAME).display().to_string(),
        }
    }
}

/// Takes what was asked for. The rest is as before, also what the command line said otherwise than the file.
fn adopt(taken: &mut Settings, request: &ChangeSettingsRequest, new: &Settings) {
    fn set<A, T: Clone>(asked: &Option<A>, taken: &mut T, new: &T) {
        if asked.is_some() {
            taken.clone_from(new);
        }
    }
    let ChangeSettingsRequest {
        cluster: _,
        beacon_nodes,
        nickname,
        time_servers,
        listen,
        peers,
        relays,
        metrics,
    } = request;
    set(beacon_nodes, &mut taken.beacon_nodes, &new.beacon_nodes);
    set(nickname, &mut taken.nickname, &new.nickname);
    set(time_servers, &mut taken.time_servers, &new.time_servers);
    set(listen, &mut taken.listen, &new.listen);
    set(peers, &mut taken.peers, &new.peers);
    set(relays, &mut taken.relays, &new.relays);
    set(metrics, &mut taken.metrics, &new.metrics);
}

/// What either asks for; where both do, the later.
fn both(earlier: ChangeSettingsRequest, later: ChangeSettingsRequest) -> ChangeSettingsRequest {
    ChangeSettingsRequest {
        cluster: later.cluster.or(earlier.cluster),
        beacon_nodes: later.beacon_nodes.or(earlier.beacon_nodes),
        nickname: later.nickname.or(earlier.nickname),
        time_servers: later.time_servers.or(earlier.time_servers),
        listen: later.listen.or(earlier.listen),
        peers: later.peers.or(earlier.peers),
        relays: later.relays.or(earlier.relays),
        metrics: later.metrics.or(earlier.metrics),
    }
}

impl Inner {
    fn read(&self) -> Result<Settings, UiError> {
        match &self.of_node {
            None => read(&self.folder),
            Some(node) => {
                node.of_cluster(&self.folder).map_err(|error| UiError::because(ErrorCode::Unreadable, error))
            }
        }
    }

    fn change(&self, request: &ChangeSettingsRequest) -> Result<Settings, UiError> {
        let ChangeSettingsRequest { beacon_nodes, time_servers, metrics, .. } = request;
        let nodes = beacon_nodes.is_some() || time_servers.is_some() || metrics.is_some();
        if self.of_node.is_some() && nodes {
            return Err(UiError::value_refused(
                "Beacon nodes, time servers and metrics are set for the whole node.",
            ));
        }
        change(&self.folder, request)?;
        self.read()
    }
}

fn shown(settings: &Settings) -> NodeSettings {
    let Settings { beacon_nodes, nickname, time_servers, listen, peers, relays, metrics, .. } = settings;
    let peer = |(number, addresses): (&u8, &Vec<String>)| PeerAddresses {
        number: *number,
        addresses: addresses.clone(),
    };
    NodeSettings {
        beacon_nodes: beacon_nodes.iter().map(|url| without_secret(url)).collect(),
        nickname: nickname.clone(),
        time_servers: time_servers.clone(),
        listen: listen.clone(),
        peers: peers.iter().map(peer).collect(),
        relays: relays.clone(),
        metrics: metrics.map(|address| address.to_string()),
    }
}

fn without_secret(url: &str) -> String {
    url.parse::<NodeUrl>().map_or_else(|_| "(not an address)".into(), |url| url.to_string())
}

fn read(folder: &Path) -> Result<Settings, UiError> {
    Settings::load(folder).map_err(|error| UiError::because(ErrorCode::Unreadable, error))
}

fn change(folder: &Path, request: &ChangeSettingsRequest) -> Result<Settings, UiError> {
    let before = read(folder)?;
    let path = folder.join(FILE_NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(UiError::because(ErrorCode::Unreadable, error)),
    };
    let text = changed_text(&text, &before, request)?;
    let settings = toml::from_str(&text).map_err(|error| UiError::because(ErrorCode::Internal, error))?;
    // Addresses may hold passwords.
    replace_private(&path, text.as_bytes()).map_err(|error| UiError::because(ErrorCode::Unwritable, error))?;
    Ok(settings)
}

/// The file with other values. What else stands in it, comments among it, stays.
fn changed_text(text: &str, before: &Settings, request: &ChangeSettingsRequest) -> Result<String, UiError> {
    let refused = |remedy: &str| Err(UiError::value_refused(remedy));
    let mut file: DocumentMut = text.parse().map_err(|error| UiError::because(ErrorCode::Unreadable, error))?;
    if let Some(urls) = &request.beacon_nodes {
        let whole = |url: &String| {
            let known = before.beacon_nodes.iter().find(|known| without_secret(known) == *url);
            known.unwrap_or(url).trim().to_owned()
        };
        let urls: Vec<String> = urls.iter().map(whole).collect();
        if urls.len() > MOST {
            return refused("Name 16 beacon nodes at most.");
        }
        if urls.iter().any(|url| url.contains('…')) {
            return refused(
                "Give the address whole: … stands for what is kept secret of an address that is set.",
            );
        }
        if let Some(error) = urls.iter().find_map(|url| url.parse::<NodeUrl>().err()) {
            return refused(wanted(error));
        }
        put(&mut file, "beacon-nodes", value(Array::from_iter(urls)));
    }
    if let Some(nickname) = &request.nickname {
        let nickname = hearth_api::plain(nickname.trim(), usize::MAX);
        if nickname.len() > NICKNAME_BYTES {
            return refused(
                "Choose a name of at most 32 bytes. A plain letter is one byte, an accented one two, an emoji four.",
            );
        }
        put(&mut file, "nickname", value(nickname));
    }
    if let Some(servers) = &request.time_servers {
        let servers: Vec<&str> = servers.iter().map(|server| server.trim()).collect();
        let is_one = |server: &&str| {
            !server.is_empty()
                && server.len() <= 260
                && server.chars().all(|c| c.is_ascii_graphic() && c != '/')
        };
        if servers.len() > MOST || !servers.iter().all(is_one) {
            return refused("Name at most 16 hosts, such as pool.ntp.org, without http:// and without spaces.");
        }
        put(&mut file, "time-servers", value(Array::from_iter(servers)));
    }
    if let Some(addresses) = &request.listen {
        let addresses: Vec<&str> = addresses.iter().map(|address| address.trim()).collect();
        if addresses.len() > MOST || addresses.iter().any(|address| check_listen_address(address).is_err()) {
            return refused(
                "Give addresses of this computer with a port, such as 0.0.0.0:3610 for all of them.",
            );
        }
        put(&mut file, "listen", value(Array::from_iter(addresses)));
    }
    if let Some(relays) = &request.relays {
        let relays: Vec<&str> = relays.iter().map(|relay| relay.trim()).collect();
        if relays.len() > MOST || relays.iter().any(|relay| check_relay_address(relay).is_err()) {
            return refused("Give each relay as it says of itself: /ip4/192.0.2.1/tcp/3640/p2p/16Uiu2…");
        }
        put(&mut file, "relays", value(Array::from_iter(relays)));
    }
    if let Some(peers) = &request.peers {
        let mut table = Table::new();
        for PeerAddresses { number, addresses } in peers {
            let addresses: Vec<&str> = addresses.iter().map(|address| address.trim()).collect();
            let fine = *number > 0 && addresses.iter().all(|address| check_peer_address(address).is_ok());
            if !fine || addresses.len() > MOST {
                return refused(
                    "Give each operator's address with its port, such as 192.0.2.20:3610 or home.example:3610.",
                );
            }
            if !addresses.is_empty() {
                table.insert(&number.to_string(), value(Array::from_iter(addresses)));
            }
        }
        file.insert("peers", Item::Table(table));
    }
    match request.metrics.as_deref().map(str::trim) {
        None => {}
        Some("") => drop(file.remove("metrics")),
        Some(address) if address.parse::<SocketAddr>().is_ok() => put(&mut file, "metrics", value(address)),
        Some(_) => {
            return refused("Give an address of this computer with a port, such as 127.0.0.1:3620, or none.");
        }
    }
    Ok(file.to_string())
}

/// Keeps the comments of a key that is there.
fn put(file: &mut DocumentMut, key: &str, value: Item) {
    match file.get_mut(key) {
        Some(item) => *item = value,
        None => drop(file.insert(key, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "http://user:hunter2@beacon.example:9000";
    const SHOWN: &str = "http://…@beacon.example:9000";

    fn request(beacon_nodes: &[&str]) -> ChangeSettingsRequest {
        let beacon_nodes = Some(beacon_nodes.iter().map(|url| (*url).to_owned()).collect());
        ChangeSettingsRequest { beacon_nodes, ..ChangeSettingsRequest::default() }
    }

    #[tokio::test]
    async fn an_address_keeps_its_secret_and_the_file_what_nobody_changed() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "# ours\nbeacon-nodes = ['{SECRET}'] # paid until May\nnickname = 'Maya'\n\n[peers]\n2 = ['h:1']\n"
        );
        std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
        let started_with = Settings::load(folder.path()).unwrap();
        let desk = SettingsDesk::new(folder.path(), started_with.clone());
        let reply = desk.show().await.unwrap();
        assert_eq!((reply.settings.beacon_nodes, reply.restart_needed), (vec![SHOWN.to_owned()], false));

        let reply = desk.change(request(&["http://127.0.0.1:5052", SHOWN])).await.unwrap();
        assert_eq!(reply.settings.beacon_nodes, ["http://127.0.0.1:5052", SHOWN]);
        assert!(reply.restart_needed, "a node in a cluster goes on with what it has");
        assert_eq!(desk.in_effect(), started_with);
        let kept = std::fs::read_to_string(folder.path().join(FILE_NAME)).unwrap();
        assert!(kept.contains(SECRET) && kept.contains("# ours") && kept.contains("2 = ['h:1']"), "{kept}");
        assert_eq!(Settings::load(folder.path()).unwrap().nickname, "Maya");
    }

    #[tokio::test]
    async fn a_node_without_a_cluster_takes_a_change_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let on_the_command_line = vec!["http://127.0.0.1:5052".to_owned()];
        let started_with = Settings {
            wait_for_cluster: true,
            beacon_nodes: on_the_command_line.clone(),
            ..Settings::default()
        };
        let desk = SettingsDesk::new(folder.path(), started_with);
        let changed = desk.changed();
        let nickname = Some(" Maya ".to_owned());
        let time_servers = Some(Vec::new());
        let change = ChangeSettingsRequest { nickname, time_servers, ..ChangeSettingsRequest::default() };
        let reply = desk.change(change).await.unwrap();
        assert_eq!((reply.settings.nickname.as_str(), reply.restart_needed), ("Maya", false));
        assert_eq!(desk.in_effect().beacon_nodes, on_the_command_line, "nobody changed that");
        changed.await;
        assert_eq!(desk.in_effect().time_servers, Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_was_changed_during_a_try_that_failed_is_in_effect_in_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let of_the_command_line = vec!["http://127.0.0.1:5052".to_owned()];
        let started_with = Settings { beacon_nodes: of_the_command_line.clone(), ..Settings::default() };
        let desk = SettingsDesk::new(folder.path(), started_with);
        let named = |name: &str| ChangeSettingsRequest {
            nickname: Some(name.into()),
            ..ChangeSettingsRequest::default()
        };
        let timeless =
            ChangeSettingsRequest { time_servers: Some(Vec::new()), ..ChangeSettingsRequest::default() };
        for change in [named("Sam"), timeless, named("Maya")] {
            assert!(desk.change(change).await.unwrap().restart_needed, "nobody knows yet that it fails");
        }
        let changed = desk.changed();
        desk.set_waiting(true);
        changed.await;
        let Settings { nickname, time_servers, beacon_nodes, .. } = desk.in_effect();
        assert_eq!((nickname.as_str(), time_servers, beacon_nodes), ("Maya", vec![], of_the_command_line));
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let named = |nickname: &str| ChangeSettingsRequest {
            nickname: Some(nickname.into()),
            ..ChangeSettingsRequest::default()
        };
        let timed = |server: &str| ChangeSettingsRequest {
            time_servers: Some(vec![server.into()]),
            ..ChangeSettingsRequest::default()
        };
        let listening = |address: &str| ChangeSettingsRequest {
            listen: Some(vec![address.into()]),
            ..ChangeSettingsRequest::default()
        };
        let metrics = |address: &str| ChangeSettingsRequest {
            metrics: Some(address.into()),
            ..ChangeSettingsRequest::default()
        };
        for wrong in [
            request(&["127.0.0.1:5052"]),
            request(&["ftp://user:hunter2@host"]),
            request(&["http://host"; 17]),
            request(&["http://…@gone.example"]),
            named(&"é".repeat(17)),
            timed(""),
            timed("http://pool.ntp.org"),
            timed("a b"),
            listening("3610"),
            listening("home.example:3610"),
            metrics("localhost"),
        ] {
            let refused = change(folder.path(), &wrong).unwrap_err();
            assert_eq!(refused.code, ErrorCode::ValueRefused, "{wrong:?}");
            assert!(!format!("{refused:?}").contains("hunter2"));
        }
        assert!(!folder.path().join(FILE_NAME).exists());
        std::fs::write(folder.path().join(FILE_NAME), "}{").unwrap();
        assert_eq!(change(folder.path(), &request(&[])).unwrap_err().code, ErrorCode::Unreadable);
    }

    #[tokio::test]
    async fn one_of_several_clusters_has_addresses_of_its_own_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join(FILE_NAME),
            "# theirs\nlisten = ['0.0.0.0:3620']\n[peers]\n3 = ['old:1']\n",
        )
        .unwrap();
        let of_node =
            Settings { beacon_nodes: vec![SECRET.into()], nickname: "Maya".into(), ..Settings::default() };
        let in_effect = of_node.of_cluster(folder.path()).unwrap();
        let desk = SettingsDesk::of_cluster(folder.path(), of_node, in_effect);
        assert!(!desk.show().await.unwrap().restart_needed);
        let peers = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
            let peers = Some(vec![PeerAddresses { number: 2, addresses }]);
            ChangeSettingsRequest { peers, ..ChangeSettingsRequest::default() }
        };
        let reply = desk.change(peers(&[" home.example:3610", "/ip4/192.0.2.20/tcp/3610"])).await.unwrap();
        assert_eq!(reply.settings.peers[0].addresses, ["home.example:3610", "/ip4/192.0.2.20/tcp/3610"]);
        assert_eq!(
            (reply.settings.peers.len(), reply.restart_needed, reply.settings.nickname.as_str()),
            (1, true, "Maya")
        );
        assert!(std::fs::read_to_string(folder.path().join(FILE_NAME)).unwrap().contains("# theirs"));
        for wrong in [peers(&["3610"]), peers(&["home.example"]), request(&[SECRET])] {
            assert_eq!(desk.change(wrong).await.unwrap_err().code, ErrorCode::ValueRefused);
        }
        assert_eq!(desk.change(peers(&[])).await.unwrap().settings.peers, []);
    }

    #[test]
    fn ports_are_set_and_metrics_turned_off_again() {
        let folder = tempfile::tempdir().unwrap();
        let change = |listen: Option<&str>, metrics: Option<&str>| {
            let listen = listen.map(|address| vec![address.to_owned()]);
            let request = ChangeSettingsRequest {
                listen,
                metrics: metrics.map(str::to_owned),
                ..ChangeSettingsRequest::default()
            };
            shown(&change(folder.path(), &request).unwrap())
        };
        let both = change(Some(" 0.0.0.0:3610"), Some("127.0.0.1:3620"));
        assert_eq!(
            (both.listen, both.metrics.as_deref()),
            (vec!["0.0.0.0:3610".to_owned()], Some("127.0.0.1:3620"))
        );
        let off = change(None, Some(" "));
        assert_eq!((off.listen, off.metrics), (vec!["0.0.0.0:3610".to_owned()], None));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        change(folder.path(), &request(&[SECRET])).unwrap();
        let mode = std::fs::metadata(folder.path().join(FILE_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
