//! Runs the benchmarks and holds each median against its limit, as a ratio.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::steps::{cargo, say};

/// Packages with benchmarks.
const PACKAGES: &[&str] =
    &["hearth-crypto", "hearth-qbft", "hearth-dkg", "hearth-slashing", "hearth-obol", "hearth-node"];

/// What the design holds possible on one core, in microseconds, by path. Source: docs/benchmarks.md.
const LIMITS: &[(&str, f64)] = &[
    ("crypto/sign", 300.0),
    ("crypto/verify_one", 900.0),
    ("crypto/read_signature", 63.0),
    ("crypto/batch_verify/4", 1_300.0),
    ("crypto/batch_verify/16", 2_200.0),
    ("crypto/batch_verify/64", 4_800.0),
    ("crypto/batch_verify/256", 19_500.0),
    ("crypto/recombine_3_of_4/[1, 2, 3]", 200.0),
    ("crypto/recombine_3_of_4/[1, 2, 4]", 200.0),
    ("crypto/recombine_5_of_7/[1, 2, 3, 4, 5]", 210.0),
    ("crypto/recombine_5_of_7/[1, 2, 3, 4, 7]", 210.0),
    ("crypto/complete_slot_of_4/1", 1_300.0),
    ("crypto/complete_slot_of_4/31", 16_000.0),
    ("crypto/complete_slot_of_4/94", 48_000.0),
    ("crypto/complete_slot_of_4_whole_weights/1", 1_300.0),
    ("crypto/complete_slot_of_4_whole_weights/31", 16_000.0),
    ("crypto/complete_slot_of_4_whole_weights/94", 48_000.0),
    ("dkg/draw/100", 32_000.0),
    ("dkg/draw/1000", 320_000.0),
    ("dkg/judge/100", 96_000.0),
    ("dkg/judge/1000", 960_000.0),
    ("node/ceremony/1", 5_000_000.0),
    ("node/ceremony/100", 15_000_000.0),
    ("slashing/check_and_record_on_an_empty_database/1", 270.0),
    ("slashing/check_and_record_on_an_empty_database/100", 1_100.0),
    ("slashing/check_and_record_on_an_empty_database/1000", 4_000.0),
    ("slashing/check_and_record_on_an_empty_database/3000", 20_000.0),
    ("slashing/check_and_record_after_a_year/1", 270.0),
    ("slashing/check_and_record_after_a_year/100", 1_100.0),
    ("slashing/check_and_record_after_a_year/1000", 4_000.0),
    ("slashing/check_and_record_after_a_year/3000", 20_000.0),
    ("obol/deal_1000_validators_to_4", 1_000_000.0),
    ("obol/verify_1000_validators_of_4", 1_000_000.0),
    ("obol/recombine_1000_keys", 1_000_000.0),
];

/// One measured median.
struct Figure {
    path: String,
    median_us: f64,
}

/// What a cluster of four release nodes on loopback may take: figure of the demo's verdict, and limit.
const CLUSTER: &[(&str, &str, f64)] = &[
    ("cluster of 4: due to decided, p50", "/decide_ms/p50", 15_000.0),
    ("cluster of 4: due to decided, p99", "/decide_ms/p99", 50_000.0),
    ("cluster of 4: due to whole signature, p50", "/complete_ms/p50", 50_000.0),
    ("cluster of 4: due to beacon node's answer, p50", "/submit_ms/p50", 50_000.0),
    ("cluster of 4: due to beacon node's answer, p99", "/submit_ms/p99", 1_000_000.0),
];
/// Validators of the clusters whose processor time is measured.
const MANY_VALIDATORS: [u16; 2] = [100, 1_000];
/// MiB that a node may hold.
const MEMORY_MIB: u64 = 60;

/// Measures, then prints a table.
pub(crate) fn run(filter: &str) -> Result<()> {
    let mut figures = Vec::new();
    for package in PACKAGES {
        say(&format!("measuring {package} ..."));
        let mut command = cargo(["bench", "--quiet", "--package", package, "--", filter]);
        let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo bench")?;
        if !output.status.success() {
            bail!("the benchmarks of {package} failed; to see them: cargo bench --package {package}");
        }
        figures.extend(parse(package, &String::from_utf8_lossy(&output.stdout)));
    }
    let (mut cluster, mut busier) = (None, Vec::new());
    if filter.is_empty() {
        cluster = Some(self::cluster(1, 1)?);
        for validators in MANY_VALIDATORS {
            busier.push((validators, self::cluster(validators, 32)?));
        }
    }
    say("\n| benchmark | median | limit | median / limit |\n| --- | ---: | ---: | ---: |");
    for Figure { path, median_us } in &figures {
        let limit = LIMITS.iter().find(|(of, _)| path == of).map(|(_, limit)| *limit);
        let (shown, ratio) = match limit {
            Some(limit) => (shown(limit), format!("{:.2}", median_us / limit)),
            None => ("–".into(), "–".into()),
        };
        say(&format!("| {path} | {} | {shown} | {ratio} |", self::shown(*median_us)));
    }
    let Some(verdict) = cluster else { return Ok(()) };
    for (name, pointer, limit_us) in CLUSTER {
        let us =
            verdict.pointer(pointer).and_then(Value::as_f64).context("the demo's verdict lacks a figure")?
                * 1e3;
        say(&format!("| {name} | {} | {} | {:.2} |", shown(us), shown(*limit_us), us / limit_us));
    }
    if let Some(mib) = verdict.get("memory_mib").and_then(Value::as_u64) {
        say(&format!(
            "| largest node, resident | {mib} MiB | {MEMORY_MIB} MiB | {:.2} |",
            mib as f64 / MEMORY_MIB as f64
        ));
    }
    for (validators, verdict) in &busier {
        let figure = |pointer: &str| verdict.pointer(pointer).map(ToString::to_string).unwrap_or_default();
        say(&format!(
            "| cluster of 4, {validators} validators: processor time of the busiest node in a slot | {} ms | – | – |",
            figure("/processor_ms_per_slot")
        ));
    }
    overload()?;
    say("\nBytes from one operator to one other in an epoch:\n");
    let status = cargo(["bench", "--quiet", "--package", "hearth-sim", "--bench", "traffic"]).status()?;
    if !status.success() {
        bail!("the bytes could not be counted; to see why: cargo bench --package hearth-sim");
    }
    Ok(())
}

