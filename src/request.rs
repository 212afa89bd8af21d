//! What was asked for, checked. Argument types end here.

mod autoscale;

use std::time::Duration;

pub use self::autoscale::AutoscaleRequest;
use crate::chart::ChartWish;
use crate::cli::{self, GateSources, Output};
use crate::component;
use crate::decide::{Asked, Count, Pace};
use crate::error::Failure;
use crate::gate::Sources;
use crate::handover::Grace;
use crate::invocation::in_a_hint;
use crate::observe::ReleaseWish;
use crate::status::Format;
use crate::status::text::Width;

/// A checked `scale`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaleRequest {
    /// Which release.
    pub release: ReleaseWish,
    /// What is wanted; never empty, no component twice.
    pub asked: Vec<Asked>,
    /// Where the chart is, if said.
    pub chart: ChartWish,
    /// How far the run goes.
    pub extent: Extent,
    /// Pods per step down.
    pub pace: Pace,
    /// How long a leaving pod is given.
    pub grace: Grace,
    /// What is asked between two steps down.
    pub gate: Sources,
    /// How long the gate must stay open.
    pub settle: Duration,
    /// How long one step may take; `None` is as long as is usual.
    pub timeout: Option<Duration>,
    /// Whether a component may be stopped altogether.
    pub allow_zero: bool,
    /// Whether what the proof lists is to be made first.
    pub allow_other_changes: bool,
}

/// How far a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Until the pods are seen to be there.
    Verified,
    /// Until the upgrade is done; `--no-wait`.
    Applied,
    /// Until it is known what would be done; `--dry-run`.
    Planned,
}

impl ScaleRequest {
    /// Checks the arguments of `scale`.
    ///
    /// # Errors
    /// Wrong usage: what was typed can never work.
    pub fn check(arguments: &cli::Scale) -> Result<Self, Failure> {
        let cli::Scale {
            words,
            chart,
            repo,
            dry_run,
            no_wait,
            allow_other_changes,
            step,
            grace,
            gate,
            settle,
            timeout,
            allow_zero,
        } = arguments;
        let mut release = ReleaseWish::Only;
        let mut asked: Vec<Asked> = Vec::new();
        for word in words {
            if let Some((spelling, count)) = word.split_once('=') {
                let one = target(word, spelling, count)?;
                let twice = |other: &Asked| match one.component {
                    Some(_) => other.component == one.component,
                    None => other.spelling == one.spelling,
                };
                if asked.iter().any(twice) {
                    return Err(Failure::usage(format!("`{word}` names a component that stands before it")));
                }
                asked.push(one);
            } else if let ReleaseWish::Named(first) = &release {
                return Err(Failure::usage(format!("`{first}` and `{word}` cannot both be the release"))
                    .hint("write a target as COMPONENT=COUNT, for instance queryNode=3"));
            } else {
                release = ReleaseWish::Named(release_name(word)?);
            }
        }
        if asked.is_empty() {
            return Err(Failure::usage("nothing to scale was named")
                .hint("write a target as COMPONENT=COUNT, for instance queryNode=3"));
        }
        let extent = match (dry_run, no_wait) {
            (true, _) => Extent::Planned,
            (false, true) => Extent::Applied,
            (false, false) => Extent::Verified,
        };
        Ok(Self {
            release,
            asked,
            chart: chart_wish(chart.as_deref(), repo.as_deref())?,
            extent,
            pace: *step,
            grace: grace.unwrap_or(Grace::Usual),
            gate: match gate {
                GateSources::Auto => Sources::Auto,
                GateSources::Pods => Sources::Pods,
                GateSources::None => Sources::None,
            },
            settle: *settle,
            timeout: *timeout,
            allow_zero: *allow_zero,
            allow_other_changes: *allow_other_changes,
        })
    }
}

impl ScaleRequest {
    /// What was said of the way to the goal, as flags of a command that a hint
    /// shows. Consent to other changes is not repeated: it was for one list. Nor
    /// is the timeout, which may be the reason why there is a hint.
    #[must_use]
    pub fn flags(&self, zero: bool) -> String {
        self.chart.flags() + &self.flags_but_the_chart(zero)
    }

