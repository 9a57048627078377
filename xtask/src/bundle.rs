//! Packages for Linux: .deb and .rpm with the same files. Those of other systems are made by `.github/workflows/release.yml`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::prepare;
use crate::steps::{Runner, cargo, root, say};
use crate::window::in_ui;

const SUMMARY: &str = "run an Ethereum validator together with others";
const DESCRIPTION: &str = "Hearth runs an Ethereum validator together with friends or institutions. The validator key is shared, every \
                           duty is agreed and signed by enough operators, and the validator survives the loss of one of them.";
const MAINTAINER: &str = "The Hearth developers <hearth@example.org>";
const LICENCE: &str = "MIT OR Apache-2.0";
/// Libraries that the programs are linked to, by the names of Debian 12 and of Fedora; what those need comes with them.
const DEBIAN_NEEDS: [&str; 4] = ["libc6 (>= 2.36)", "libgcc-s1", "libgtk-3-0", "libwebkit2gtk-4.1-0"];
const FEDORA_NEEDS: [&str; 3] = ["glibc", "gtk3", "webkit2gtk4.1"];

/// A file of the package.
struct Placed {
    from: PathBuf,
    /// Absolute.
    to: &'static str,
    mode: u32,
}

/// Everything that is installed; `programs` is where the programs were built.
fn contents(programs: &Path) -> Vec<Placed> {
    let linux = root().join("installers/linux");
    let icons = root().join("src-tauri/icons");
    let file = |from: PathBuf, to, mode| Placed { from, to, mode };
    vec![
        file(programs.join("hearth"), "/usr/bin/hearth", 0o755),
        file(programs.join("hearth-app"), "/usr/bin/hearth-app", 0o755),
        file(linux.join("hearth@.service"), "/usr/lib/systemd/system/hearth@.service", 0o644),
        file(linux.join("org.hearth.app.desktop"), "/usr/share/applications/org.hearth.app.desktop", 0o644),
        file(
            linux.join("org.hearth.app.metainfo.xml"),
            "/usr/share/metainfo/org.hearth.app.metainfo.xml",
            0o644,
        ),
        file(icons.join("icon.png"), "/usr/share/icons/hicolor/256x256/apps/org.hearth.app.png", 0o644),
        file(icons.join("icon.svg"), "/usr/share/icons/hicolor/scalable/apps/org.hearth.app.svg", 0o644),
        file(root().join("LICENSE-MIT"), "/usr/share/doc/hearth/copyright", 0o644),
        file(root().join("LICENSE-APACHE"), "/usr/share/doc/hearth/LICENSE-APACHE", 0o644),
        file(root().join("installers/linux/README.md"), "/usr/share/doc/hearth/README.md", 0o644),
    ]
}

/// Builds the programs and packs them. `debug`: as they are built for development, to try the packages themselves.
pub(crate) fn run(debug: bool) -> Result<()> {
    prepare::check(prepare::Need::Everything)?;
    let mut runner = Runner::new(2);
    runner.step("Building the screens", in_ui("npm ci && npm run build"))?;
    let mut build = cargo(["build", "--workspace", "--bins"]);
    if !debug {
        build.arg("--release");
    }
    runner.step("Building hearth and the app", build)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let programs = target.join(if debug { "debug" } else { "release" });
    let out = target.join("packages");
    fs::create_dir_all(&out)?;
    let contents = contents(&programs);
    for package in [deb(&contents, &out)?, rpm(&contents, &out)?] {
        let bytes = fs::metadata(&package)?.len();
        let name = package.file_name().unwrap_or_default().to_string_lossy();
        say(&format!("target/packages/{name}  ({}.{} MB)", bytes / 1_000_000, bytes / 100_000 % 10));
    }
    say(
        "\nTo try it: sudo apt install ./target/packages/hearth_*.deb, then Hearth from the menu, or hearth-app.",
    );
    Ok(())
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

fn script(name: &str) -> PathBuf {
    root().join("installers/linux").join(name)
}

fn deb(contents: &[Placed], out: &Path) -> Result<PathBuf> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => bail!("there is no package for {other} yet"),
    };
    let stage = out.join("deb");
    let _old = fs::remove_dir_all(&stage);
    let mut kib = 0;
    for Placed { from, to, mode } in contents {
        let to = stage.join(to.trim_start_matches('/'));
        place(from, &to, *mode)?;
        kib += fs::metadata(&to)?.len().div_ceil(1_024);
    }
    let control = stage.join("DEBIAN");
    fs::create_dir_all(&control)?;
    fs::write(
        control.join("control"),
        format!(
            "Package: hearth\nVersion: {}\nArchitecture: {architecture}\nMaintainer: {MAINTAINER}\nInstalled-Size: {kib}\n\
             Depends: {}\nSection: net\nPriority: optional\nDescription: {SUMMARY}\n {DESCRIPTION}\n",
            version(),
            DEBIAN_NEEDS.join(", ")
        ),
    )?;
    for (from, to) in
        [("after-install.sh", "postinst"), ("before-remove.sh", "prerm"), ("after-remove.sh", "postrm")]
    {
        place(&script(from), &control.join(to), 0o755)?;
    }
    let package = out.join(format!("hearth_{}_{architecture}.deb", version()));
    let built = Command::new("dpkg-deb")
        .args(["--build", "--root-owner-group", "-Zxz"])
        .args([&stage, &package])
        .status()
        .context("cannot start dpkg-deb; on other systems than Debian install the package dpkg")?;
    if !built.success() {
        bail!("dpkg-deb failed");
    }
    fs::remove_dir_all(&stage)?;
    Ok(package)
}

