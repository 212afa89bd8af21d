//! One `autoscale`: the chart's own autoscaler, by one proven upgrade; or the
//! object to apply, where the chart cannot.

pub mod object;
pub mod obstacle;
pub mod plan;
pub mod requests;

use std::sync::Arc;
use std::time::Duration;

use self::obstacle::Obstacle;
use self::plan::{Plan, Seen, Standing, Wish};
use crate::apply::{self, Applied, Proven};
use crate::autoscaler::Autoscaler;
use crate::chart;
use crate::component::ComponentRef;
use crate::decide::{self, Step};
use crate::error::{Exit, Failure};
use crate::exec::Exec;
use crate::explain;
use crate::gate::{Gate, Sources};
use crate::handover::Departure;
use crate::helm;
use crate::history;
use crate::kubectl;
use crate::manifest::{self, Objects};
use crate::milvus::Needs;
use crate::objection::{self, Origin};
use crate::observe::{
    LIST_AUTOSCALERS, Observed, ReleaseWish, cluster_failure, joined, not_read, observe, read_autoscalers,
    read_deployments, release_failure,
};
use crate::order::Order;
use crate::prove::{self, Proof};
use crate::reading::{Denied, Reading};
use crate::refusal::Place;
use crate::report::{AutoscaleOutcome, AutoscaleReport, ProofReport};
use crate::request::AutoscaleRequest;
use crate::rights::{self, Right};
use crate::signals::{Interrupt, Signals};
use crate::target::Target;
use crate::ui::Ui;

/// Carries out an `autoscale` and reports it. Whatever happens, the report says
/// how far the run got; the failure, if there is one, is also returned.
pub fn autoscale(
    request: &AutoscaleRequest,
    exec: &Arc<Exec>,
    target: &Target,
    signals: &Signals,
    ui: &Ui,
) -> (AutoscaleReport, Option<Failure>) {
    let report = AutoscaleReport::new(&target.namespace);
    let mut run = Run { request, exec, target, signals, ui, anew: 0, report };
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
    request: &'a AutoscaleRequest,
    exec: &'a Arc<Exec>,
    target: &'a Target,
    signals: &'a Signals,
    ui: &'a Ui,
    anew: u32,
    report: AutoscaleReport,
}

