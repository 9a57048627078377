//! Four nodes without a cluster form one, as their owners do in the window: a plan, links, words, a ceremony, and the first duty.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "helpers of a test fail as tests do")]

use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use hearth_api::{
    AgreeRequest, BeginCeremonyRequest, ChangeSettingsRequest, Client, DepositRequest, ErrorCode,
    FormedCluster, Forming, FormingRequest, FormingStage, LeaveFormingRequest, Mark, OwnSeat, PeerAddresses,
    PlanClusterRequest, PrepareRecordRequest, ReadInviteRequest, ReopenSeatRequest, SaveInviteRequest,
    SeatCheckKind, SetDefinitionRequest, SetReadyRequest, TakeSeatRequest, UiError,
};
use hearth_crypto::bls::PublicKey;
use hearth_sim::chain::Chain;
use hearth_sim::http::{Server, SharedChain};
use hearth_tests::{
    GENESIS_FORK_VERSION, PATIENCE, Running, free_ports, hearth, new_chain, open_window, run, said, shown,
};

const NOBODY: &str = "0x000000000000000000000000000000000000dEaD";
const NAMES: [&str; 4] = ["Sam", "Maya", "Priya", "Tomás"];
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// An owner before his window.
struct Owner {
    folder: PathBuf,
    port: u16,
    /// The relay through which alone he is reached.
    relay: Option<String>,
    node: Running,
    window: Client,
}

/// Four owners whose nodes wait for a cluster.
struct Friends {
    place: tempfile::TempDir,
    all: Vec<Owner>,
}

fn node(folder: &PathBuf) -> Running {
    let mut command = Command::new(hearth());
    command.args(["run", "--wait-for-cluster", "--time-servers", "off", "--data-dir"]).arg(folder);
    Running::start(command, &folder.join("node.log"))
}

impl Friends {
    async fn new() -> Self {
        let place = tempfile::tempdir().expect("a temporary folder");
        let mut all = Vec::new();
        for (name, port) in NAMES.into_iter().zip(free_ports(NAMES.len())) {
            let folder = place.path().join(name);
            std::fs::create_dir(&folder).expect("a folder");
            let testnet = format!(
                "[testnet]\nname = \"devnet\"\nfork-version = \"{GENESIS_FORK_VERSION}\"\nchain-id = 3735928\ngenesis-timestamp = 1\n"
            );
            std::fs::write(folder.join("settings.toml"), testnet).expect("settings");
            let mut node = node(&folder);
            let window = open_window(&folder, &mut node).await;
            all.push(Owner { folder, port, relay: None, node, window });
        }
        Self { place, all }
    }

    /// Sam plans, and the others take their seats. Returns when all have the same definition.
    async fn seated(&mut self, validators: u32) -> Vec<Forming> {
        let links = self.all[0].plans(validators).await;
        for (owner, link) in self.all.iter_mut().skip(1).zip(links) {
            owner.takes(&link).await.expect("the seat is free");
        }
        self.each("the words", |forming| forming.stage == FormingStage::Agreeing && forming.words.len() == 6)
            .await
    }

    /// Waits for something in every window.
    async fn each(&mut self, what: &str, wanted: impl Fn(&Forming) -> bool) -> Vec<Forming> {
        let mut all = Vec::new();
        for owner in &mut self.all {
            all.push(owner.sees(what, &wanted).await);
        }
        all
    }

    async fn agree(&mut self) {
        for owner in &mut self.all {
            let seen = owner.sees("a definition", |forming| forming.definition_hash.is_some()).await;
            let definition_hash = seen.definition_hash.unwrap_or_default();
            owner.window.agree(AgreeRequest { definition_hash }).await.expect("the words are the same");
        }
    }

    /// All have the same cluster.
    async fn formed(&mut self) -> FormedCluster {
        let formed = self.each("the cluster", |forming| forming.stage == FormingStage::Formed).await;
        let mut formed: Vec<_> = formed.into_iter().filter_map(|forming| forming.formed).collect();
        let same = formed.iter().all(|one| one.cluster == formed[0].cluster && !one.restart_needed);
        assert!(formed.len() == NAMES.len() && same, "{formed:#?}");
        formed.remove(0)
    }

    /// All nodes are set to this beacon node, and begin with the cluster.
    async fn follow(&mut self, beacon: &Server) {
        for owner in &mut self.all {
            let choice = ChangeSettingsRequest {
                beacon_nodes: Some(vec![beacon.url()]),
                ..ChangeSettingsRequest::default()
            };
            owner.window.change_settings(choice).await.expect("it is taken");
        }
    }

