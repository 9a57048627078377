//! The flame in the tray. Nothing depends on it: where a desktop has none, closing the window ends the app, and the node goes
//! on either way.

mod draw;
mod model;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hearth_api::NodeView;
use tauri::image::Image;
use tauri::menu::{MenuBuilder, MenuItemBuilder};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Manager, Wry};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::notify::{Desktop, Note, Notifier};
use crate::window;
use model::{Act, Line, Model, for_chat, model};

const ID: &str = "hearth";
/// Between two looks at whether the view has become old.
const LOOK: Duration = Duration::from_secs(1);
/// Changes that come faster are drawn together: panels lose what comes too fast.
const PACE: Duration = Duration::from_millis(200);
/// Between two attempts where the desktop has no tray: it may still be starting.
const AGAIN: Duration = Duration::from_secs(30);
const PAUSE_MS: u64 = 3_600_000;

/// What of the app is there without a window.
pub(crate) struct Companion {
    view: watch::Receiver<Option<Arc<NodeView>>>,
    notifier: Mutex<Notifier>,
    /// Whether the desktop shows the tray.
    shown: AtomicBool,
    /// Held for as long as something copied from here may be pasted.
    clipboard: Mutex<Option<arboard::Clipboard>>,
}

impl Companion {
    pub(crate) fn new(view: watch::Receiver<Option<Arc<NodeView>>>) -> Self {
        Self { view, notifier: Mutex::default(), shown: AtomicBool::new(false), clipboard: Mutex::new(None) }
    }

    /// Whether the app can be reached without its window.
    pub(crate) fn has_tray(&self) -> bool {
        self.shown.load(Ordering::Relaxed)
    }

    fn notifier(&self) -> MutexGuard<'_, Notifier> {
        self.notifier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn model(&self) -> Model {
        let (view, now_ms) = (self.view.borrow().clone(), now_ms());
        model(view.as_deref(), now_ms, self.notifier().is_paused(now_ms))
    }

    fn copy(&self) {
        let text = for_chat(self.view.borrow().as_deref(), now_ms());
        let mut clipboard = self.clipboard.lock().unwrap_or_else(PoisonError::into_inner);
        if clipboard.is_none() {
            *clipboard = arboard::Clipboard::new().ok();
        }
        let copied = clipboard.as_mut().map(|clipboard| clipboard.set_text(text));
        if !matches!(copied, Some(Ok(()))) {
            tracing::warn!("nothing can be copied here");
        }
    }

    fn pause(&self) {
        let mut notifier = self.notifier();
        let until = if notifier.is_paused(now_ms()) { 0 } else { now_ms().saturating_add(PAUSE_MS) };
        notifier.pause_until(until);
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Puts the flame into the tray. Of the main thread. Where there is no tray, says so and leaves it.
pub(crate) fn show(app: &AppHandle) {
    let companion = app.state::<Companion>();
    if companion.has_tray() {
        return;
    }
    match build(app, &companion.model()) {
        Ok(()) => companion.shown.store(true, Ordering::Relaxed),
        Err(error) => tracing::info!(
            %error,
            "this desktop shows no tray (GNOME needs the extension AppIndicator); everything is reached from the window"
        ),
    }
}

fn build(app: &AppHandle, model: &Model) -> tauri::Result<()> {
    let tray = TrayIconBuilder::with_id(ID)
        .icon(picture(model))
        .tooltip(&model.tooltip)
        .menu(&menu(app, model)?)
        .show_menu_on_left_click(false)
        .on_menu_event(|app, event| act(app, event.id().as_ref()))
        .on_tray_icon_event(|tray, event| {
            if let TrayIconEvent::Click {
                button: MouseButton::Left, button_state: MouseButtonState::Up, ..
            } = event
            {
                window::go(tray.app_handle(), "");
            }
        })
        .build(app)?;
    drop(tray);
    Ok(())
}

fn picture(model: &Model) -> Image<'static> {
    Image::new_owned(draw::draw(model.flame, model.turn), draw::SIZE, draw::SIZE)
}

fn menu(app: &AppHandle, model: &Model) -> tauri::Result<tauri::menu::Menu<Wry>> {
    let mut menu = MenuBuilder::new(app);
    for line in &model.menu {
        menu = match line {
            Line::Item(text, act) => {
                // An ampersand would mark the letter after it.
                let text = text.replace('&', "&&");
                menu.item(&MenuItemBuilder::with_id(act.id(), text).build(app)?)
            }
            Line::Rule => menu.separator(),
        };
    }
    menu.build()
}

fn act(app: &AppHandle, id: &str) {
    let companion = app.state::<Companion>();
    match Act::of(id) {
        Some(Act::Open(to)) => window::go(app, &to),
        Some(Act::Copy) => companion.copy(),
        Some(Act::Pause) => companion.pause(),
        Some(Act::Quit) => app.exit(0),
        None => {}
    }
}

/// Keeps tray and notifications up to date for as long as the app lives.
pub(crate) async fn tend(app: AppHandle) {
    let companion = app.state::<Companion>();
    let mut view = companion.view.clone();
    let desktop = desktop();
    let mut shown: Option<Model> = None;
    let mut tried = Instant::now();
    loop {
        tokio::select! {
            changed = view.changed() => if changed.is_err() { return },
            () = sleep(LOOK) => {}
        }
        let seen = view.borrow_and_update().clone();
        for note in companion.notifier().look(now_ms(), seen.as_deref()) {
            let _without_desktop = desktop.send(note);
        }
        let model = companion.model();
        if companion.has_tray() && shown.as_ref() != Some(&model) {
            let before = shown.replace(model.clone());
            on_main_thread(&app, move |app| {
                if let Some(tray) = app.tray_by_id(ID) {
                    redraw(app, &tray, before.as_ref(), &model);
                }
            });
        } else if !companion.has_tray() && tried.elapsed() >= AGAIN {
            tried = Instant::now();
            on_main_thread(&app, show);
        }
        sleep(PACE).await;
    }
}

fn on_main_thread(app: &AppHandle, work: impl FnOnce(&AppHandle) + Send + 'static) {
    let handle = app.clone();
    if let Err(error) = app.run_on_main_thread(move || work(&handle)) {
        tracing::debug!(%error, "the app is ending");
    }
}

/// Only what changed: a menu that is replaced while it is open flickers.
fn redraw(app: &AppHandle, tray: &TrayIcon, before: Option<&Model>, model: &Model) {
    let picture_changed = before.is_none_or(|before| (before.flame, before.turn) != (model.flame, model.turn));
    let outcome = (|| {
        if picture_changed {
            tray.set_icon(Some(picture(model)))?;
        }
        if before.is_none_or(|before| before.tooltip != model.tooltip) {
            tray.set_tooltip(Some(&model.tooltip))?;
        }
        if before.is_none_or(|before| before.menu != model.menu) {
            tray.set_menu(Some(menu(app, model)?))?;
        }
        Ok::<_, tauri::Error>(())
    })();
    if let Err(error) = outcome {
        tracing::debug!(%error, "the tray does not change");
    }
}

/// Notifications from a thread of their own: a desktop may take its time.
fn desktop() -> mpsc::Sender<Note> {
    let (told, notes) = mpsc::channel();
    std::thread::spawn(move || {
        let mut desktop = Desktop::default();
        for note in notes {
            desktop.tell(note);
        }
    });
    told
}