fn place(from: &Path, to: &Path, mode: u32) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}

fn rpm(contents: &[Placed], out: &Path) -> Result<PathBuf> {
    let architecture = std::env::consts::ARCH;
    let mut package = rpm::PackageBuilder::new("hearth", version(), LICENCE, architecture, SUMMARY);
    let gzip = rpm::BuildConfig::default().compression(rpm::CompressionType::Gzip);
    package.using_config(gzip).description(DESCRIPTION).vendor("The Hearth developers");
    for Placed { from, to, mode } in contents {
        let options = rpm::FileOptions::new(*to).permissions(u16::try_from(*mode)?);
        package.with_file(from, options)?;
    }
    for needed in FEDORA_NEEDS {
        package.requires(rpm::Dependency::any(needed));
    }
    package.post_install_script(fs::read_to_string(script("after-install.sh"))?);
    package.pre_uninstall_script(fs::read_to_string(script("before-remove.sh"))?);
    package.post_uninstall_script(fs::read_to_string(script("after-remove.sh"))?);
    let path = out.join(format!("hearth-{}-1.{architecture}.rpm", version()));
    package.build()?.write_file(&path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> String {
        fs::read_to_string(script(name)).unwrap()
    }

    #[test]
    fn the_menu_entry_opens_links_and_everything_carries_one_name() {
        let (entry, info) = (read("org.hearth.app.desktop"), read("org.hearth.app.metainfo.xml"));
        assert!(entry.contains("Exec=hearth-app %u\n") && entry.contains("MimeType=x-scheme-handler/hearth;"));
        let config: serde_json::Value =
            serde_json::from_str(include_str!("../../src-tauri/tauri.conf.json")).unwrap();
        assert_eq!(config["identifier"], "org.hearth.app");
        assert!(entry.contains("Icon=org.hearth.app\n") && info.contains("<id>org.hearth.app</id>"));
        assert!(info.contains(&format!("<release version=\"{}\"", version())), "the release is described");
        assert_eq!(config["version"], version());
    }

    #[test]
    fn every_file_of_a_package_is_there_but_the_programs() {
        for Placed { from, to, .. } in contents(Path::new("/programs")) {
            assert!(from.starts_with("/programs") || from.is_file(), "{}", from.display());
            assert!(to.starts_with("/usr/"), "{to}");
        }
        for name in ["after-install.sh", "before-remove.sh", "after-remove.sh"] {
            assert!(read(name).starts_with("#!/bin/sh\n"), "{name}");
        }
    }

    #[test]
    fn the_service_runs_the_node_in_the_folder_that_the_app_shows() {
        let service = read("hearth@.service");
        assert!(service.contains("User=%i\n") && service.contains("HEARTH_KEPT_RUNNING_BY=system\n"));
        assert!(
            service.contains("/usr/bin/hearth run --wait-for-cluster --data-dir ${HOME}/.local/share/hearth\n")
        );
    }
}
