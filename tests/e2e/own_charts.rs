//! Charts that a test changes: the sample chart with one template more.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::{SLIM, Sandbox};

/// The sample charts, a folder and an archive each.
pub fn charts() -> PathBuf {
    PathBuf::from(env::var_os("SANDBOX_CHARTS").unwrap())
}

/// A copy of the chart of this version with one more template, in a folder of
/// this name.
pub fn with_template(sandbox: &Sandbox, version: &str, folder: &str, template: &str) -> PathBuf {
    let copy = sandbox.home().join(folder);
    let original = charts().join(format!("milvus-{version}"));
    assert!(Command::new("cp").arg("-R").arg(original).arg(&copy).status().unwrap().success());
    fs::write(copy.join("templates/more.yaml"), template).unwrap();
    copy
}

/// Installs a chart of a folder, with few dependencies.
pub fn install(sandbox: &Sandbox, release: &str, chart: &Path, set: &str) {
    let set = [SLIM, set].join(",");
    let chart = chart.display().to_string();
    sandbox.helm(&["install", release, &chart, "--set", set.trim_end_matches(','), "--wait"]);
}

/// `--chart=FOLDER`
pub fn flag(chart: &Path) -> String {
    format!("--chart={}", chart.display())
}
