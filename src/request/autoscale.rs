//! What was asked of `autoscale`, checked.

use super::{chart_wish, release_name};
use crate::autoscale::plan::{Bounds, Wish};
use crate::chart::ChartWish;
use crate::cli;
use crate::component::{self, ComponentRef};
use crate::error::{Failure, plain};
use crate::invocation::in_a_hint;
use crate::observe::ReleaseWish;

/// A checked `autoscale`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoscaleRequest {
    /// Which release.
    pub release: ReleaseWish,
    /// The component as it was typed.
    pub spelling: String,
    /// The component it means, if any.
    pub component: Option<ComponentRef>,
    /// What is wanted for it.
    pub wish: Wish,
    /// Where the chart is, if said.
    pub chart: ChartWish,
    /// Whether it is only to be said what would be done.
    pub dry_run: bool,
}

impl AutoscaleRequest {
    /// Checks the arguments of `autoscale`.
    ///
    /// # Errors
    /// Wrong usage: what was typed can never work.
    pub fn check(arguments: &cli::Autoscale) -> Result<Self, Failure> {
        let cli::Autoscale { words, min, max, cpu, memory, grow_only, off, chart, repo, dry_run } = arguments;
        let (release, spelling) = match words.as_slice() {
            [release, spelling] => (ReleaseWish::Named(release_name(release)?), spelling),
            [spelling] => (ReleaseWish::Only, spelling),
            _ => return Err(Failure::usage("no component was named")),
        };
        if spelling.contains('=') {
            return Err(Failure::usage(format!("`{}` names a count, and an autoscaler chooses it", plain(spelling)))
                .hint("write the component alone, and its bounds as `--min N --max N`"));
        }
        let wish = match (off, min, max) {
            (true, ..) => Wish::Off,
            (false, Some(0), _) => {
                return Err(Failure::usage(
                    "`--min 0` would let an autoscaler stop every pod, and none can start them",
                )
                .hint("the smallest count is 1; to stop a component, scale it to 0 with `--allow-zero`"));
            }
            (false, Some(min), Some(max)) if min > max => {
                return Err(Failure::usage(format!("`--min {min}` is above `--max {max}`")));
            }
            (false, Some(_), Some(max)) if *max > i32::MAX.unsigned_abs() => {
                return Err(Failure::usage(format!("`--max {max}` is more than Kubernetes takes")));
            }
            (false, Some(min), Some(max)) => {
                Wish::On(Bounds { min: *min, max: *max, cpu: *cpu, memory: *memory, grow_only: *grow_only })
            }
            (false, ..) => return Err(Failure::usage("`--min` and `--max` go together")),
        };
        Ok(Self {
            release,
            component: component::find(spelling),
            spelling: plain(spelling),
            wish,
            chart: chart_wish(chart.as_deref(), repo.as_deref())?,
            dry_run: *dry_run,
        })
    }
}

impl AutoscaleRequest {
    /// The words after the program's name that ask for the same with another
    /// chart.
    #[must_use]
    pub fn words_but_the_chart(&self, release: &str) -> String {
        let key = self.component.map_or(self.spelling.as_str(), |component| component.key);
        let wish = match self.wish {
            Wish::Off => " --off".to_owned(),
            Wish::On(Bounds { min, max, cpu, memory, grow_only }) => {
                let percent = |flag: &str, said: Option<u32>| said.map(|percent| format!("{flag}={percent}"));
                in_a_hint(
                    [Some(format!("--min={min}")), Some(format!("--max={max}"))]
                        .into_iter()
                        .chain([percent("--cpu", cpu), percent("--memory", memory)])
                        .chain([grow_only.then(|| "--grow-only".to_owned())])
                        .flatten(),
                )
            }
        };
        format!("autoscale {release} {key}{wish}")
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn check(words: &str) -> Result<AutoscaleRequest, String> {
        let arguments = ["kubectl-milvus", "autoscale"].into_iter().chain(words.split_whitespace());
        let parsed = cli::Arguments::try_parse_from(arguments).map_err(|error| error.to_string())?;
        let cli::Command::Autoscale(autoscale) = parsed.command else { panic!("{words}") };
        AutoscaleRequest::check(&autoscale).map_err(|failure| {
            assert_eq!(failure.exit.code(), 2, "{failure:?}");
            failure.message
        })
    }

    #[test]
    fn the_last_word_is_the_component_and_the_one_before_it_the_release() {
        let request = check("my-release query-node --min 2 --max 5 --cpu 60% --memory 70 --grow-only").unwrap();
        assert_eq!(request.release, ReleaseWish::Named("my-release".into()));
        assert_eq!(request.component.unwrap().key, "queryNode");
        let bounds = Bounds { min: 2, max: 5, cpu: Some(60), memory: Some(70), grow_only: true };
        assert_eq!(request.wish, Wish::On(bounds));
        let request = check("qn --off").unwrap();
        assert_eq!((request.release, request.wish), (ReleaseWish::Only, Wish::Off));
        assert_eq!(check("kafka --off").unwrap().component, None);
    }

    #[test]
    fn what_can_never_work_is_wrong_usage() {
        for (words, said) in [
            ("qn --min 0 --max 3", "stop every pod"),
            ("qn --min 4 --max 3", "`--min 4` is above `--max 3`"),
            ("qn --min 1 --max 2147483648", "more than Kubernetes takes"),
            ("qn --min 1", "--max"),
            ("qn", "--min"),
            ("qn --off --min 1 --max 2", "cannot be used with"),
            ("qn --off --grow-only", "cannot be used with"),
            ("qn=3 --min 1 --max 2", "an autoscaler chooses it"),
            ("a b qn --off", "unexpected"),
            ("../x qn --off", "is not the name of a release"),
            ("qn --off --chart=--post-renderer", "is not a value"),
            ("qn --min 1 --max 2 --cpu 0", "percentage"),
        ] {
            let refused = check(words).unwrap_err();
            assert!(refused.contains(said), "{words}: {refused}");
        }
    }
}
