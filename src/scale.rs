//! The rounds of `scale`: observe, decide, apply, verify, until the goal is
//! verified. Nothing but the goal and where the chart is outlives a round.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::apply;
use crate::chart::{self, ChartSource};
use crate::component::ComponentRef;
use crate::decide::{self, Decision, Goal};
use crate::error::{Failure, plain};
use crate::exec::Exec;
use crate::helm;
use crate::observe::{Observed, ReleaseWish, observe};
use crate::reading::{Denied, Reading};
use crate::refusal::{Place, Refusal};
use crate::report::{Outcome, ScaleReport};
use crate::request::{Extent, ScaleRequest};
use crate::signals::{Interrupt, Signals};
use crate::target::Target;
use crate::ui::Ui;
use crate::verdict::{Expected, Progress, Until};
use crate::verify::{End, Follower};

/// How many revisions Helm keeps unless it is told otherwise.
const HELM_HISTORY: u64 = 10;

/// Carries out a `scale` and reports it. Whatever happens, the report says how
/// far the run got; the failure, if there is one, is also returned.
pub fn scale(
    request: &ScaleRequest,
    exec: &Arc<Exec>,
    target: &Target,
    signals: &Signals,
    ui: &Ui,
) -> (ScaleReport, Option<Failure>) {
    let mut run = Run {
        request,
        exec,
        target,
        signals,
        ui,
        goal: None,
        source: None,
        report: ScaleReport::new(&target.namespace),
    };
    let ended = run.rounds();
    ui.end();
    let mut report = run.report;
    let failure = match ended {
        Ok(outcome) => {
            report.outcome = outcome;
            None
        }
        Err(failure) => {
            let failure = if report.changed_something() { failure.after_a_change() } else { failure };
            report.failed(&failure);
            Some(failure)
        }
    };
    (report, failure)
}

struct Run<'a> {
    request: &'a ScaleRequest,
    exec: &'a Arc<Exec>,
    target: &'a Target,
    signals: &'a Signals,
    ui: &'a Ui,
    goal: Option<Goal>,
    source: Option<ChartSource>,
    report: ScaleReport,
}