    /// The same for a hint that asks for another chart.
    #[must_use]
    pub fn flags_but_the_chart(&self, zero: bool) -> String {
        let Self { pace, grace, gate, .. } = self;
        let said = |duration: &Duration| humantime::format_duration(*duration).to_string().replace(' ', "");
        let mut flags = Vec::new();
        flags.extend(match pace {
            Pace::Pods(1) => None,
            Pace::Pods(pods) => Some(format!("--step={pods}")),
            Pace::All => Some("--step=all".to_owned()),
        });
        flags.extend(match grace {
            Grace::Usual => None,
            Grace::Given(grace) => Some(format!("--grace={}", said(grace))),
            Grace::Chart => Some("--grace=chart".to_owned()),
        });
        flags.extend(match gate {
            Sources::Auto => None,
            Sources::Pods => Some("--gate=pods".to_owned()),
            Sources::None => Some("--gate=none".to_owned()),
        });
        flags.extend(zero.then(|| "--allow-zero".to_owned()));
        in_a_hint(flags)
    }
}

/// A checked `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRequest {
    /// Which releases.
    pub which: Which,
    /// Whether to go on after the first look.
    pub watch: bool,
    /// What is printed.
    pub format: Format,
}

/// The releases that a `status` is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one of this name.
    Named(String),
    /// Every one of the namespace.
    Namespace,
    /// Every one of the cluster.
    Everywhere,
}

impl StatusRequest {
    /// Checks the arguments of `status`.
    ///
    /// # Errors
    /// Wrong usage: the word is not the name of a release.
    pub fn check(arguments: &cli::Status, output: Output) -> Result<Self, Failure> {
        let cli::Status { release, all_namespaces, watch } = arguments;
        let which = match release {
            Some(name) => Which::Named(release_name(name)?),
            None if *all_namespaces => Which::Everywhere,
            None => Which::Namespace,
        };
        let format = match output {
            Output::Text => Format::Text(Width::Normal),
            Output::Wide => Format::Text(Width::Wide),
            Output::Json => Format::Json,
        };
        Ok(Self { which, watch: *watch, format })
    }
}

/// Where the chart is: neither can become a flag, nor carry credentials.
fn chart_wish(chart: Option<&str>, repository: Option<&str>) -> Result<ChartWish, Failure> {
    for (flag, value) in [("--chart", chart), ("--repo", repository)] {
        let Some(value) = value else { continue };
        if value.is_empty() || value.starts_with('-') {
            return Err(Failure::usage(format!("`{value}` is not a value for `{flag}`")));
        }
        if has_credentials(value) {
            // Not quoted: they would be in reports, logs and the list of processes.
            return Err(Failure::usage(format!("the address in `{flag}` has credentials in it"))
                .hint("give them to helm: `helm repo add NAME URL --username ... --password-stdin`, or `helm registry login`; then `--chart NAME/milvus`"));
        }
    }
    Ok(ChartWish { chart: chart.map(str::to_owned), repository: repository.map(str::to_owned) })
}

/// Whether an address names a user: `https://user:password@host`.
fn has_credentials(address: &str) -> bool {
    let authority = address.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|authority| authority.contains('@'))
}

/// A name that Helm takes for a release: so it can be no flag, and nothing that
/// a selector or a path would read otherwise.
fn release_name(word: &str) -> Result<String, Failure> {
    let well_formed = word.len() <= 53 && !word.is_empty() && word.split('.').all(crate::target::is_label);
    if well_formed {
        return Ok(word.to_owned());
    }
    let failure = Failure::usage(format!("`{word}` is not the name of a release"));
    Err(match component::find(word) {
        Some(component) => failure.hint(format!("write `{}=COUNT` to scale it", component.key)),
        None => failure,
    })
}