    /// Everybody is ready, and Sam begins.
    async fn hold(&mut self) {
        for owner in &mut self.all {
            owner
                .sees("that all agree", |forming| forming.stage == FormingStage::Gathering && forming.connected)
                .await;
            owner.window.set_ready(SetReadyRequest { ready: true }).await.expect("it is noted");
        }
        let ready = |forming: &Forming| forming.seats.iter().all(|seat| seat.ready && seat.here);
        self.all[0].sees("that all are ready", ready).await;
        self.all[0].window.begin_ceremony(BeginCeremonyRequest {}).await.expect("all are ready");
    }
}

/// A page on loopback that always says the same.
fn page(body: String) -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = std::io::BufReader::new(&stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|bytes| bytes > 2) {
                line.clear();
            }
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _gone = (&stream).write_all(format!("{head}{body}").as_bytes());
        }
    });
    format!("http://{address}/")
}

/// A chain on which the cluster's validator attests, and its beacon node.
async fn serve(formed: &FormedCluster) -> (SharedChain, Server) {
    let key = formed.validators[0].parse::<hearth_types::ValidatorPubkey>().expect("a key");
    let keys = vec![PublicKey::from_bytes(key.as_bytes()).expect("a key")];
    let chain = SharedChain::new(Chain::new(new_chain(1_000, 1), keys));
    let beacon = Server::start(chain.clone()).await.expect("a port is free");
    (chain, beacon)
}

impl Owner {
    fn seat(&self) -> OwnSeat {
        let listen = format!("127.0.0.1:{}", self.port);
        let nickname = self.folder.file_name().expect("a name").to_string_lossy().into_owned();
        // Nobody listens on port 1.
        let address = if self.relay.is_some() { "127.0.0.1:1".into() } else { listen.clone() };
        OwnSeat {
            nickname,
            listen: Some(listen),
            address: Some(address),
            relay: self.relay.clone().filter(|relay| !relay.is_empty()),
        }
    }

    async fn plans(&mut self, validators: u32) -> Vec<String> {
        let plan = PlanClusterRequest {
            name: "friends".into(),
            network: "devnet".into(),
            operators: 4,
            validators,
            withdrawal_address: NOBODY.into(),
            fee_recipient: NOBODY.into(),
            seat: self.seat(),
            ..PlanClusterRequest::default()
        };
        let reply = self.window.plan_cluster(plan).await.expect("a plan");
        let seats = reply.forming.expect("it is being formed").seats;
        seats.into_iter().filter_map(|seat| seat.link).collect()
    }

    async fn takes(&mut self, link: &str) -> Result<(), UiError> {
        let request = TakeSeatRequest { link: link.to_owned(), seat: self.seat() };
        self.window.take_seat(request).await.map(drop)
    }

