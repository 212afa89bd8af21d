//! How a run that did not reach its goal is told: what is there, what is
//! missing, the way on and the way back.

use std::time::{Duration, Instant};

use super::Run;
use crate::decide::Count;
use crate::error::{Exit, Failure, plain};
use crate::explain;
use crate::observe::{OPERATORS_COUNTS, Observed};
use crate::refusal::{Place, Refusal};
use crate::report::{ComponentReport, Outcome};
use crate::signals::Interrupt;
use crate::stuck::Stuck;
use crate::verdict::{Expected, Progress, is_expected};
use crate::workload::Deployment;

/// How long after a try the cluster is looked for again.
const TRY_AGAIN: Duration = Duration::from_secs(2);

impl Run<'_> {
    pub(super) fn refused(&self, refusal: &Refusal, observed: &Observed) -> Failure {
        explain::refused(self.exec, self.target, refusal, &self.at(observed), observed)
    }

    /// Where the release is, for a sentence.
    pub(super) fn at<'a>(&'a self, observed: &'a Observed) -> Place<'a> {
        Place {
            release: &observed.release.name,
            namespace: &self.target.namespace,
            hints: self.target.hints(),
            said: self.request.flags(false),
        }
    }

    /// Milvus of the Operator, with the line that does there what was asked for.
    pub(super) fn operators(&self, failure: Failure) -> Failure {
        let counts = self.request.asked.iter().filter_map(|asked| {
            let key = asked.component?.operators_key()?;
            let count = match asked.count {
                Count::Exactly(count) => count.to_string(),
                Count::More(_) | Count::Fewer(_) => "N".to_owned(),
            };
            Some(format!("\"{key}\":{{\"replicas\":{count}}}"))
        });
        let counts = counts.collect::<Vec<_>>().join(",");
        match failure.hint {
            Some(hint) if !counts.is_empty() => {
                Failure { hint: Some(hint.replace(OPERATORS_COUNTS, &counts)), ..failure }
            }
            hint => Failure { hint, ..failure },
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
            Some(pod) if stuck.leaving => format!("pod `{pod}` does not go away"),
            Some(pod) => format!("pod `{pod}` will not become Ready"),
            None => "no more pods can be created".to_owned(),
        };
        Failure::new(stuck.id, format!("{who}, in {}", self.place()))
            .because(stuck.words.clone())
            .because(seen.join("; "))
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
            // It was told already.
            Some(_) if self.report.outcome == Outcome::Interrupted => failure,
            Some(signal) => self.interrupted(signal, &[]),
            None => failure,
        }
    }

    /// The failure that ends a run: after a change it says how to go on and how
    /// to go back, whatever it was that failed.
    pub(super) fn concluded(&mut self, failure: Failure) -> Failure {
        let mut failure = self.or_interrupted(failure);
        if self.report.changed_something() {
            failure = failure.after_a_change();
        }
        if failure.exit == Exit::Unverified { self.with_ways(failure) } else { failure }
    }

    fn with_ways(&self, failure: Failure) -> Failure {
        if self.report.components.is_empty() {
            return failure;
        }
        let ways = self.ways_on_and_back();
        let hint = match &failure.hint {
            Some(hint) if hint.contains(&ways) => return failure,
            Some(hint) => format!("{hint}; then {ways}"),
            None => ways,
        };
        failure.hint(hint)
    }

    /// Between two steps an API server may be away for a while: the round begins
    /// again until it is there, as long as a step may take. A run that has not
    /// changed anything says it at once.
    pub(super) fn wait_for_the_cluster(&mut self, failure: Failure) -> Result<(), Failure> {
        let away = failure.id == Some("unreachable") && failure.exit == Exit::Unchanged;
        if !away || !self.report.changed_something() {
            return Err(failure);
        }
        let since = *self.away_since.get_or_insert_with(|| {
            self.ui.note("the cluster cannot be reached: trying again");
            Instant::now()
        });
        if since.elapsed() >= self.limit(Duration::ZERO).timeout {
            return Err(failure);
        }
        // What the broken round was about to do, the next one decides anew.
        self.report.forget_what_was_not_applied();
        match self.signals.wait(TRY_AGAIN) {
            Some(signal) => Err(self.interrupted(signal, &[])),
            None => Ok(()),
        }
    }

    /// Someone else set a count that this run waits for.
    pub(super) fn counted_by_another(&self, live: &Deployment, expected: &[Expected]) -> Failure {
        let counts = expected.iter().flat_map(|one| &one.deployments);
        let count = counts.filter(|(name, _)| *name == live.name).map(|(_, count)| *count).next().unwrap_or_default();
        let by = live.counted_by.as_ref().map_or(String::new(), |by| format!(" {by}"));
        let failure = Failure::new(
            "superseded",
            format!(
                "Deployment `{}` was set from {count} to {}{by} in the middle of this run, in {}",
                live.name,
                live.wanted,
                self.place()
            ),
        );
        failure.hint(self.ways())
    }

    /// A step that was not to be waited for, and would have to wait itself.
    pub(super) fn still_leaving(&self, after: &[Expected], observed: &Observed) -> Failure {
        let leaving = observed.pods.items.iter().filter(|pod| pod.is_leaving() && is_expected(after, pod));
        let names: Vec<String> = leaving.map(|pod| pod.name.clone()).collect();
        Failure::new(
            "unhealthy-before",
            format!("pods that were removed before are still leaving, in {}", self.place()),
        )
        .because(crate::observe::backticked(&names))
        .hint(format!("leave `--no-wait` out to wait for them: `{}`", self.command(|c| c.to)))
    }

    pub(super) fn place(&self) -> String {
        let name = self.report.release.as_ref().map_or("", |release| release.name.as_str());
        explain::place(name, self.target)
    }

    /// The way on and the way back, in absolute counts: to run them again is
    /// always safe.
    pub(super) fn ways(&self) -> String {
        if self.report.changed_something() {
            return self.ways_on_and_back();
        }
        format!("go on with `{}`", self.command(|c| c.to))
    }

    fn ways_on_and_back(&self) -> String {
        format!("go on with `{}`, or back with `{}`", self.command(|c| c.to), self.command(|c| c.from))
    }

    /// The command that also makes what a proof lists.
    pub(super) fn consent(&self) -> String {
        format!("{} --allow-other-changes", self.command(|c| c.to))
    }

    /// The command that asks for the same with another chart.
    pub(super) fn command_but_the_chart(&self) -> String {
        self.command_with(|c| c.to, |zero| self.request.flags_but_the_chart(zero))
    }

    /// A command in absolute counts, with what was said of the way there.
    pub(super) fn command(&self, count: impl Fn(&ComponentReport) -> u32) -> String {
        self.command_with(count, |zero| self.request.flags(zero))
    }

    fn command_with(&self, count: impl Fn(&ComponentReport) -> u32, flags: impl Fn(bool) -> String) -> String {
        let name = self.report.release.as_ref().map_or("", |release| release.name.as_str());
        let components = &self.report.components;
        let targets: Vec<String> = components.iter().map(|c| format!("{}={}", c.component, count(c))).collect();
        // Whoever was told that 0 is meant may be brought back to it.
        let said = flags(components.iter().any(|c| count(c) == 0));
        self.target.hints().milvus(&format!("scale {name} {}{said}", targets.join(" ")))
    }
}

fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs().max(1))
}
