//! A desktop of a test's own: a screen (Xvfb), a message bus, a panel that takes the tray and a place for notifications.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{AtomEnum, ClientMessageEvent, ConnectionExt, EventMask, MapState};
use x11rb::rust_connection::RustConnection;
use zbus::zvariant::{OwnedValue, Value};
use zbus::{Connection, connection, interface, proxy};

/// Longest that anything is waited for: a busy machine takes its time to start a web engine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Looks again and again until there is something.
pub(crate) async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "there is no sign of: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What was put on it.
#[derive(Clone, Default)]
struct Shelf {
    /// Where the item of the tray is: its name on the bus.
    items: Arc<Mutex<Vec<String>>>,
    /// Titles of the notifications that were shown.
    notes: Arc<Mutex<Vec<String>>>,
}

/// The panel: org.kde.StatusNotifierWatcher.
struct Panel(Shelf);

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Panel {
    fn register_status_notifier_item(&self, service: &str, #[zbus(header)] header: zbus::message::Header<'_>) {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let name = if service.starts_with('/') { sender } else { service.to_owned() };
        self.0.items.lock().expect("no test panics here").push(name);
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.0.items.lock().expect("no test panics here").clone()
    }
}

/// The place for notifications: org.freedesktop.Notifications.
struct Notifications(Shelf);

#[interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    #[expect(clippy::too_many_arguments, reason = "the interface has them")]
    fn notify(
        &self,
        _app: &str,
        _replaces: u32,
        _icon: &str,
        summary: &str,
        _body: &str,
        _actions: Vec<String>,
        _hints: std::collections::HashMap<String, OwnedValue>,
        _timeout: i32,
    ) -> u32 {
        let mut notes = self.0.notes.lock().expect("no test panics here");
        notes.push(summary.to_owned());
        u32::try_from(notes.len()).expect("few notifications")
    }

    fn close_notification(&self, _id: u32) {}

    fn get_capabilities(&self) -> Vec<String> {
        vec!["body".into()]
    }

    fn get_server_information(&self) -> (String, String, String, String) {
        ("hearth test".into(), "hearth".into(), "0".into(), "1.2".into())
    }
}

/// Width, height and pixels of each.
type Pictures = Vec<(i32, i32, Vec<u8>)>;

#[proxy(interface = "org.kde.StatusNotifierItem", default_path = "/StatusNotifierItem")]
trait Item {
    #[zbus(property(emits_changed_signal = "false"))]
    fn tool_tip(&self) -> zbus::Result<(String, Pictures, String, String)>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn icon_pixmap(&self) -> zbus::Result<Pictures>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn menu(&self) -> zbus::Result<zbus::zvariant::OwnedObjectPath>;
}

type Layout = (i32, std::collections::HashMap<String, OwnedValue>, Vec<OwnedValue>);