/// Four release nodes over real sockets, as a whole.
fn cluster(validators: u16, slots_per_epoch: u8) -> Result<Value> {
    say(&format!("measuring a cluster of four release nodes on loopback, validators: {validators} ..."));
    let (validators, slots_per_epoch) = (validators.to_string(), slots_per_epoch.to_string());
    demo(&[
        ["--slots", "40", "--slot-ms", "1000"],
        ["--validators", &validators, "--slots-per-epoch", &slots_per_epoch],
    ])
}

/// Three of four, while the fourth is away, and while somebody sends junk in its place.
fn overload() -> Result<()> {
    say("measuring three operators while the fourth is away, and while it sends junk at 100 Mbit/s ...");
    // In shorter slots there is no time for the second round that the fourth, when it leads, makes necessary.
    let slots = ["--slots", "40", "--slot-ms", "3000"];
    let one = |what, number| demo(&[slots, ["--validators", "1", what, number]]);
    let (alone, flooded) = (one("--kill", "4@0")?, one("--flood", "4")?);
    say("\n| three of four, duties decided in the first round | fourth away | fourth sends junk | ratio |");
    say("| --- | ---: | ---: | ---: |");
    for (name, pointer) in [
        ("due to beacon node's answer, p50", "/first_round_submit_ms/p50"),
        ("due to beacon node's answer, p99", "/first_round_submit_ms/p99"),
        ("largest node, resident, MiB", "/memory_mib"),
    ] {
        let figure = |of: &Value| of.pointer(pointer).and_then(Value::as_f64).context("a figure lacks");
        let (alone, flooded) = (figure(&alone)?, figure(&flooded)?);
        say(&format!("| {name} | {alone} | {flooded} | {:.2} |", flooded / alone));
    }
    Ok(())
}

fn demo(arguments: &[[&str; 4]]) -> Result<Value> {
    let mut command = cargo(["run", "--release", "--quiet", "--package", "hearth-cli", "--", "demo", "--json"]);
    command.args(arguments.concat()).stderr(Stdio::inherit());
    let output = command.output().context("cannot start the demo")?;
    if !output.status.success() {
        bail!("the demo missed duties: {}", String::from_utf8_lossy(&output.stdout));
    }
    serde_json::from_slice(&output.stdout).context("the demo's verdict is not JSON")
}

/// Reads divan's tree: a line a benchmark, indented by its group; the third column is the median.
fn parse(package: &str, text: &str) -> Vec<Figure> {
    let mut groups: Vec<(usize, String)> = Vec::new();
    let mut figures = Vec::new();
    for line in text.lines() {
        let Some(start) = line.find(|c: char| c.is_alphanumeric()) else { continue };
        // A list as an argument begins with its bracket.
        let start =
            if line.get(..start).is_some_and(|before| before.ends_with('[')) { start - 1 } else { start };
        let (before, content) = line.split_at(start);
        let depth = before.chars().count();
        let mut columns = content.split('│').map(str::trim);
        let Some(first) = columns.next() else { continue };
        // A name may hold single spaces; the figures are further away.
        let name = first.split("  ").next().unwrap_or_default().to_owned();
        groups.retain(|(at, _)| *at < depth);
        groups.push((depth, name));
        if let Some(median_us) = columns.nth(1).and_then(micros) {
            let path = groups.iter().skip(1).map(|(_, name)| name.as_str()).collect::<Vec<_>>().join("/");
            figures
                .push(Figure { path: format!("{}/{path}", package.trim_start_matches("hearth-")), median_us });
        }
    }
    figures
}

fn micros(column: &str) -> Option<f64> {
    let (number, unit) = column.split_once(' ')?;
    let scale = match unit {
        "ns" => 1e-3,
        "µs" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * scale)
}

fn shown(us: f64) -> String {
    match us {
        us if us < 1.0 => format!("{:.0} ns", us * 1e3),
        us if us < 1e3 => format!("{us:.1} µs"),
        us if us < 1e6 => format!("{:.2} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_read_from_a_tree_of_groups_and_arguments() {
        let text = "Timer precision: 10 ns\n\
            crypto            fastest       │ slowest       │ median        │ mean          │ samples │ iters\n\
            ├─ sign           280 µs        │ 401.9 µs      │ 291.5 µs      │ 295.1 µs      │ 100     │ 100\n\
            ╰─ batch                        │               │               │               │         │\n\
            \u{20}\u{20} ├─ 4           1.2 ms        │ 1.9 ms        │ 1.3 ms        │ 1.31 ms       │ 100     │ 100\n\
            \u{20}\u{20} ╰─ [1, 2]      13 µs         │ 19 µs         │ 14 µs         │ 14.1 µs       │ 100     │ 100\n";
        let figures = parse("hearth-crypto", text);
        let seen: Vec<(&str, f64)> = figures.iter().map(|f| (f.path.as_str(), f.median_us)).collect();
        assert_eq!(seen, [("crypto/sign", 291.5), ("crypto/batch/4", 1300.0), ("crypto/batch/[1, 2]", 14.0)]);
    }
}
