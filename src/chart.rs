//! Where the installed chart is: what the user said, else the user's Helm
//! repositories, else the official one. Always the installed version.

use std::path::Path;

use serde::Deserialize;

use crate::error::Failure;
use crate::exec::Exec;
use crate::helm::{self, Upgrade, templates};
use crate::invocation::{Invocation, Program, Query, in_a_hint};
use crate::release::{ChartVersion, Release};
use crate::target::Target;

/// The official repository of the Milvus chart. An older one, of the
/// `milvus-io` organisation, ends at chart 4.0.31.
pub const OFFICIAL_REPOSITORY: &str = "https://zilliztech.github.io/milvus-helm";

/// Where Helm is to take the chart from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartSource {
    chart: String,
    repository: Option<String>,
}

impl ChartSource {
    /// A chart as `helm upgrade` takes it: `repo/name`, a path, a .tgz, `oci://`.
    #[must_use]
    pub fn named(chart: impl Into<String>) -> Self {
        Self { chart: chart.into(), repository: None }
    }

    /// A chart of a repository that need not be in the user's list.
    #[must_use]
    pub fn in_repository(chart: impl Into<String>, url: impl Into<String>) -> Self {
        Self { chart: chart.into(), repository: Some(url.into()) }
    }

    /// The words for Helm's command line.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![self.chart.clone()];
        words.extend(self.repository.iter().map(|url| format!("--repo={url}")));
        words
    }
}

impl std::fmt::Display for ChartSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.chart)?;
        self.repository.iter().try_for_each(|url| write!(out, " from {url}"))
    }
}

/// What `--chart` and `--repo` said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChartWish {
    /// `--chart`.
    pub chart: Option<String>,
    /// `--repo`.
    pub repository: Option<String>,
}

impl ChartWish {
    /// Whether anything was said.
    #[must_use]
    pub fn is_said(&self) -> bool {
        self.chart.is_some() || self.repository.is_some()
    }

    /// What was said, as flags of a command that a hint shows; each has a space
    /// before it.
    #[must_use]
    pub fn flags(&self) -> String {
        let chart = self.chart.as_ref().map(|chart| format!("--chart={chart}"));
        let repository = self.repository.as_ref().map(|url| format!("--repo={url}"));
        in_a_hint(chart.into_iter().chain(repository))
    }
}

/// Where the chart of the installed version may be, best first; never empty.
/// Which of several it is, the proof tells: the one that renders the release.
///
/// # Errors
/// `chart-not-found` where no source has that version; `chart-differs` where
/// the one that was named is another chart or version.
pub fn find(exec: &Exec, wish: &ChartWish, installed: &ChartVersion) -> Result<Vec<ChartSource>, Failure> {
    let named = wish.chart.clone().unwrap_or_else(|| installed.name.clone());
    let source = match (&wish.chart, &wish.repository) {
        (_, Some(url)) => ChartSource::in_repository(named, url),
        (Some(_), None) => ChartSource::named(named),
        (None, None) => return in_repositories(exec, installed),
    };
    let found = show(exec, &source, installed)?;
    if found == *installed {
        return Ok(vec![source]);
    }
    Err(Failure::new(
        "chart-differs",
        format!("`{source}` is chart `{found}`, but the release was installed from `{installed}`"),
    )
    .because("scaling with another chart would upgrade the release")
    .hint(format!(
        "name the installed version, for instance `helm pull {} --version {}`",
        installed.name, installed.version
    )))
}

/// Whether the chart of an upgrade is the very one that the release was
/// installed from, by its templates. `None` where that cannot be read.
pub fn is_the_installed(exec: &Exec, target: &Target, release: &Release, upgrade: &Upgrade<'_>) -> Option<bool> {
    let stored = templates::stored(target, &release.name, release.revision);
    let stored = exec.read(&stored, templates::read_stored).ok().filter(|stored| !stored.is_empty())?;
    let theirs = exec.read(&helm::dry_upgrade(target, upgrade), templates::read_rendered).ok()?;
    Some(stored == theirs)
}

fn in_repositories(exec: &Exec, installed: &ChartVersion) -> Result<Vec<ChartSource>, Failure> {
    // Helm fails where no repository is configured; that is no hindrance.
    let found = exec.read(&helm::search(installed), |output| helm::read_search(output, installed)).unwrap_or_default();
    let theirs = found.into_iter().map(ChartSource::named);
    let official = ChartSource::in_repository(&installed.name, OFFICIAL_REPOSITORY);
    let (shadowed, places): (Vec<_>, Vec<_>) =
        theirs.chain(std::iter::once(official.clone())).partition(ChartSource::is_shadowed);
    match (places.as_slice(), shadowed.first()) {
        ([], Some(source)) => Err(Failure::new(
            "chart-not-found",
            format!("helm would take the folder `{}` of the current directory for the chart `{source}`", source.chart),
        )
        .hint("run the command from another directory, or name the chart with `--chart`")),
        ([only], _) if *only == official => match show(exec, &official, installed) {
            Ok(_) => Ok(places),
            Err(failure) => Err(failure.hint(
                "`helm repo add` the repository that has it, or name the chart with `--chart` (a name, folder, .tgz or oci:// address)",
            )),
        },
        _ => Ok(places),
    }
}

impl ChartSource {
    /// Whether Helm would take something in the current directory for it: it
    /// looks there before it looks into any repository (3.22, 4.3), whatever its
    /// version.
    fn is_shadowed(&self) -> bool {
        Path::new(&self.chart).exists()
    }
}

/// `helm show chart`: a name and version without rendering anything. A folder
/// or archive answers whatever version is asked for.
fn show(exec: &Exec, source: &ChartSource, installed: &ChartVersion) -> Result<ChartVersion, Failure> {
    #[derive(Deserialize)]
    struct Chart {
        name: String,
        version: String,
    }
    let call = Invocation::new(Program::Helm, ["show", "chart"])
        .words(source.words())
        .word("--version")
        .word(&installed.version);
    let chart: Chart = exec
        .read(&Query(call), |output| {
            let text = helm::read_text(output)?;
            serde_saphyr::from_str(&text).map_err(|_| "it is not the YAML of a chart".to_owned())
        })
        .map_err(|failed| {
            Failure::new("chart-not-found", format!("cannot find chart `{installed}` in `{source}`"))
                .because(failed.to_string())
                .because_said(failed.stderr())
        })?;
    Ok(ChartVersion { name: chart.name, version: chart.version })
}
