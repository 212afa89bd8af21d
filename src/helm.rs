//! Helm's command line: one function per subcommand that is used, building the
//! call or reading its answer. Both majors are served; where they differ, it
//! is said here.

mod record;
pub mod templates;

use std::io::BufRead;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use self::record::{Record, read_record, record};
use crate::chart::ChartSource;
use crate::exec::CallFailure;
use crate::invocation::{Change, Invocation, Program, Query};
use crate::release::{Apply, ChartVersion};
use crate::target::Target;

/// `helm list`: every release of the namespace, whatever its status.
#[must_use]
pub fn list(target: &Target) -> Query {
    Query(list_call().words(target.helm_flags()))
}

/// [`list`] of all namespaces.
#[must_use]
pub fn list_everywhere(target: &Target) -> Query {
    Query(list_call().words(target.helm_flags_everywhere()))
}

/// The statuses are named one by one because Helm 4 has no `--all`.
fn list_call() -> Invocation {
    let statuses = ["--deployed", "--failed", "--pending", "--uninstalling"];
    Invocation::new(Program::Helm, ["list", "--output=json", "--max=0"].into_iter().chain(statuses))
}

/// `helm get metadata` of one revision; Helm 3.13 and newer.
#[must_use]
pub fn metadata(target: &Target, release: &str, revision: u64) -> Query {
    query(target, ["get", "metadata", release, "--output=json", &format!("--revision={revision}")])
}

/// `helm get manifest` of one revision. Its output holds secrets.
#[must_use]
pub fn manifest(target: &Target, release: &str, revision: u64) -> Query {
    query(target, ["get", "manifest", release, &format!("--revision={revision}")])
}

/// `helm get values --all` of one revision: user values over the chart's. Its
/// output holds secrets.
#[must_use]
pub fn values(target: &Target, release: &str, revision: u64) -> Query {
    query(target, ["get", "values", release, "--all", "--output=json", &format!("--revision={revision}")])
}

/// `helm history` of the newest revision: the cheapest look at revision and
/// status, and the only one that shows `pending-*` with its description.
#[must_use]
pub fn history(target: &Target, release: &str) -> Query {
    query(target, ["history", release, "--max=1", "--output=json"])
}

/// `helm history` from the first revision that is kept; by itself Helm stops at
/// the newest 256.
#[must_use]
pub fn whole_history(target: &Target, release: &str) -> Query {
    query(target, ["history", release, "--max=65536", "--output=json"])
}

/// `helm search repo`: which of the user's repositories hold this chart in
/// this version, from the indexes on disk.
#[must_use]
pub fn search(chart: &ChartVersion) -> Query {
    let call = Invocation::new(Program::Helm, ["search", "repo", &chart.name])
        .word(format!("--version={}", chart.version))
        .word("--output=json");
    Query(call)
}

/// One upgrade of a release. The dry run that proves it and the change that
/// makes it are built from the same value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade<'a> {
    /// The release's name.
    pub release: &'a str,
    /// Where the installed chart is.
    pub source: &'a ChartSource,
    /// The installed version: scaling never upgrades.
    pub version: &'a str,
    /// What is set; every other value is kept.
    pub set: &'a [Setting],
    /// The text that `helm history` will show.
    pub description: &'a str,
    /// How many revisions Helm keeps, where its own setting would drop the
    /// revision from before this run.
    pub history_max: Option<u64>,
    /// How the release is written. On the server, a count that anyone but Helm
    /// has ever set ends in a conflict and a failed revision (measured, Helm
    /// 4.3.1), also when the values agree again: there conflicts are forced,
    /// which the proof makes safe.
    pub apply: Apply,
}

/// A values key and what it is set to: nothing that a user typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// `queryNode.replicas=3`
    Count(String, u32),
    /// `etcd.initialClusterState=new`
    Word(&'static str, &'static str),
    /// `queryNode.hpa.enabled=true`
    Switch(String, bool),
}