fn target(word: &str, spelling: &str, count: &str) -> Result<Asked, Failure> {
    let sign = count.chars().next();
    let digits = count.trim_start_matches(['+', '-']);
    let number = digits
        .parse::<u32>()
        .ok()
        .filter(|n| *n <= i32::MAX.unsigned_abs() && digits.chars().all(|c| c.is_ascii_digit()));
    let signs = count.len() - digits.len();
    let count = match (number, signs, sign) {
        (Some(n), 0, _) => Count::Exactly(n),
        (Some(n), 1, Some('+')) => Count::More(n),
        (Some(n), 1, Some('-')) => Count::Fewer(n),
        _ => {
            return Err(Failure::usage(format!("`{word}` has no count"))
                .because("a count is a whole number such as 3, or a change such as +2 or -1"));
        }
    };
    if spelling.is_empty() {
        return Err(Failure::usage(format!("`{word}` names no component"))
            .hint("write a target as COMPONENT=COUNT, for instance queryNode=3"));
    }
    Ok(Asked { spelling: crate::error::plain(spelling), component: component::find(spelling), count })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn check(words: &str) -> Result<ScaleRequest, String> {
        let arguments = ["kubectl-milvus", "scale"].into_iter().chain(words.split_whitespace());
        let parsed = cli::Arguments::try_parse_from(arguments).map_err(|e| e.to_string())?;
        let cli::Command::Scale(scale) = parsed.command else { panic!("{words}") };
        ScaleRequest::check(&scale).map_err(|failure| {
            assert_eq!(failure.exit.code(), 2, "{failure:?}");
            failure.message
        })
    }

    fn counts(words: &str) -> Vec<(String, Count)> {
        check(words).unwrap().asked.into_iter().map(|a| (a.component.unwrap().key.to_owned(), a.count)).collect()
    }

    #[test]
    fn an_argument_with_an_equals_sign_is_a_target_and_the_other_the_release() {
        assert_eq!(check("qn=3").unwrap().release, ReleaseWish::Only);
        for words in ["rel qn=3 proxy=+2", "qn=3 rel proxy=+2", "qn=3 proxy=+2 rel"] {
            assert_eq!(check(words).unwrap().release, ReleaseWish::Named("rel".into()));
            assert_eq!(counts(words), [("queryNode".into(), Count::Exactly(3)), ("proxy".into(), Count::More(2))]);
        }
        assert_eq!(counts("dn=-1"), [("dataNode".into(), Count::Fewer(1))]);
    }

    #[test]
    fn what_is_not_a_count_is_refused() {
        for count in
            ["", "abc", "2.7", "++1", "+-1", "1e3", "-", "+", "99999999999", "2147483648", "３", "3,proxy.replicas=9"]
        {
            let said = check(&format!("rel qn={count}")).unwrap_err();
            assert!(said.contains("has no count"), "{count}: {said}");
        }
    }

    #[test]
    fn a_release_cannot_become_a_flag_or_a_path() {
        for name in ["../x", "a/b", "A", "a_b", "a..b", "x{1}", "a=b,c"] {
            assert!(check(&format!("{name} qn=3")).is_err(), "{name}");
        }
        assert!(check("qn=3 -- --post-renderer").is_err());
    }

    #[test]
    fn a_component_twice_two_releases_and_no_target_are_refused() {
        assert!(check("rel qn=3 querynode=4").unwrap_err().contains("stands before it"));
        assert!(check("one two qn=3").unwrap_err().contains("cannot both be the release"));
        assert!(check("rel").unwrap_err().contains("nothing to scale"));
        assert!(check("rel =3").unwrap_err().contains("names no component"));
    }

    #[test]
    fn a_status_is_about_one_release_a_namespace_or_all() {
        let which = |words: &str| {
            let arguments = ["kubectl-milvus", "status"].into_iter().chain(words.split_whitespace());
            let parsed = cli::Arguments::try_parse_from(arguments).map_err(|failed| failed.to_string())?;
            let cli::Command::Status(status) = parsed.command else { panic!("another command") };
            StatusRequest::check(&status, Output::Text).map(|request| request.which).map_err(|f| f.message)
        };
        assert_eq!(which("rel"), Ok(Which::Named("rel".into())));
        assert_eq!(which(""), Ok(Which::Namespace));
        assert_eq!(which("-A"), Ok(Which::Everywhere));
        assert!(which("rel -A").unwrap_err().contains("cannot be used with"));
        assert!(which("rel/x").unwrap_err().contains("is not the name of a release"));
        assert!(which("one two").is_err());
    }

    #[test]
    fn a_chart_cannot_become_a_flag() {
        assert!(check("qn=3 --chart=--post-renderer").is_err());
        assert!(check("qn=3 --repo=").is_err());
    }

    #[test]
    fn an_address_with_credentials_is_refused_and_not_repeated() {
        for flag in ["--repo", "--chart"] {
            let said = check(&format!("qn=3 {flag}=https://ci:planted@host/charts")).unwrap_err();
            assert!(!said.contains("planted"), "{said}");
        }
        assert!(check("qn=3 --repo=https://host/a@b --chart=oci://host/milvus@sha256:0").is_ok());
    }
}