#[proxy(interface = "com.canonical.dbusmenu")]
trait Menu {
    fn get_layout(&self, parent: i32, depth: i32, properties: &[&str]) -> zbus::Result<(u32, Layout)>;
    fn event(&self, id: i32, event: &str, data: &Value<'_>, timestamp: u32) -> zbus::Result<()>;
}

/// The desktop.
pub(crate) struct Desktop {
    /// Name of its screen.
    pub(crate) display: String,
    /// Address of its bus.
    pub(crate) bus: String,
    shelf: Shelf,
    connection: Connection,
    screen: Child,
    daemon: Child,
}

impl Desktop {
    /// Opens it, with its traces in `home`.
    pub(crate) async fn open(home: &Path) -> Self {
        // The screen takes a number that is free and tells it.
        let mut screen = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is installed");
        let number = first_line(screen.stdout.take());
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address=1"])
            .arg(format!("--address=unix:path={}", home.join("bus").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is installed");
        let bus = first_line(daemon.stdout.take());
        let shelf = Shelf::default();
        let connection = connection::Builder::address(bus.as_str())
            .and_then(|bus| bus.name("org.kde.StatusNotifierWatcher"))
            .and_then(|bus| bus.name("org.freedesktop.Notifications"))
            .and_then(|bus| bus.serve_at("/StatusNotifierWatcher", Panel(shelf.clone())))
            .and_then(|bus| bus.serve_at("/org/freedesktop/Notifications", Notifications(shelf.clone())))
            .expect("names and paths are right")
            .build()
            .await
            .expect("the bus is ours alone");
        Self { display: format!(":{number}"), bus, shelf, connection, screen, daemon }
    }

    async fn item(&self) -> Option<ItemProxy<'_>> {
        let name = self.shelf.items.lock().expect("no test panics here").last().cloned()?;
        ItemProxy::builder(&self.connection).destination(name).ok()?.build().await.ok()
    }

    /// What the tray says when pointed at.
    pub(crate) async fn tooltip(&self) -> Option<String> {
        let (_, _, title, text) = self.item().await?.tool_tip().await.ok()?;
        Some(if text.is_empty() { title } else { text })
    }

    /// Its picture: width, height, and alpha, red, green and blue of each pixel.
    pub(crate) async fn icon(&self) -> Option<(i32, i32, Vec<u8>)> {
        self.item().await?.icon_pixmap().await.ok()?.into_iter().next()
    }

    /// The lines of its menu, with the number that each has.
    async fn lines(&self) -> Option<(MenuProxy<'_>, Vec<(i32, String)>)> {
        let item = self.item().await?;
        let path = item.menu().await.ok()?;
        let name = item.inner().destination().to_owned();
        let menu =
            MenuProxy::builder(&self.connection).destination(name).ok()?.path(path).ok()?.build().await.ok()?;
        let (_, (_, _, children)) = menu.get_layout(0, -1, &[]).await.ok()?;
        let line = |child: OwnedValue| {
            let (id, properties, _) = Layout::try_from(child).ok()?;
            let label = properties.get("label").and_then(|label| String::try_from(label.clone()).ok());
            // An underscore is the sign for the letter after it, two are one.
            Some((id, label.unwrap_or_default().replace("__", "_")))
        };
        Some((menu, children.into_iter().filter_map(line).collect()))
    }

    /// The words of its menu, without the rules between them.
    pub(crate) async fn menu(&self) -> Vec<String> {
        let lines = self.lines().await.map(|(_, lines)| lines).unwrap_or_default();
        lines.into_iter().map(|(_, text)| text).filter(|text| !text.is_empty()).collect()
    }

    /// Chooses a line.
    pub(crate) async fn choose(&self, text: &str) {
        let (menu, lines) = self.lines().await.expect("there is a menu");
        let id = lines.iter().find(|(_, line)| line == text).map(|(id, _)| *id);
        assert!(id.is_some(), "no line {text:?} in {lines:?}");
        menu.event(id.unwrap_or_default(), "clicked", &Value::from(0), 0).await.expect("the app hears it");
    }

    /// Whether a window with this title is on the screen.
    pub(crate) fn has_window(&self, title: &str) -> bool {
        self.find_window(title).is_ok_and(|found| found.is_some())
    }

    /// Asks a window to close, as a click on its cross does.
    pub(crate) fn close_window(&self, title: &str) {
        let (screen, window) =
            self.find_window(title).expect("the screen is there").expect("the window is there");
        let atom = |name: &str| {
            let asked = screen.intern_atom(false, name.as_bytes()).expect("the screen is there");
            asked.reply().expect("an atom has a number").atom
        };
        let data = [atom("WM_DELETE_WINDOW"), 0, 0, 0, 0];
        let message = ClientMessageEvent::new(32, window, atom("WM_PROTOCOLS"), data);
        let sent = screen.send_event(false, window, EventMask::NO_EVENT, message);
        sent.expect("the screen is there").check().expect("the window is there");
    }

    fn find_window(&self, title: &str) -> Result<Option<(RustConnection, u32)>, Box<dyn std::error::Error>> {
        let (screen, number) = x11rb::connect(Some(&self.display))?;
        let mut unseen = vec![screen.setup().roots.get(number).ok_or("no screen")?.root];
        while let Some(window) = unseen.pop() {
            let name =
                screen.get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64)?.reply()?.value;
            let shown = screen.get_window_attributes(window)?.reply()?.map_state == MapState::VIEWABLE;
            if shown && name == title.as_bytes() {
                return Ok(Some((screen, window)));
            }
            unseen.extend(screen.query_tree(window)?.reply()?.children);
        }
        Ok(None)
    }

    /// Titles of the notifications so far.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.shelf.notes.lock().expect("no test panics here").clone()
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        for process in [&mut self.screen, &mut self.daemon] {
            let _gone = process.kill();
            let _reaped = process.wait();
        }
    }
}

fn first_line(from: Option<std::process::ChildStdout>) -> String {
    let mut line = String::new();
    let read = from.map(|from| BufReader::new(from).read_line(&mut line));
    assert!(matches!(read, Some(Ok(1..))), "it says where it is");
    line.trim().to_owned()
}
