//! How a run that did not reach its goal is told: what is there, what is
//! missing, the way on and the way back.

use std::time::Duration;

use super::Run;
use crate::error::{Exit, Failure, plain};
use crate::explain;
use crate::observe::Observed;
use crate::refusal::{Place, Refusal};
use crate::report::{ComponentReport, Outcome};
use crate::signals::Interrupt;
use crate::stuck::Stuck;
use crate::verdict::{Moved, Progress};

impl Run<'_> {
    pub(super) fn refused(&self, refusal: &Refusal, observed: &Observed) -> Failure {
        explain::refused(self.exec, self.target, refusal, observed)
    }

    /// Where the release is, for a sentence.
    pub(super) fn at<'a>(&'a self, observed: &'a Observed) -> Place<'a> {
        Place { release: &observed.release.name, namespace: &self.target.namespace, flags: self.target.hint_flags() }
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
        explain::place(name, self.target)
    }

    /// The way on and the way back, in absolute counts: to run them again is
    /// always safe.
    pub(super) fn ways(&self) -> String {
        let on = format!("go on with `{}`", self.command(|c| c.to));
        if self.report.changed_something() { format!("{on}, or back with `{}`", self.command(|c| c.from)) } else { on }
    }

    /// The command that also makes what the proof lists.
    pub(super) fn consent(&self) -> String {
        format!("{} --allow-other-changes", self.command(|c| c.to))
    }

    /// A command in absolute counts.
    pub(super) fn command(&self, count: impl Fn(&ComponentReport) -> u32) -> String {
        let name = self.report.release.as_ref().map_or("", |release| release.name.as_str());
        let targets: Vec<String> =
            self.report.components.iter().map(|c| format!("{}={}", c.component, count(c))).collect();
        format!("kubectl milvus scale {name} {}{}", targets.join(" "), self.target.hint_flags())
    }
}

fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs().max(1))
}