impl std::fmt::Display for Setting {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(key, count) => write!(out, "{key}={count}"),
            Self::Word(key, word) => write!(out, "{key}={word}"),
            Self::Switch(key, on) => write!(out, "{key}={on}"),
        }
    }
}

/// `helm upgrade` that keeps every value but those set, and runs no hook.
#[must_use]
pub fn upgrade(target: &Target, upgrade: &Upgrade<'_>) -> Change {
    Change(upgrade_call(target, upgrade))
}

/// The same upgrade, rendered with the server's help and not made. Its output
/// holds secrets.
#[must_use]
pub fn dry_upgrade(target: &Target, upgrade: &Upgrade<'_>) -> Query {
    Query(upgrade_call(target, upgrade).word("--dry-run=server").word("--output=json"))
}

fn upgrade_call(target: &Target, upgrade: &Upgrade<'_>) -> Invocation {
    let Upgrade { release, source, version, set, description, history_max, apply } = upgrade;
    let forced = (*apply == Apply::ServerSide).then(|| "--force-conflicts".to_owned());
    Invocation::new(Program::Helm, ["upgrade", release])
        .words(source.words())
        .word("--version")
        .word(*version)
        .word("--reuse-values")
        .words(set.iter().flat_map(|setting| ["--set".to_owned(), setting.to_string()]))
        .word("--no-hooks")
        .words(forced)
        .words(history_max.iter().map(|n| format!("--history-max={n}")))
        .word(format!("--description={description}"))
        .words(target.helm_flags())
}

fn query<'a>(target: &Target, words: impl IntoIterator<Item = &'a str>) -> Query {
    Query(Invocation::new(Program::Helm, words).words(target.helm_flags()))
}

/// A release as `helm list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Listed {
    /// The release's name.
    pub name: String,
    /// Chart name and version, glued together by a hyphen.
    pub chart: String,
    /// Its namespace.
    #[serde(default)]
    pub namespace: String,
}

impl Listed {
    /// Whether the chart is the one called `name`: a version follows, which
    /// begins with a digit (so that `milvus-operator-1.0.0` is not `milvus`).
    #[must_use]
    pub fn is_of_chart(&self, name: &str) -> bool {
        self.chart
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
    }
}

/// Reads [`list`].
pub fn read_list(output: &mut dyn BufRead) -> Result<Vec<Listed>, String> {
    json(output)
}

/// Reads how the release is applied out of [`metadata`]: of a [`record()`] that
/// does not tell.
pub fn read_apply(output: &mut dyn BufRead) -> Result<Apply, String> {
    #[derive(Deserialize)]
    struct Metadata {
        // Helm 4 only.
        #[serde(rename = "applyMethod")]
        apply_method: Option<String>,
    }
    let read: Metadata = json(output)?;
    Ok(match read.apply_method.as_deref() {
        Some("ssa") => Apply::ServerSide,
        _ => Apply::ClientSide,
    })
}

/// The newest revision as [`history`] shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Revision {
    /// Its number.
    pub revision: u64,
    /// Its status, as Helm names it.
    pub status: String,
    /// When it was written, RFC 3339.
    pub updated: String,
    /// What it says of itself.
    #[serde(default)]
    pub description: String,
}

/// Reads [`history`].
pub fn read_history(output: &mut dyn BufRead) -> Result<Revision, String> {
    let revisions: Vec<Revision> = json(output)?;
    revisions.into_iter().next_back().ok_or_else(|| "the history is empty".to_owned())
}

/// Reads [`whole_history`], oldest first.
pub fn read_whole_history(output: &mut dyn BufRead) -> Result<Vec<Revision>, String> {
    json(output)
}

