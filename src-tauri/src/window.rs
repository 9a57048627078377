//! The one window.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tauri::{AppHandle, Emitter, Manager, WebviewUrl, WebviewWindowBuilder, WindowEvent};

const LABEL: &str = "main";

/// Where the window is asked to go, until its page listens.
#[derive(Debug, Default)]
pub(crate) struct Errand {
    to: Mutex<Option<String>>,
    page_listens: AtomicBool,
}

/// Opens it. It shows the page that was built into the app, and never another.
pub(crate) fn open(app: &AppHandle) -> tauri::Result<tauri::WebviewWindow> {
    // Only in a build for development: see the feature `screens-within`.
    let served = app.config().build.dev_url.clone().filter(|_| tauri::is_dev());
    let window = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::default())
        .title("Hearth")
        .inner_size(1080.0, 720.0)
        .min_inner_size(760.0, 560.0)
        .on_navigation(move |url| {
            is_own(url.scheme(), url.host_str())
                || served.as_ref().is_some_and(|own| own.origin() == url.origin())
        })
        .on_new_window(|_url, _features| tauri::webview::NewWindowResponse::Deny)
        .build()?;
    #[cfg(target_os = "linux")]
    draw_without_a_graphics_card(&window);
    let handle = app.clone();
    window.on_window_event(move |event| {
        if matches!(event, WindowEvent::Destroyed) {
            handle.state::<Errand>().page_listens.store(false, Ordering::Relaxed);
        }
    });
    Ok(window)
}

/// Opens it where it does not disturb.
pub(crate) fn open_minimized(app: &AppHandle) -> tauri::Result<()> {
    open(app)?.minimize()
}

/// Where there is no graphics card, as on many a small server, the web engine would still put the whole window together anew for
/// each number that changes. Told not to, it draws only the number, at half the work (docs/benchmarks.md).
#[cfg(target_os = "linux")]
fn draw_without_a_graphics_card(window: &tauri::WebviewWindow) {
    use webkit2gtk::{HardwareAccelerationPolicy, SettingsExt, WebViewExt};

    let is_card = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("renderD"))
    };
    if std::fs::read_dir("/dev/dri").is_ok_and(|mut cards| cards.any(is_card)) {
        return;
    }
    let told = window.with_webview(|view| {
        if let Some(settings) = WebViewExt::settings(&view.inner()) {
            settings.set_hardware_acceleration_policy(HardwareAccelerationPolicy::Never);
        }
    });
    if let Err(error) = told {
        tracing::debug!(%error, "the web engine could not be told that there is no graphics card");
    }
}

/// Shows the window, and there the place `to` (a route of the page, or `stop` for its dialog); where it was, if that is empty.
pub(crate) fn go(app: &AppHandle, to: &str) {
    let errand = app.state::<Errand>();
    if !to.is_empty() {
        *errand.to.lock().unwrap_or_else(PoisonError::into_inner) = Some(to.to_owned());
    }
    show(app);
    if errand.page_listens.load(Ordering::Relaxed) {
        deliver(app);
    }
}

/// The page of a window has begun to listen.
pub(crate) fn page_listens(app: &AppHandle) {
    app.state::<Errand>().page_listens.store(true, Ordering::Relaxed);
    deliver(app);
}

fn deliver(app: &AppHandle) {
    let to = app.state::<Errand>().to.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(to) = to {
        // A page that has just gone is opened anew by whoever wants it.
        let _unheard = app.emit_to(LABEL, "go", to);
    }
}

/// Brings it to the front, or opens it.
fn show(app: &AppHandle) {
    let shown = match app.get_webview_window(LABEL) {
        Some(window) => window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus()),
        None => open(app).map(drop),
    };
    if let Err(error) = shown {
        tracing::warn!(%error, "the window does not come to the front");
    }
}

/// Whether an address is that of the app's own page, which has another form on Windows.
fn is_own(scheme: &str, host: Option<&str>) -> bool {
    match scheme {
        "tauri" => host == Some("localhost"),
        "http" | "https" => host == Some("tauri.localhost"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_page_is_shown() {
        for (scheme, host, own) in [
            ("tauri", Some("localhost"), true),
            ("http", Some("tauri.localhost"), true),
            ("https", Some("example.org"), false),
            ("http", Some("localhost"), false),
            ("tauri", None, false),
            ("file", None, false),
            ("data", None, false),
            ("javascript", None, false),
        ] {
            assert_eq!(is_own(scheme, host), own, "{scheme}://{host:?}");
        }
    }

    #[test]
    fn the_page_may_hear_events_and_load_nothing_from_elsewhere() {
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let config = read(include_str!("../tauri.conf.json"));
        let security = &config["app"]["security"];
        let policy = security["csp"].as_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains('*') && !policy.contains("unsafe")
        );
        assert!(
            config["build"].get("devUrl").is_none() && !tauri::is_dev(),
            "nothing is served from elsewhere"
        );
        assert_eq!(config["app"]["withGlobalTauri"], false);
        assert_eq!(security["freezePrototype"], true);
        assert_eq!(security["capabilities"], serde_json::json!(["main"]));
        let capability = read(include_str!("../capabilities/main.json"));
        assert_eq!(capability["windows"], serde_json::json!(["main"]));
        let granted = serde_json::json!(["core:event:allow-listen", "core:event:allow-unlisten"]);
        assert_eq!(capability["permissions"], granted);
    }
}
