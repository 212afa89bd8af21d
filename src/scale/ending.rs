//! How a run that did not reach its goal is told: what is there, what is
//! missing, the way on and the way back.

use std::time::Duration;

use super::Run;
use crate::component::ComponentRef;
use crate::decide;
use crate::error::{Exit, Failure, plain};
use crate::helm;
use crate::observe::Observed;
use crate::reading::{Denied, Reading};
use crate::refusal::{Place, Refusal};
use crate::report::{ComponentReport, Outcome};
use crate::signals::Interrupt;
use crate::stuck::Stuck;
use crate::target::Target;
use crate::verdict::{Moved, Progress};

impl Run<'_> {
    pub(super) fn refused(&self, refusal: &Refusal, observed: &Observed) -> Failure {
        let failure = refusal.failure(&self.at(observed));
        match refusal {
            Refusal::NotRunning { component } => self.not_running(component, observed, failure),
            Refusal::ReleasePending { revision, .. } => self.pending(*revision, observed, failure),
            _ => failure,
        }
    }

    /// Where the release is, for a sentence.
    pub(super) fn at<'a>(&'a self, observed: &'a Observed) -> Place<'a> {
        Place { release: &observed.release.name, namespace: &self.target.namespace, flags: self.target.hint_flags() }
    }

    /// Since when an operation is pending, and the way out if it was killed.
    fn pending(&self, revision: u64, observed: &Observed, failure: Failure) -> Failure {
        let name = &observed.release.name;
        let Ok(history) = self.exec.read(&helm::whole_history(self.target, name), helm::read_whole_history) else {
            return failure;
        };
        let failure = match history.iter().find(|known| known.revision == revision) {
            Some(known) => failure.because(format!("since {}: {}", plain(&known.updated), plain(&known.description))),
            None => failure,
        };
        match history.iter().rev().find(|known| matches!(known.status.as_str(), "deployed" | "superseded")) {
            Some(well) => failure.hint(format!(
                "wait; if you are sure that it was killed: `helm rollback {name} {}{}` (which sets all counts back at once)",
                well.revision,
                self.target.hint_flags()
            )),
            None => failure,
        }
    }

    /// A component without a Deployment is switched off, or the chart does not
    /// know it: the release's values tell.
    fn not_running(&self, component: ComponentRef, observed: &Observed, failure: Failure) -> Failure {
        let release = &observed.release;
        let query = helm::values(self.target, &release.name, release.revision);
        let needs = Denied { verb: "get", resource: "secrets" };
        let runs = decide::running(observed).iter().map(|c| c.key.to_owned()).collect::<Vec<_>>();
        let failure = failure.because(format!("it runs {}", crate::observe::backticked(&runs)));
        let switch = component.switch();
        let top = switch.split('.').next().unwrap_or(component.key);
        match Reading::of(self.exec.read(&query, helm::read_value_keys), needs) {
            Reading::Known(keys) if keys.iter().any(|key| key == top) => failure
                .because(format!("it is switched off (`{switch}`); to switch it on is more than a change of a count"))
                .hint(format!("helm get values {} --all{}", release.name, self.target.hint_flags())),
            Reading::Known(_) => Failure {
                id: Some("unknown-component"),
                message: format!(
                    "chart {} of {} has no `{}`",
                    release.chart,
                    failure_place(&release.name, self.target),
                    component.key
                ),
                ..failure
            },
            Reading::Absent | Reading::Forbidden(_) | Reading::Unclear(_) => {
                failure.because("whether it is switched off or unknown to the chart could not be read")
            }
        }
    }

    pub(super) fn no_wait_of(left: usize) -> Failure {
        Failure::usage(format!(
            "`--no-wait` is for one step, and this goal takes {left}: each waits for the pods of the one before it"
        ))
        .hint("leave `--no-wait` out, or take all pods in one step with `--step all`")
    }

    /// Why it is not waited any longer.
    pub(super) fn stuck(&self, progress: &[Progress], stuck: &Stuck) -> Failure {
        let seen = progress.iter().filter(|one| !one.reached).map(ToString::to_string).collect::<Vec<_>>();
        let who = match &stuck.pod {
            Some(pod) => format!("pod `{pod}` will not become Ready"),
            None => "no more pods can be created".to_owned(),
        };
        Failure::new(stuck.id, format!("{who}, in {}", self.place()))
            .because(stuck.words.clone())
            .because(seen.join("; "))
            .hint(self.ways())
    }

    /// Somebody else's count in the middle of a run: their wish against this
    /// one, which is for people to decide.
    pub(super) fn overtaken(&self, moved: &Moved) -> Failure {
        let Moved { deployment, from, to, by } = moved;
        let by = by.as_ref().map_or(String::new(), |by| format!(" {by}"));
        Failure::new(
            "superseded",
            format!(
                "Deployment `{deployment}` was set from {from} to {to}{by} in the middle of this run, in {}",
                self.place()
            ),
        )
        .hint(self.ways())
    }

    pub(super) fn timed_out(&self, progress: &[Progress], timeout: Duration, trouble: Option<String>) -> Failure {
        let seen = progress.iter().filter(|one| !one.reached).map(ToString::to_string).collect::<Vec<_>>();
        let seen = if seen.is_empty() { vec!["the Deployment is not settled".to_owned()] } else { seen };
        let failure = Failure::new(
            "timed-out",
            format!("{} after {}, in {}", seen.join("; "), humantime::format_duration(whole(timeout)), self.place()),
        );
        let mut failure = trouble.into_iter().fold(failure, |failure, reason| failure.because(plain(&reason)));
        let waiting: Vec<_> = progress.iter().flat_map(|one| &one.waiting_for).collect();
        for (pod, status) in waiting.iter().take(5) {
            failure = failure.because(format!("pod `{pod}` is {status}"));
        }
        if waiting.len() > 5 {
            failure = failure.because(format!("and {} more", waiting.len() - 5));
        }
        failure.hint(self.ways())
    }

    pub(super) fn interrupted(&mut self, signal: Interrupt, progress: &[Progress]) -> Failure {
        self.report.outcome = Outcome::Interrupted;
        let far = if self.report.changed_something() {
            let done = self.report.steps.iter().filter(|step| step.revision.is_some()).count();
            format!("after {done} of {} steps", self.report.steps_total)
        } else {
            "before anything was changed".to_owned()
        };
        let failure = Failure {
            exit: signal.exit(),
            ..Failure::new("interrupted", format!("interrupted {far}, in {}", self.place()))
        };
        let failure = progress.iter().fold(failure, |failure, seen| failure.because(seen.to_string()));
        if self.report.components.is_empty() { failure } else { failure.hint(self.ways()) }
    }

    pub(super) fn not_interrupted(&mut self) -> Result<(), Failure> {
        match self.signals.first() {
            Some(signal) => Err(self.interrupted(signal, &[])),
            None => Ok(()),
        }
    }

    /// A reading call that a signal ended has not failed.
    pub(super) fn or_interrupted(&mut self, failure: Failure) -> Failure {
        match self.signals.first() {
            // Something was begun: its own words count, the signal decides how
            // the run ends.
            Some(signal) if failure.exit == Exit::Unverified => {
                self.report.outcome = Outcome::Interrupted;
                Failure { exit: signal.exit(), ..failure }
            }
            Some(signal) => self.interrupted(signal, &[]),
            None => failure,
        }
    }

    pub(super) fn place(&self) -> String {
        let name = self.report.release.as_ref().map_or("", |release| release.name.as_str());
        failure_place(name, self.target)
    }

    /// The way on and the way back, in absolute counts: to run them again is
    /// always safe.
    pub(super) fn ways(&self) -> String {
        let on = format!("go on with `{}`", self.command(|c| c.to));
        if self.report.changed_something() { format!("{on}, or back with `{}`", self.command(|c| c.from)) } else { on }
    }

    /// A command in absolute counts.
    pub(super) fn command(&self, count: impl Fn(&ComponentReport) -> u32) -> String {
        let name = self.report.release.as_ref().map_or("", |release| release.name.as_str());
        let targets: Vec<String> =
            self.report.components.iter().map(|c| format!("{}={}", c.component, count(c))).collect();
        format!("kubectl milvus scale {name} {}{}", targets.join(" "), self.target.hint_flags())
    }
}

fn failure_place(name: &str, target: &Target) -> String {
    if name.is_empty() {
        format!("namespace `{}`", target.namespace)
    } else {
        format!("release `{name}` in namespace `{}`", target.namespace)
    }
}

fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs().max(1))
}