    async fn sees(&mut self, what: &str, wanted: impl Fn(&Forming) -> bool) -> Forming {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = self.window.forming(FormingRequest::default()).await.expect("the node answers");
            if let Some(forming) = reply.forming.clone().filter(|forming| wanted(forming)) {
                return forming;
            }
            assert!(Instant::now() < deadline, "{what}: {reply:#?}\n{}", self.node.log());
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn restart(&mut self) {
        self.node.kill();
        self.node = node(&self.folder);
        self.window = open_window(&self.folder, &mut self.node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_friends_form_a_cluster_by_links_and_its_first_duty_is_done() {
    let mut friends = Friends::new().await;
    let seen = friends.seated(1).await;
    assert!(seen.iter().all(|one| one.words == seen[0].words), "{seen:#?}");
    assert_eq!(seen[2].seats[1].nickname, "Maya");
    friends.agree().await;
    friends.hold().await;
    let formed = friends.formed().await;
    let (chain, beacon) = serve(&formed).await;
    friends.follow(&beacon).await;
    let mut files = Vec::new();
    for owner in &mut friends.all {
        shown(&mut owner.window, "the cluster", |view| !view.clusters.is_empty()).await;
        // Each reads his own again.
        let asked = DepositRequest { cluster: Some(formed.cluster) };
        files.push(owner.window.deposit(asked).await.expect("the deposits are in order").files);
    }
    assert_eq!(files[0][0].deposits[0].withdrawal_address, NOBODY);
    assert!(files.iter().all(|other| other[0].hash == files[0][0].hash), "{files:#?}");
    shown(&mut friends.all[0].window, "a duty on the chain", |view| {
        let mut strips = view.clusters.iter().flat_map(|cluster| &cluster.strip);
        strips.any(|duty| duty.mark == Mark::Done && duty.delay.is_some())
    })
    .await;
    assert_eq!(chain.lock().convictions(), []);
    for owner in &mut friends.all {
        let left = owner.window.leave_forming(LeaveFormingRequest::default()).await.expect("it is over");
        assert_eq!(left.forming, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn friends_whom_nobody_reaches_directly_form_a_cluster_through_a_relay_that_only_the_organiser_named() {
    let mut friends = Friends::new().await;
    let mut command = Command::new(hearth());
    command
        .args(["relay", "--p2p-tcp-address", "127.0.0.1:0", "--data-dir"])
        .arg(friends.place.path().join("relay"));
    let mut relay = Running::start(command, &friends.place.path().join("relay.log"));
    relay.wait_for("/p2p/");
    let log = relay.log();
    let address = log.lines().map(str::trim).find(|line| line.contains("/p2p/")).expect("an address");
    // The page of a relay says where it is, as those of Obol do.
    friends.all[0].relay = Some(page(format!("[\"{address}\"]")));
    for owner in friends.all.iter_mut().skip(1) {
        // He is told of it by the invitation.
        owner.relay = Some(String::new());
    }
    let seen = friends.seated(1).await;
    assert!(seen[3].addresses.iter().any(|one| one.ends_with("/p2p-circuit")), "{seen:#?}");
    friends.agree().await;
    friends.hold().await;
    let formed = friends.formed().await;
    let (chain, beacon) = serve(&formed).await;
    friends.follow(&beacon).await;
    // Having met there, they tell each other where they are: on one machine a way without the relay is found as well.
    let connected = |view: &hearth_api::NodeView| {
        let seats = view.clusters.iter().flat_map(|cluster| &cluster.seats);
        seats.filter(|seat| seat.path != hearth_api::Reach::None).count() == NAMES.len() - 1
            && view.clusters.iter().flat_map(|cluster| &cluster.strip).any(|duty| duty.mark == Mark::Done)
    };
    shown(&mut friends.all[2].window, "duties of those who met at the relay", connected).await;
    assert_eq!(chain.lock().convictions(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_restarted_goes_back_to_a_ceremony_that_waits_and_one_that_is_stopped_is_begun_again_together() {
    let mut friends = Friends::new().await;
    // Maya cannot come, so that the others wait.
    let taken = std::net::TcpListener::bind(("127.0.0.1", friends.all[1].port)).expect("her port is free");
    friends.seated(1).await;
    friends.agree().await;
    friends.hold().await;
    let failed = |forming: &Forming| forming.stage != FormingStage::Ceremony && forming.trouble.is_some();
    friends.all[1].sees("that she cannot listen", failed).await;
    let others = |forming: &Forming| forming.seats.iter().filter(|seat| seat.step == Some(0)).count() == 3;
    friends.all[3].sees("the others", others).await;
    friends.all[3].restart().await;
    friends.all[3].sees("the others again", others).await;
    friends.all[0].sees("Tomás again", others).await;
    let stop = |confirmed| LeaveFormingRequest { confirmed };
    let asked = friends.all[3].window.leave_forming(stop(false)).await.expect_err("it is not confirmed");
    assert!(asked.remedy.contains("for everybody"), "{asked:?}");
    friends.all[3].window.leave_forming(stop(true)).await.expect("he stops it");
    for (owner, why) in
        [(3, "this operator has stopped it"), (0, "operator 4 gave up"), (2, "operator 4 gave up")]
    {
        let seen = friends.all[owner].sees("that it failed", failed).await;
        assert!(seen.trouble.as_deref().is_some_and(|trouble| trouble.contains(why)), "{owner}: {seen:#?}");
    }
    drop(taken);
    friends.hold().await;
    friends.formed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_cannot_be_reached_are_told_before_the_ceremony_and_nobody_begins() {
    let mut friends = Friends::new().await;
    for hidden in [1, 3] {
        // He says that he is where nobody is, and nobody has named a relay.
        friends.all[hidden].relay = Some(String::new());
    }
    friends.seated(1).await;
    friends.agree().await;
    let reach = |forming: &Forming, seat: usize| {
        let checks = &forming.seats[seat].checks;
        checks.iter().find(|check| check.kind == SeatCheckKind::Reach).map(|check| check.good)
    };
    let found = |forming: &Forming| {
        [1, 2, 3].map(|seat| reach(forming, seat)) == [Some(false), Some(true), Some(false)]
    };
    for owner in &mut friends.all {
        owner.sees("who cannot be reached", found).await;
        owner.window.set_ready(SetReadyRequest { ready: true }).await.expect("it is noted");
    }
    let refused = friends.all[0].window.begin_ceremony(BeginCeremonyRequest {}).await.expect_err("in vain");
    assert!(refused.remedy.contains("cannot be reached"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_in_the_middle_of_a_ceremony_goes_on_when_it_is_started_again() {
    let mut friends = Friends::new().await;
    // So many key shares that the ceremony is not over before she is back.
    friends.seated(60).await;
    friends.agree().await;
    friends.hold().await;
    friends.all[1].sees("the first step", |forming| forming.step.is_some_and(|step| step >= 1)).await;
    friends.all[1].restart().await;
    for owner in &mut friends.all {
        let over = |forming: &Forming| forming.stage != FormingStage::Ceremony;
        let seen = owner.sees("the end of it", over).await;
        assert_eq!((seen.stage, seen.trouble), (FormingStage::Formed, None), "{}", owner.node.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_takes_part_in_a_cluster_that_was_planned_elsewhere_with_operators_of_another_program() {
    let friends = Friends::new().await;
    let mut owner = friends.all.into_iter().next().expect("there are four");
    let place = friends.place.path();
    let prepared = owner.window.prepare_record(PrepareRecordRequest { seat: owner.seat() }).await;
    let forming = prepared.expect("a key is made").forming.expect("it is shown");
    assert_eq!((forming.stage, forming.me), (FormingStage::Defining, 0));
    let ours = forming.record.expect("its record");

    let home = |number: usize| place.join(format!("institution{number}"));
    let record = |number: usize| {
        let made = said(&run(&["create", "enr", "--data-dir", &home(number).display().to_string()]));
        made.split_whitespace().find(|word| word.starts_with("enr:-")).expect("a record").to_owned()
    };
    let theirs: Vec<String> = (0..4).map(record).collect();
    let plan = |name: &str, records: &[&str]| {
        let folder = place.join(name);
        let (at, records) = (folder.display().to_string(), records.join(","));
        let mut arguments = vec!["create", "dkg", "--name", "institutions", "--output-dir", &at];
        arguments.extend(["--operator-enrs", &records, "--withdrawal-addresses", NOBODY]);
        arguments.extend(["--fee-recipient-addresses", NOBODY, "--network", "hoodi"]);
        assert!(run(&arguments).status.success());
        folder.join("cluster-definition.json")
    };
    let without = plan("without", &[&theirs[0], &theirs[1], &theirs[2], &theirs[3]]);
    let with = plan("with", &[&theirs[0], &theirs[1], &ours, &theirs[2]]);

    let ports = free_ports(3);
    let peers = [1, 2, 4]
        .into_iter()
        .zip(&ports)
        .map(|(number, port)| PeerAddresses { number, addresses: vec![format!("127.0.0.1:{port}")] });
    let define = |source: String| SetDefinitionRequest { source, ..SetDefinitionRequest::default() };
    for (source, told) in [
        (without.display().to_string(), "record is not in the definition"),
        (place.join("nowhere.json").display().to_string(), "nowhere.json"),
    ] {
        let refused = owner.window.set_definition(define(source)).await.expect_err("it is of no use here");
        assert!(format!("{refused:?}").contains(told), "{refused:?}");
    }
    let defined = owner.window.set_definition(define(with.display().to_string())).await.expect("it is sound");
    let forming = defined.forming.expect("it is shown");
    assert_eq!((forming.stage, forming.me, forming.signed), (FormingStage::Agreeing, 3, false));
    let early = owner.window.begin_ceremony(BeginCeremonyRequest {}).await.expect_err("nobody compared");
    assert!(early.remedy.contains("Compare the words"), "{early:?}");
    let definition_hash = forming.definition_hash.expect("a hash");
    owner.window.agree(AgreeRequest { definition_hash }).await.expect("they are the same");
    owner.restart().await;
    // As the window does: where the others are is told at the end, and the words need not be compared again.
    let meet = SetDefinitionRequest { peers: peers.collect(), ..SetDefinitionRequest::default() };
    owner.window.set_definition(meet).await.expect("the definition stays");
    owner.window.begin_ceremony(BeginCeremonyRequest {}).await.expect("all is said");

    let mut institutions: Vec<Running> = [1, 2, 4]
        .into_iter()
        .enumerate()
        .map(|(at, number)| {
            let mut command = Command::new(hearth());
            command.arg("dkg").arg("--definition").arg(&with).arg("--data-dir").arg(home(at));
            command.args(["--insecure-keys", "--p2p-tcp-address", &format!("127.0.0.1:{}", ports[at])]);
            command.args(["--peer", &format!("3=127.0.0.1:{}", owner.port)]);
            for (other, port) in [1, 2, 4].into_iter().zip(&ports).filter(|(other, _)| *other != number) {
                command.args(["--peer", &format!("{other}=127.0.0.1:{port}")]);
            }
            Running::start(command, &place.join(format!("institution{at}.log")))
        })
        .collect();
    let formed = owner.sees("the cluster", |forming| forming.stage == FormingStage::Formed).await;
    for institution in &mut institutions {
        assert!(institution.wait(), "{}", institution.log());
        let cluster = formed.formed.as_ref().expect("it is there").cluster.to_string();
        assert!(institution.log().contains(&cluster), "{cluster}: {}", institution.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invitations_are_for_one_can_be_withdrawn_and_survive_a_restart() {
    let mut friends = Friends::new().await;
    let links = friends.all[0].plans(1).await;
    assert_eq!(links.len(), 3);

    let preview = |link: &str| ReadInviteRequest { link: link.to_owned(), file: None };
    let seen = friends.all[1].window.read_invite(preview(&links[0])).await.expect("it is genuine");
    assert_eq!((seen.organiser.as_str(), seen.plan.name.as_str(), seen.seat), ("Sam", "friends", 2));
    assert_eq!((seen.plan.threshold, seen.plan.withdrawal_address.as_str()), (3, NOBODY));
    assert_eq!(seen.obstacle, None);
    let shorter = &links[0][..links[0].len() - 9];
    for wrong in ["", "https://example.org", "hearth://join/1/", shorter] {
        let refused = friends.all[1].window.read_invite(preview(wrong)).await.expect_err(wrong);
        assert_eq!(refused.code, ErrorCode::ValueRefused, "{wrong}");
    }
    let newer = friends.all[1].window.read_invite(preview("hearth://join/2/abc")).await.expect_err("newer");
    assert!(newer.remedy.contains("update"), "{newer:?}");

    let path = friends.place.path().join("seat-2.hearthinvite");
    let save = || SaveInviteRequest { seat: 2, path: path.display().to_string() };
    friends.all[0].window.save_invite(save()).await.expect("nothing is there yet");
    let twice = friends.all[0].window.save_invite(save()).await.expect_err("something is there now");
    assert_eq!(twice.code, ErrorCode::Unwritable);
    let from_file = ReadInviteRequest { link: String::new(), file: Some(path.display().to_string()) };
    let read = friends.all[1].window.read_invite(from_file).await.expect("it is the same");
    assert_eq!(read.link, links[0]);

    friends.all[1].takes(&links[0]).await.expect("a free seat");
    friends.all[0].sees("Maya", |forming| forming.seats[1].taken).await;
    friends.all[2].takes(&links[0]).await.expect("only the organiser knows that it is used");
    let refused = friends.all[2].sees("a refusal", |forming| forming.stage == FormingStage::Refused).await;
    assert!(refused.trouble.unwrap_or_default().contains("somebody else has used"));
    let leave = LeaveFormingRequest { confirmed: true };
    friends.all[2].window.leave_forming(leave.clone()).await.expect("there is nothing to keep");

    friends.all[0].restart().await;
    friends.all[0].sees("Maya again", |forming| forming.seats[1].taken && forming.seats[1].here).await;
    friends.all[1].restart().await;
    friends.all[1].sees("the organiser", |forming| forming.connected).await;

    let reopened = friends.all[0].window.reopen_seat(ReopenSeatRequest { seat: 3 }).await.expect("a seat");
    let fresh = reopened.forming.and_then(|forming| forming.seats[2].link.clone()).expect("a new link");
    assert_ne!(fresh, links[1]);
    friends.all[2].takes(&links[1]).await.expect("it reads well");
    friends.all[2]
        .sees("silence at a shut door", |forming| !forming.connected && forming.trouble.is_some())
        .await;
    friends.all[2].window.leave_forming(leave.clone()).await.expect("there is nothing to keep");
    friends.all[2].takes(&fresh).await.expect("the new one");
    friends.all[2].sees("the organiser", |forming| forming.connected).await;
    friends.all[1].window.leave_forming(leave).await.expect("he may go");
    let left = friends.all[0].sees("a free seat", |forming| !forming.seats[1].taken).await;
    assert!(left.seats[1].link.is_some(), "the link is good again: {left:#?}");
}