impl Run<'_> {
    fn rounds(&mut self) -> Result<AutoscaleOutcome, Failure> {
        let mut wish = self.request.release.clone();
        loop {
            self.not_interrupted()?;
            let observed =
                observe(self.exec, self.target, &wish, &[]).map_err(|failure| self.or_interrupted(failure))?;
            wish = ReleaseWish::Named(observed.release.name.clone());
            self.report.saw(&observed.release);
            let component = plan::eligible(&self.request.spelling, self.request.component, &observed)
                .map_err(|obstacle| self.refused(&obstacle, &observed))?;
            self.report.component = Some(component.key);
            let released = manifest::objects(&observed.manifest).map_err(|reason| {
                Failure::new("unprovable", "the release's manifest is not readable").because(reason)
            })?;
            let seen =
                self.look_around(component, &observed, &released).map_err(|failure| self.or_interrupted(failure))?;
            let plan = plan::plan(component, self.request.wish, &observed, &released, &seen)
                .map_err(|obstacle| self.refused(&obstacle, &observed))?;
            match plan {
                Plan::Nothing(standing) => {
                    self.report.standing(component, &standing);
                    let planned = self.request.dry_run;
                    return Ok(if planned { AutoscaleOutcome::Planned } else { AutoscaleOutcome::Unchanged });
                }
                Plan::Object { why, standing } => return Ok(self.print(component, &observed, &why, &standing)),
                Plan::Upgrade { order, change, standing } => {
                    self.report.standing(component, &standing);
                    if let Some(outcome) = self.upgrade(&observed, &released, &order, &change, &standing)? {
                        return Ok(outcome);
                    }
                }
            }
        }
    }

    /// Reads what the decision needs besides the release.
    fn look_around(&self, component: ComponentRef, observed: &Observed, released: &Objects) -> Result<Seen, Failure> {
        let on = matches!(self.request.wish, Wish::On(_));
        let name = &observed.release.name;
        let (values, lacking, unmeasured, needed) = std::thread::scope(|scope| {
            let lacking = scope.spawn(|| if on { self.lacking(component, observed, released) } else { Ok(Vec::new()) });
            let unmeasured = scope.spawn(|| on.then(|| self.unmeasured(component, name)).flatten());
            let needed = scope.spawn(|| (on && component.key == "queryNode").then(|| self.needed(observed)).flatten());
            let values = self
                .exec
                .read(&helm::values(self.target, name, observed.release.revision), helm::read_values)
                .map_err(|failed| release_failure(&failed, self.target, name));
            (values, joined(lacking), joined(unmeasured), joined(needed))
        });
        self.known(&observed.autoscalers)?;
        Ok(Seen { values: values?, lacking: lacking?, needed, unmeasured })
    }

    /// Nothing can be said of an autoscaler that may not be seen.
    fn known<'a>(&self, autoscalers: &'a Reading<Vec<Autoscaler>>) -> Result<&'a [Autoscaler], Failure> {
        let absent = || Failure::new("kubectl-failed", "the API server has no `autoscaling/v2`");
        let not_known = || not_read(autoscalers, LIST_AUTOSCALERS, self.target).unwrap_or_else(absent);
        autoscalers.known().map(Vec::as_slice).ok_or_else(not_known)
    }

    fn lacking(
        &self,
        component: ComponentRef,
        observed: &Observed,
        released: &Objects,
    ) -> Result<Vec<requests::Lacking>, Failure> {
        let selector = kubectl::pods_of(&observed.release.name, &[component.label]);
        let pods = self
            .exec
            .read(&kubectl::list_pods(self.target, &selector, None), kubectl::read_list::<requests::Pod>)
            .map_err(|failed| cluster_failure(&failed, "list", "pods", self.target))?;
        let mine = |name: &str| observed.declared.iter().any(|d| d.component == component && d.name == name);
        let deployment = released.iter().find(|(id, _)| id.kind == "Deployment" && mine(&id.name));
        Ok(requests::lacking(&pods.items, deployment.and_then(|(_, object)| object.content.pointer("/spec/template"))))
    }

    /// Why the cluster does not know what the pods use; `None` where it does,
    /// or where the user may not see.
    fn unmeasured(&self, component: ComponentRef, release: &str) -> Option<String> {
        let query = kubectl::list_usage(self.target, &kubectl::pods_of(release, &[component.label]));
        let needs = Denied { verb: "list", resource: "pods.metrics.k8s.io" };
        match Reading::of(self.exec.read(&query, kubectl::read_list::<serde::de::IgnoredAny>), needs) {
            Reading::Known(list) if list.items.is_empty() => {
                Some("the metrics API has not measured these pods yet".to_owned())
            }
            Reading::Known(_) | Reading::Forbidden(_) => None,
            Reading::Absent => Some("the cluster has no metrics API, which metrics-server provides".to_owned()),
            Reading::Unclear(words) => Some(format!("the metrics API does not answer ({words})")),
        }
    }

    /// How many query nodes Milvus needs, where that can be read.
    fn needed(&self, observed: &Observed) -> Option<Needs> {
        let running = decide::running(observed);
        let nothing = Duration::ZERO;
        let gate = Gate::new(self.exec, self.target, self.signals, observed, &running, Sources::Auto, nothing);
        match gate.needed_query_nodes() {
            Reading::Known(needs) => Some(needs),
            Reading::Absent | Reading::Forbidden(_) | Reading::Unclear(_) => None,
        }
    }

    /// The object is for `kubectl apply -f -`: it alone goes to standard output.
    fn print(
        &mut self,
        component: ComponentRef,
        observed: &Observed,
        why: &str,
        standing: &Standing,
    ) -> AutoscaleOutcome {
        let (release, namespace) = (&observed.release.name, &self.target.namespace);
        self.report.standing(component, standing);
        let Some(wanted) = &standing.wanted else { return AutoscaleOutcome::Unchanged };
        self.report.manifest = Some(object::yaml(wanted, component, release, namespace));
        let flags = self.target.hints().kubectl();
        self.ui.note(&format!("{why}: this object does what is wanted, and is not the release's"));
        self.cautions();
        self.ui.note("nothing was changed");
        self.ui.note(&format!(
            "`... | kubectl apply -f -{flags}` applies it, `kubectl delete hpa {}{flags}` takes it away again",
            wanted.name
        ));
        AutoscaleOutcome::Printed
    }

    fn cautions(&self) {
        for caution in &self.report.cautions {
            self.ui.note(&format!("  {caution}"));
        }
    }

    /// Proves, applies and looks. `None` where a count moved meanwhile: a round
    /// begins anew.
    fn upgrade(
        &mut self,
        observed: &Observed,
        released: &Objects,
        order: &Order,
        change: &str,
        standing: &Standing,
    ) -> Result<Option<AutoscaleOutcome>, Failure> {
        let release = &observed.release;
        self.ui.begin("looking for the chart");
        let (places, revisions) = history::beside(self.exec, self.target, &release.name, || {
            chart::find(self.exec, &self.request.chart, &release.chart)
        });
        let places = places.map_err(|failure| self.or_interrupted(failure))?;
        let revisions = revisions.map_err(|failure| self.or_interrupted(failure))?;
        let history = history::enough(self.target.helm_history(), revisions, 1);
        self.ui.begin("proving that nothing else changes");
        let rights = rights(order, standing);
        let (source, proof) = prove::with_each(self.exec, self.target, observed, order, places, history, &rights)
            .map_err(|failure| self.or_interrupted(failure))?;
        self.ui.end();
        if let Some(what) = &proof.moved {
            return self.begin_anew(what);
        }
        let upgrade = order.upgrade(release, &source, history);
        let command = helm::upgrade(self.target, &upgrade).0.to_string();
        self.report.proof = Some(ProofReport::of(order, &proof, observed));
        if !proof.is_clean() {
            return Err(self.objection(observed, released, &source, &proof, history));
        }
        self.made_at_all(&proof, standing)?;
        self.report.cautions.extend(history.map(|all| history::caution(self.target.helm_history(), revisions, all)));
        self.report.change(change, command, &proof.objects);
        if self.request.dry_run {
            return Ok(Some(AutoscaleOutcome::Planned));
        }
        self.not_interrupted()?;
        self.ui.note(&format!(
            "release `{}` in namespace `{}`: revision {}, chart {} ({source})",
            release.name, self.target.namespace, release.revision, release.chart
        ));
        self.ui.note(&format!("[1/1] {change}"));
        for note in self.report.proof.iter().flat_map(ProofReport::notes) {
            self.ui.note(&format!("  {note}"));
        }
        self.cautions();
        self.ui.begin(&format!("helm upgrade: {change}"));
        let nobody = Departure::default();
        let proven = Proven { upgrade, proof: &proof, permitted: &order.permitted, accepted: &[], departure: &nobody };
        let applied =
            apply::apply(self.exec, self.target, observed, &proven).map_err(|failure| self.or_interrupted(failure))?;
        self.ui.end();
        match applied {
            Applied::Moved(what) => self.begin_anew(&what),
            Applied::Revision(revision, moved) => {
                self.report.applied(revision);
                for what in moved {
                    self.ui.note(&format!("  {what}"));
                }
                self.verify(observed, standing)?;
                Ok(Some(AutoscaleOutcome::Verified))
            }
        }
    }

    /// A chart that reads these values makes the object, or changes it.
    fn made_at_all(&self, proof: &Proof, standing: &Standing) -> Result<(), Failure> {
        let Some(wanted) = standing.wanted.as_ref().filter(|_| proof.objects.is_empty()) else { return Ok(()) };
        Err(Failure::new("component-fixed", format!("the chart of {} ignores its values `hpa`", self.place()))
            .because(format!("HorizontalPodAutoscaler `{}` would not be {}", wanted.name, wanted.described())))
    }

    /// Whether it is true: the autoscaler is as it was asked for and the count
    /// is its, or it is gone and the count is what it was.
    fn verify(&mut self, observed: &Observed, standing: &Standing) -> Result<(), Failure> {
        let name = &observed.release.name;
        let (autoscalers, deployments) = std::thread::scope(|scope| {
            let autoscalers = scope.spawn(|| read_autoscalers(self.exec, self.target));
            let deployments = read_deployments(self.exec, self.target, name);
            (joined(autoscalers), deployments)
        });
        let (autoscalers, deployments) = (self.known(&autoscalers)?, deployments?);
        let mine = |live: &str| {
            observed.declared.iter().any(|d| Some(d.component.key) == self.report.component && d.name == live)
        };
        let counts = deployments.iter().filter(|live| mine(&live.name)).map(|live| live.wanted);
        let count = counts.max().unwrap_or(standing.count);
        self.report.count = Some(count);
        let key = self.report.component.unwrap_or_default();
        let different = plan::different(key, standing, autoscalers, count);
        match different {
            None => Ok(()),
            Some(what) => Err(Failure::new(
                "superseded",
                format!(
                    "the autoscaler of `{key}` of {} is not as this run left it: someone else changed it",
                    self.place()
                ),
            )
            .because(what)
            .hint(format!("kubectl get hpa{}", self.target.hints().kubectl()))),
        }
    }

    /// Why the proof does not hold, with the upgrade that makes what it lists.
    fn objection(
        &self,
        observed: &Observed,
        released: &Objects,
        source: &chart::ChartSource,
        proof: &Proof,
        history: Option<u64>,
    ) -> Failure {
        let place = self.at(observed);
        let unchanged = Step { changes: Vec::new() };
        let order = match Order::of(&unchanged, observed, released) {
            Ok(order) => order.of_other_changes(),
            Err(refusal) => return refusal.failure(&place),
        };
        let upgrade = order.upgrade(&observed.release, source, history);
        let origin = if proof.against_release.is_empty() {
            Origin::TheChart
        } else {
            let said = self.request.chart.is_said();
            match prove::origin(self.exec, self.target, &observed.release, &upgrade, said) {
                Ok(origin) => origin,
                Err(failure) => return failure,
            }
        };
        let consent = helm::upgrade(self.target, &upgrade).0.to_string();
        let words = self.request.words_but_the_chart(&observed.release.name);
        objection::refusal(proof, origin, &place, &consent, &self.target.hints().milvus(&words))
    }

    fn begin_anew<T>(&mut self, what: &str) -> Result<Option<T>, Failure> {
        self.report.change = None;
        self.anew += 1;
        if self.anew > apply::ANEW {
            return Err(apply::kept_moving(what.to_owned()));
        }
        self.ui.note(&format!("{what}: looking again"));
        Ok(None)
    }

    fn refused(&self, obstacle: &Obstacle, observed: &Observed) -> Failure {
        match obstacle {
            Obstacle::Refused(refusal) => {
                explain::refused(self.exec, self.target, refusal, &self.at(observed), observed)
            }
            other => other.failure(&self.at(observed)),
        }
    }

    fn at<'a>(&'a self, observed: &'a Observed) -> Place<'a> {
        Place {
            release: &observed.release.name,
            namespace: &self.target.namespace,
            hints: self.target.hints(),
            said: self.request.chart.flags(),
        }
    }

    fn place(&self) -> String {
        let name = self.report.release.as_ref().map_or("", |release| release.name.as_str());
        explain::place(name, self.target)
    }

    fn not_interrupted(&mut self) -> Result<(), Failure> {
        match self.signals.first() {
            Some(signal) => Err(self.interrupted(signal)),
            None => Ok(()),
        }
    }

    /// A call that a signal ended has not failed.
    fn or_interrupted(&mut self, failure: Failure) -> Failure {
        match self.signals.first() {
            Some(signal) if failure.exit == Exit::Unverified => {
                self.report.outcome = AutoscaleOutcome::Interrupted;
                Failure { exit: signal.exit(), ..failure }
            }
            Some(signal) => self.interrupted(signal),
            None => failure,
        }
    }

    fn interrupted(&mut self, signal: Interrupt) -> Failure {
        self.report.outcome = AutoscaleOutcome::Interrupted;
        let what = format!("interrupted before anything was changed, in {}", self.place());
        Failure { exit: signal.exit(), ..Failure::new("interrupted", what) }
    }
}

/// What the change of the autoscaler needs besides the upgrade's rights.
fn rights(order: &Order, standing: &Standing) -> Vec<Right> {
    let verbs: &[&'static str] = match (&standing.before, &standing.wanted) {
        (None, Some(_)) => &["create", "patch"],
        (Some(_), Some(_)) => &["patch"],
        (_, None) => &["delete"],
    };
    let objects = order.permitted.objects.iter();
    objects.flat_map(|id| verbs.iter().filter_map(|verb| rights::on(verb, id))).collect()
}