/// Reads [`search`]: the full names of the charts that bear exactly this name
/// and version, in the order in which Helm lists them.
pub fn read_search(output: &mut dyn BufRead, chart: &ChartVersion) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Found {
        name: String,
        version: String,
    }
    let found: Vec<Found> = json(output)?;
    let same =
        |f: &Found| f.version == chart.version && f.name.rsplit_once('/').is_some_and(|(_, name)| name == chart.name);
    Ok(found.into_iter().filter(same).map(|f| f.name).collect())
}

/// Reads [`values`]. They hold secrets.
pub fn read_values(output: &mut dyn BufRead) -> Result<serde_json::Value, String> {
    json(output)
}

/// Reads the top-level keys of [`values`]; the values themselves are let go.
pub fn read_value_keys(output: &mut dyn BufRead) -> Result<Vec<String>, String> {
    let values: serde_json::Map<String, serde_json::Value> = json(output)?;
    Ok(values.into_iter().map(|(key, _)| key).collect())
}

/// Reads the manifest out of [`dry_upgrade`]'s answer, which also holds the
/// whole chart and the values.
pub fn read_rendered(output: &mut dyn BufRead) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Rendered {
        manifest: String,
    }
    json(output).map(|Rendered { manifest }| manifest)
}

/// Reads [`manifest`].
pub fn read_text(output: &mut dyn BufRead) -> Result<String, String> {
    let mut text = String::new();
    output.read_to_string(&mut text).map_err(|failed| failed.to_string())?;
    Ok(text)
}

/// Reads the one JSON document of an answer. Helm prints warnings about foreign
/// plugins on standard output before it (3.18 and newer): the document begins
/// at the first line that begins like one.
fn json<T: DeserializeOwned>(output: &mut dyn BufRead) -> Result<T, String> {
    loop {
        let buffered = output.fill_buf().map_err(|failed| failed.to_string())?;
        match buffered.first() {
            None => return Err("there is no JSON in it".to_owned()),
            Some(b'{' | b'[') => break,
            Some(_) => {}
        }
        let mut skipped = Vec::new();
        output.read_until(b'\n', &mut skipped).map_err(|failed| failed.to_string())?;
    }
    // Positions and kinds only: the document may hold secrets.
    serde_json::from_reader(output)
        .map_err(|failed| format!("no such JSON at line {}, column {}", failed.line(), failed.column()))
}

/// What Helm means by a failure that has no JSON and no exit code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// There is no release of that name.
    NoSuchRelease,
    /// The cluster cannot be reached.
    Unreachable,
    /// The API server says no.
    Forbidden,
    /// An option, or what it takes, is unknown: this Helm is too old.
    TooOld,
    /// Another operation on the release is under way.
    Pending,
    /// Something else.
    Unknown,
}

