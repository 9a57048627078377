//! The table of faults names tests that exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Faults of the network, of consensus and of partial signatures.
const FAULTS: std::ops::RangeInclusive<usize> = 1..=34;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every function right below a line that makes it a test.
fn tests_of(root: &Path) -> BTreeSet<String> {
    let mut files = Vec::new();
    for folder in ["crates", "tests"] {
        sources(&root.join(folder), &mut files);
    }
    let mut tests = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).expect("a source file");
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ") {
                if is_test {
                    tests.extend(name.split('(').next().map(str::to_owned));
                }
                is_test = false;
            } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            }
        }
    }
    tests
}

#[test]
fn each_fault_has_a_test_that_provokes_it_or_says_that_it_has_none() {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in a folder of the project");
    let table = std::fs::read_to_string(root.join("docs/faults.md")).expect("the table of faults");
    let tests = tests_of(root);
    let mut numbers = Vec::new();
    for line in table.lines().filter_map(|line| line.strip_prefix("| ")) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let Some(number) = cells.first().and_then(|cell| cell.trim().parse::<usize>().ok()) else { continue };
        numbers.push(number);
        let [_, _, does, shown] = cells[..] else { panic!("fault {number} has another number of columns") };
        let named: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty() || does.starts_with("not yet"), "fault {number} has no test");
        for name in named {
            assert!(tests.contains(name), "fault {number}: there is no test {name}");
        }
    }
    assert_eq!(numbers, FAULTS.collect::<Vec<_>>());
}
