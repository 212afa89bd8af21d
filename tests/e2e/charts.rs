//! Where the chart is taken from: always the installed version, or none.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::refusals::refused;
use crate::sandbox::{Helm, Sandbox};

/// Installed although the repository has a newer one.
const INSTALLED: &str = "5.0.17";

fn charts() -> PathBuf {
    PathBuf::from(env::var_os("SANDBOX_CHARTS").unwrap())
}

fn copy(chart: &str, to: &Path) {
    let status = Command::new("cp").arg("-R").arg(charts().join(chart)).arg(to).status();
    assert!(status.unwrap().success());
}

#[test]
fn a_chart_that_is_named_is_used_if_it_is_the_installed_version() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", INSTALLED, "");
    fs::remove_dir_all(sandbox.home().join("helm")).unwrap();
    let folder = charts().join("milvus-5.0.17").display().to_string();
    let repository = env::var("SANDBOX_REPOSITORY").unwrap();
    for (count, source) in [
        (2, format!("--chart={folder}")),
        (3, format!("--chart={folder}.tgz")),
        (4, format!("--repo={repository}")),
        (5, format!("--chart={repository}/milvus-5.0.17.tgz")),
    ] {
        sandbox.milvus(&format!("scale rel querynode={count}")).word(&source).end().exits(0);
    }
    assert!(sandbox.history("rel").iter().all(|revision| revision.chart == "milvus-5.0.17"));
}

#[test]
fn another_chart_or_version_is_refused() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", INSTALLED, "");
    for chart in ["milvus-5.0.19", "other-1.2.3", "milvus-5.0.19.tgz"] {
        copy(chart, &sandbox.home().join(chart));
    }
    let refuse = |flag: &str| refused(&sandbox, sandbox.milvus("scale rel querynode=3").word(flag));
    insta::assert_snapshot!(refuse("--chart=./milvus-5.0.19"), @"
    error: `./milvus-5.0.19` is chart `milvus-5.0.19`, but the release was installed from `milvus-5.0.17` (chart-differs)
    caused by: scaling with another chart would upgrade the release

    hint: name the installed version, for instance `helm pull milvus --version 5.0.17`
    ");
    insta::assert_snapshot!(refuse("--chart=milvus-5.0.19.tgz"), @"
    error: `milvus-5.0.19.tgz` is chart `milvus-5.0.19`, but the release was installed from `milvus-5.0.17` (chart-differs)
    caused by: scaling with another chart would upgrade the release

    hint: name the installed version, for instance `helm pull milvus --version 5.0.17`
    ");
    insta::assert_snapshot!(refuse("--chart=./other-1.2.3"), @"
    error: `./other-1.2.3` is chart `other-1.2.3`, but the release was installed from `milvus-5.0.17` (chart-differs)
    caused by: scaling with another chart would upgrade the release

    hint: name the installed version, for instance `helm pull milvus --version 5.0.17`
    ");
    insta::assert_snapshot!(refuse("--chart=./nowhere"), @r#"
    error: cannot find chart `milvus-5.0.17` in `./nowhere` (chart-not-found)
    caused by: `helm show chart ./nowhere --version 5.0.17` ended with exit status 1
    caused by: path "./nowhere" not found
    "#);
    insta::assert_snapshot!(refuse("--chart=milvus/nothing"), @r#"
    error: cannot find chart `milvus-5.0.17` in `milvus/nothing` (chart-not-found)
    caused by: `helm show chart milvus/nothing --version 5.0.17` ended with exit status 1
    caused by: chart "nothing" matching 5.0.17 not found in milvus index. (try 'helm repo update'): no chart name found
    "#);
    insta::assert_snapshot!(refuse("--repo=http://127.0.0.1:1"), @r#"
    error: cannot find chart `milvus-5.0.17` in `milvus from http://127.0.0.1:PORT` (chart-not-found)
    caused by: `helm show chart milvus --repo=http://127.0.0.1:PORT --version 5.0.17` ended with exit status 1
    caused by: looks like "http://127.0.0.1:PORT" is not a valid chart repository or cannot be reached: Get "http://127.0.0.1:PORT/index.yaml": dial tcp 127.0.0.1:PORT: connect: connection refused
    "#);
    insta::assert_snapshot!(refuse("--chart=$(id)"), @"
    error: cannot find chart `milvus-5.0.17` in `$(id)` (chart-not-found)
    caused by: `helm show chart '$(id)' --version 5.0.17` ended with exit status 1
    caused by: non-absolute URLs should be in form of repo_name/path_to_chart, got: $(id)
    ");
}

#[test]
fn a_version_that_is_gone_from_the_repository_is_told_and_not_replaced() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", INSTALLED, "");
    let index = sandbox.home().join("helm/cache/repository/milvus-index.yaml");
    let without = without_version(&index);
    fs::write(&index, without).unwrap();
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel querynode=3")), @r#"
    error: cannot find chart `milvus-5.0.17` in `milvus from https://zilliztech.github.io/milvus-helm` (chart-not-found)
    caused by: `helm show chart milvus --repo=https://zilliztech.github.io/milvus-helm --version 5.0.17` ended with exit status 1
    caused by: looks like "https://zilliztech.github.io/milvus-helm" is not a valid chart repository or cannot be reached: Get "https://zilliztech.github.io/milvus-helm/index.yaml": proxyconnect tcp: dial tcp 127.0.0.1:PORT: connect: connection refused

    hint: `helm repo add` the repository that has it, or name the chart with `--chart` (a name, folder, .tgz or oci:// address)
    "#);
}

/// The index of a repository without the installed version.
fn without_version(index: &Path) -> String {
    let text = fs::read_to_string(index).unwrap();
    let mut entries: Vec<String> = Vec::new();
    for line in text.lines() {
        match entries.last_mut() {
            Some(entry) if !line.starts_with("  - ") && line.starts_with("    ") => *entry += &format!("\n{line}"),
            _ => entries.push(line.to_owned()),
        }
    }
    let left: Vec<String> =
        entries.iter().filter(|entry| !entry.contains(&format!("\n    version: {INSTALLED}"))).cloned().collect();
    assert_eq!(left.len() + 1, entries.len(), "the index looks otherwise");
    left.join("\n")
}

#[test]
fn a_folder_of_the_charts_name_is_not_taken_for_the_chart() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", INSTALLED, "");
    let directory = sandbox.home().join("work");
    fs::create_dir_all(directory.join("milvus")).unwrap();
    copy("milvus-5.0.19", &directory.join("milvus/milvus"));
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel querynode=3").current_dir(&directory)), @"
    error: helm would take the folder `milvus/milvus` of the current directory for the chart `milvus/milvus` (chart-not-found)

    hint: run the command from another directory, or name the chart with `--chart`
    ");
    // Only the official place is hidden by this one.
    fs::remove_dir_all(directory.join("milvus/milvus")).unwrap();
    let said = sandbox.milvus("scale rel querynode=2").current_dir(&directory).end();
    assert!(said.exits(0).stderr.contains("chart milvus-5.0.17 (milvus/milvus)"), "{said}");
}