/// Reads Helm's own words, the last resort. The samples in the test below are
/// captured from Helm 3.22.0 and 4.3.1.
#[must_use]
pub fn meaning(failure: &CallFailure) -> Meaning {
    let said = failure.stderr();
    let has = |text: &str| said.contains(text);
    if has("release: not found") {
        Meaning::NoSuchRelease
    } else if has("cluster unreachable")
        || has("connect: connection refused")
        || has("no such host")
        || has("i/o timeout")
    {
        Meaning::Unreachable
    } else if has(" is forbidden: ") {
        Meaning::Forbidden
    } else if has("unknown command") || has("unknown flag") || has("invalid argument \"server\" for \"--dry-run\"") {
        Meaning::TooOld
    } else if has("another operation (install/upgrade/rollback) is in progress") {
        Meaning::Pending
    } else {
        Meaning::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Connection, Environment};

    fn target() -> Target {
        let connection = Connection { namespace: Some("vectors".into()), ..Connection::default() };
        Target::resolve(&connection, &Environment::default()).unwrap()
    }

    #[test]
    fn an_upgrade_pins_the_version_and_sets_nothing_but_counts() {
        let source = ChartSource::named("milvus/milvus");
        let order = Upgrade {
            release: "rel",
            source: &source,
            version: "5.0.19",
            set: &[
                Setting::Count("queryNode.replicas".to_owned(), 3),
                Setting::Word("etcd.initialClusterState", "new"),
            ],
            description: "queryNode 1 to 3",
            history_max: None,
            apply: Apply::ClientSide,
        };
        insta::assert_snapshot!(
            upgrade(&target(), &order).0,
            @"helm upgrade rel milvus/milvus --version 5.0.19 --reuse-values --set queryNode.replicas=3 --set etcd.initialClusterState=new --no-hooks '--description=queryNode 1 to 3' --namespace=vectors"
        );
    }

    #[test]
    fn the_proof_renders_the_very_upgrade_and_the_server_forces_no_one_else() {
        let source = ChartSource::named("milvus/milvus");
        let order = Upgrade {
            release: "rel",
            source: &source,
            version: "5.0.19",
            set: &[],
            description: "d",
            history_max: Some(14),
            apply: Apply::ServerSide,
        };
        let made = upgrade(&target(), &order).0.to_string();
        assert_eq!(dry_upgrade(&target(), &order).0.to_string(), format!("{made} --dry-run=server --output=json"));
        assert!(made.contains("--force-conflicts") && made.contains("--history-max=14"), "{made}");
    }

    #[test]
    fn warnings_before_the_json_are_skipped() {
        let mut output =
            "WARNING: both 'platformCommand' and 'command' are set\n[{\"name\":\"rel\",\"chart\":\"milvus-5.0.19\"}]\n"
                .as_bytes();
        assert_eq!(read_list(&mut output).unwrap()[0].name, "rel");
        assert!(read_list(&mut "no json at all\n".as_bytes()).is_err());
        assert!(read_list(&mut "".as_bytes()).is_err());
        assert!(read_list(&mut "[{\"name\":".as_bytes()).is_err());
    }

    #[test]
    fn a_chart_is_told_from_others_whose_names_begin_alike() {
        let listed = |chart: &str| Listed { name: "r".into(), chart: chart.into(), namespace: "n".into() };
        assert!(listed("milvus-5.0.19").is_of_chart("milvus"));
        assert!(!listed("milvus-operator-1.3.8").is_of_chart("milvus"));
        assert!(!listed("my-milvus-5.0.19").is_of_chart("milvus"));
    }

    #[test]
    fn only_charts_of_exactly_this_name_and_version_are_found() {
        let chart = ChartVersion { name: "milvus".into(), version: "5.0.19".into() };
        let mut output = br#"[{"name":"a/milvus","version":"5.0.19"},{"name":"a/milvus-operator","version":"5.0.19"},{"name":"b/milvus","version":"5.0.20"}]"#.as_slice();
        assert_eq!(read_search(&mut output, &chart).unwrap(), ["a/milvus"]);
    }

    #[test]
    fn helms_own_words_are_understood() {
        for (said, expected) in [
            ("Error: release: not found", Meaning::NoSuchRelease),
            (
                "Error: Kubernetes cluster unreachable: Get \"https://127.0.0.1:1/version\": dial tcp 127.0.0.1:1: connect: connection refused",
                Meaning::Unreachable,
            ),
            (
                "Error: query: failed to query with labels: secrets is forbidden: User \"jane\" cannot list resource \"secrets\" in API group \"\" in the namespace \"default\"",
                Meaning::Forbidden,
            ),
            ("Error: unknown flag: --output", Meaning::TooOld),
            (
                "Error: invalid argument \"server\" for \"--dry-run\" flag: strconv.ParseBool: parsing \"server\": invalid syntax",
                Meaning::TooOld,
            ),
            ("Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress", Meaning::Pending),
            ("Error: something new", Meaning::Unknown),
        ] {
            let failure =
                CallFailure::Ended { line: "helm".into(), status: "exit status 1".into(), stderr: said.into() };
            assert_eq!(meaning(&failure), expected, "{said}");
        }
    }
}