impl Run<'_> {
    fn rounds(&mut self) -> Result<Outcome, Failure> {
        let components: Vec<ComponentRef> = self.request.asked.iter().filter_map(|asked| asked.component).collect();
        let mut wish = self.request.release.clone();
        loop {
            self.not_interrupted()?;
            let observed =
                observe(self.exec, self.target, &wish, &components).map_err(|failure| self.or_interrupted(failure))?;
            // From the second round on it is this release, whatever else comes.
            wish = ReleaseWish::Named(observed.release.name.clone());
            self.report.saw(&observed.release);
            let goal = self.goal(&observed)?;
            let decision = decide::next(&goal, &observed, self.request.pace)
                .map_err(|refusal| self.refused(&refusal, &observed))?;
            match decision {
                Decision::Follow(expected) => {
                    if self.request.extent == Extent::Planned {
                        return Ok(Outcome::Planned);
                    }
                    let changed = self.report.changed_something();
                    self.follow(&observed, &components, &expected, Until::Ready, None)?;
                    return Ok(if changed { Outcome::Verified } else { Outcome::Unchanged });
                }
                Decision::Await(expected) => {
                    self.ui.note("waiting until the pods that were removed before are gone");
                    self.follow(&observed, &components, &expected, Until::Gone, None)?;
                }
                Decision::Step { step, left, expected } => {
                    let source = self.chart(&observed)?;
                    self.plan(left);
                    let history = self.history_max();
                    let upgrade = apply::upgrade(self.target, &observed.release, &source, &step, history);
                    self.report.step(&step, upgrade.0.to_string());
                    match self.request.extent {
                        Extent::Planned => return Ok(Outcome::Planned),
                        Extent::Applied if left > 1 => return Err(Self::no_wait_of(left)),
                        Extent::Applied | Extent::Verified => {}
                    }
                    self.not_interrupted()?;
                    let position = self.report.steps.len();
                    self.ui.note(&format!("[{position}/{}] {step}", self.report.steps_total));
                    self.ui.begin(&format!("helm upgrade: {step}"));
                    // Begun before the upgrade, the watch sees all it does.
                    let follower = Follower::begin(
                        self.exec,
                        self.target,
                        self.signals,
                        &observed.release.name,
                        &components,
                        &observed.pods,
                    );
                    let revision = apply::apply(self.exec, self.target, &observed.release, &upgrade)?;
                    self.report.applied(revision);
                    if self.request.extent == Extent::Applied {
                        return Ok(Outcome::Applied);
                    }
                    self.follow(&observed, &components, &expected, Until::Ready, Some(follower))?;
                    if let Some(step) = self.report.steps.last_mut() {
                        step.verified = true;
                    }
                    if left == 1 {
                        return Ok(Outcome::Verified);
                    }
                }
            }
        }
    }

    /// The goal in absolute counts, made in the first round and kept.
    fn goal(&mut self, observed: &Observed) -> Result<Goal, Failure> {
        if let Some(goal) = &self.goal {
            return Ok(goal.clone());
        }
        let goal = decide::goal(&self.request.asked, observed, self.request.allow_zero)
            .map_err(|refusal| self.refused(&refusal, observed))?;
        self.report.aims(&goal);
        self.goal = Some(goal.clone());
        Ok(goal)
    }

    /// Where the chart is, found once.
    fn chart(&mut self, observed: &Observed) -> Result<ChartSource, Failure> {
        if let Some(source) = &self.source {
            return Ok(source.clone());
        }
        let source = chart::find(self.exec, &self.request.chart, &observed.release.chart)
            .map_err(|failure| self.or_interrupted(failure))?;
        self.ui.note(&format!(
            "release `{}` in namespace `{}`: revision {}, chart {} ({source})",
            observed.release.name, self.target.namespace, observed.release.revision, observed.release.chart
        ));
        self.source = Some(source.clone());
        Ok(source)
    }

    fn plan(&mut self, left: usize) {
        self.report.steps_total = self.report.steps.len() + left;
    }

    /// A run of many steps must not push the revision before it out of Helm's
    /// history: that is where a user would go back to.
    fn history_max(&self) -> Option<u64> {
        let steps = u64::try_from(self.report.steps_total).unwrap_or(u64::MAX);
        (steps + 2 > HELM_HISTORY).then_some(steps + HELM_HISTORY)
    }

    fn follow(
        &mut self,
        observed: &Observed,
        components: &[ComponentRef],
        expected: &[Expected],
        until: Until,
        follower: Option<Follower>,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        let mut follower = follower.unwrap_or_else(|| {
            let name = &observed.release.name;
            Follower::begin(self.exec, self.target, self.signals, name, components, &observed.pods)
        });
        self.ui.begin("looking at the pods");
        let (ui, mut shown) = (self.ui, 0);
        let end = follower.until(expected, until, began + self.request.timeout, |progress| {
            // What is true at first sight needs no line.
            shown += 1;
            if shown > 1 || !progress.iter().all(|one| one.reached) {
                ui.progress(progress);
            }
        });
        self.ui.end();
        let progress = follower.progress(expected, until);
        self.report.progress(&progress);
        match end {
            End::Reached(pods) => {
                if until == Until::Ready {
                    self.report.pods(&pods);
                }
                Ok(())
            }
            End::TimedOut(trouble) => {
                self.report.outcome = Outcome::TimedOut;
                Err(self.timed_out(&progress, trouble))
            }
            End::Interrupted(signal) => Err(self.interrupted(signal, &progress)),
        }
    }

    fn refused(&self, refusal: &Refusal, observed: &Observed) -> Failure {
        let place = Place {
            release: &observed.release.name,
            namespace: &self.target.namespace,
            flags: self.target.hint_flags(),
        };
        let failure = refusal.failure(&place);
        match refusal {
            Refusal::NotRunning { component } => self.not_running(component, observed, failure),
            _ => failure,
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

    fn no_wait_of(left: usize) -> Failure {
        Failure::usage(format!(
            "`--no-wait` is for one step, and this goal takes {left}: each waits for the pods of the one before it"
        ))
        .hint("leave `--no-wait` out, or take all pods in one step with `--step all`")
    }

    fn timed_out(&self, progress: &[Progress], trouble: Option<String>) -> Failure {
        let seen = progress.iter().filter(|one| !one.reached).map(ToString::to_string).collect::<Vec<_>>();
        let seen = if seen.is_empty() { vec!["the Deployment is not settled".to_owned()] } else { seen };
        let failure = Failure::new(
            "timed-out",
            format!(
                "{} after {}, in {}",
                seen.join("; "),
                humantime::format_duration(whole(self.request.timeout)),
                self.place()
            ),
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

    fn interrupted(&mut self, signal: Interrupt, progress: &[Progress]) -> Failure {
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

    fn not_interrupted(&mut self) -> Result<(), Failure> {
        match self.signals.first() {
            Some(signal) => Err(self.interrupted(signal, &[])),
            None => Ok(()),
        }
    }

    /// A reading call that a signal ended has not failed.
    fn or_interrupted(&mut self, failure: Failure) -> Failure {
        match self.signals.first() {
            Some(signal) => self.interrupted(signal, &[]),
            None => failure,
        }
    }

    fn place(&self) -> String {
        let name = self.report.release.as_ref().map_or("", |release| release.name.as_str());
        failure_place(name, self.target)
    }

    /// The way on and the way back, in absolute counts: to run them again is
    /// always safe.
    fn ways(&self) -> String {
        let name = self.report.release.as_ref().map_or("", |release| release.name.as_str());
        let line = |count: &dyn Fn(&crate::report::ComponentReport) -> u32| {
            let targets: Vec<String> =
                self.report.components.iter().map(|c| format!("{}={}", c.component, count(c))).collect();
            format!("`kubectl milvus scale {name} {}{}`", targets.join(" "), self.target.hint_flags())
        };
        let on = format!("go on with {}", line(&|c| c.to));
        if self.report.changed_something() { format!("{on}, or back with {}", line(&|c| c.from)) } else { on }
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
