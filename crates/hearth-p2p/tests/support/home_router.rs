//! A router of somebody's home, as far as programs ask it to open ports: found by UDP, asked by HTTP, both on loopback.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use igd_next::SearchOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Notify;

/// How it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    Opens,
    Refuses,
    RefusesUdp,
    IsInUse,
    IsNested,
    IsAway,
}

struct State {
    manner: Manner,
    address: [u8; 4],
    ports: BTreeMap<String, String>,
}

pub(crate) struct HomeRouter {
    state: Arc<Mutex<State>>,
    asked: Arc<Notify>,
    finder: std::net::SocketAddr,
    tasks: tokio::task::JoinSet<()>,
}

const DEVICE: &str = "<root><device><serviceList><service>\
    <serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>\
    <controlURL>/control</controlURL><SCPDURL>/actions</SCPDURL></service></serviceList></device></root>";

fn actions() -> String {
    let argument = |name: &str| format!("<argument><name>{name}</name><direction>in</direction></argument>");
    let action = |name: &str, arguments: &[&str]| {
        let arguments: String = arguments.iter().map(|name| argument(name)).collect();
        format!("<action><name>{name}</name><argumentList>{arguments}</argumentList></action>")
    };
    let port = ["NewRemoteHost", "NewExternalPort", "NewProtocol"];
    let inside =
        ["NewInternalPort", "NewInternalClient", "NewEnabled", "NewPortMappingDescription", "NewLeaseDuration"];
    let all = [port.as_slice(), inside.as_slice()].concat();
    format!(
        "<scpd><actionList>{}{}{}</actionList></scpd>",
        action("AddPortMapping", &all),
        action("DeletePortMapping", &port),
        action("GetExternalIPAddress", &["NewNothing"])
    )
}

fn between<'t>(text: &'t str, tag: &str) -> &'t str {
    let (start, end) = (format!("<{tag}>"), format!("</{tag}>"));
    text.split_once(&start).and_then(|(_, rest)| rest.split_once(&end)).map_or("", |(found, _)| found)
}

impl HomeRouter {
    pub(crate) async fn start(manner: Manner) -> Self {
        let address = if manner == Manner::IsNested { [100, 64, 3, 2] } else { [203, 0, 113, 7] };
        let state = Arc::new(Mutex::new(State { manner, address, ports: BTreeMap::new() }));
        let asked = Arc::new(Notify::new());
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (page, finder) = (http.local_addr().unwrap(), udp.local_addr().unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let mut question = [0; 1024];
            while let Ok((_, from)) = udp.recv_from(&mut question).await {
                if manner != Manner::IsAway {
                    let found = format!("HTTP/1.1 200 OK\r\nLOCATION: http://{page}/device\r\n\r\n");
                    udp.send_to(found.as_bytes(), from).await.unwrap();
                }
            }
        });
        let (served, heard) = (state.clone(), asked.clone());
        tasks.spawn(async move {
            while let Ok((stream, _)) = http.accept().await {
                serve(stream, &served).await;
                heard.notify_one();
            }
        });
        Self { state, asked, finder, tasks }
    }

    /// How it is found.
    pub(crate) fn search(&self) -> impl Fn() -> SearchOptions + Send + 'static {
        let finder = self.finder;
        move || SearchOptions {
            bind_addr: "127.0.0.1:0".parse().unwrap(),
            broadcast_address: finder,
            ..SearchOptions::default()
        }
    }

    pub(crate) fn open_ports(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.ports.iter().map(|(outside, inside)| format!("{outside} -> {inside}")).collect()
    }

    /// It was started again.
    pub(crate) fn forgets(&self) {
        self.state.lock().unwrap().ports.clear();
    }

    /// Its provider gives it another address.
    pub(crate) fn gets_address(&self, address: [u8; 4]) {
        self.state.lock().unwrap().address = address;
    }

    /// Waits until it has answered something.
    pub(crate) async fn was_asked(&self) {
        assert!(!self.tasks.is_empty());
        self.asked.notified().await;
    }
}

async fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    let text = loop {
        let Ok(read @ 1..) = stream.read(&mut chunk).await else { return };
        request.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            break text;
        }
    };
    let (status, body) = answer(&text, &mut state.lock().unwrap());
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice()).await;
}

fn answer(request: &str, state: &mut State) -> (&'static str, String) {
    let envelope = |inside: String| format!("<Envelope><Body>{inside}</Body></Envelope>");
    let fault = |code: u16, why: &str| {
        let inside = format!(
            "<Fault><detail><UPnPError><errorCode>{code}</errorCode><errorDescription>{why}</errorDescription></UPnPError></detail></Fault>"
        );
        ("500 Internal Server Error", envelope(inside))
    };
    if request.starts_with("GET /device") {
        return ("200 OK", DEVICE.into());
    }
    if request.starts_with("GET /actions") {
        return ("200 OK", actions());
    }
    let outside = format!("{} {}", between(request, "NewProtocol"), between(request, "NewExternalPort"));
    if request.contains(":GetExternalIPAddress") {
        let [a, b, c, d] = state.address;
        let inside = format!(
            "<GetExternalIPAddressResponse><NewExternalIPAddress>{a}.{b}.{c}.{d}</NewExternalIPAddress></GetExternalIPAddressResponse>"
        );
        ("200 OK", envelope(inside))
    } else if request.contains(":AddPortMapping") {
        match state.manner {
            Manner::Refuses => fault(606, "Action not authorized"),
            Manner::RefusesUdp if outside.starts_with("UDP") => fault(606, "Action not authorized"),
            Manner::IsInUse if outside.ends_with(" 3610") => fault(718, "ConflictInMappingEntry"),
            _ => {
                let (client, port) =
                    (between(request, "NewInternalClient"), between(request, "NewInternalPort"));
                state.ports.insert(outside, format!("{client}:{port}"));
                ("200 OK", envelope("<AddPortMappingResponse/>".into()))
            }
        }
    } else if request.contains(":DeletePortMapping") {
        state.ports.remove(&outside);
        ("200 OK", envelope("<DeletePortMappingResponse/>".into()))
    } else {
        fault(401, "Invalid Action")
    }
}
