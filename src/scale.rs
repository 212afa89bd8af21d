//! The rounds of `scale`: observe, decide, prove, apply, verify, until the goal
//! is verified. Nothing but the goal and where the chart is outlives a round.

mod down;
mod ending;
mod history;
mod proof;
mod settle;

use self::down::{Limit, longest_grace, takes_ready_pods};

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use crate::apply::{self, Applied, Proven};
use crate::chart::ChartSource;
use crate::component::ComponentRef;
use crate::decide::{self, Consent, Decision, Goal, Step};
use crate::error::Failure;
use crate::exec::Exec;
use crate::gate::Gate;
use crate::handover::Departure;
use crate::helm;
use crate::kubectl;
use crate::manifest::{self, Difference};
use crate::observe::{Observed, ReleaseWish, observe};
use crate::order::Order;
use crate::pod::Pod;
use crate::report::{Outcome, ScaleReport};
use crate::request::{Extent, ScaleRequest};
use crate::signals::Signals;
use crate::target::Target;
use crate::ui::Ui;
use crate::verdict::{Expected, Until};
use crate::verify::{self, End, Follower};

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
        places: Vec::new(),
        revisions: None,
        source: None,
        settled: Vec::new(),
        gate: None,
        replicas_asked: false,
        needs_unknown: None,
        left_behind: None,
        anew: 0,
        away_since: None,
        noted: BTreeSet::new(),
        report: ScaleReport::new(&target.namespace),
    };
    let ended = run.rounds();
    ui.end();
    let failure = match ended {
        Ok(outcome) => {
            run.report.outcome = outcome;
            None
        }
        Err(failure) => {
            let failure = run.concluded(failure);
            run.report.failed(&failure);
            Some(failure)
        }
    };
    (run.report, failure)
}

struct Run<'a> {
    request: &'a ScaleRequest,
    exec: &'a Arc<Exec>,
    target: &'a Target,
    signals: &'a Signals,
    ui: &'a Ui,
    goal: Option<Goal>,
    /// Where the chart may be, and how many revisions there were: known once a
    /// step is to be made.
    places: Vec<ChartSource>,
    revisions: Option<u64>,
    source: Option<ChartSource>,
    /// Other changes that were made with consent; they must not come back.
    settled: Vec<Difference>,
    /// The gate, once it was asked.
    gate: Option<Gate>,
    /// Whether it was asked how many query nodes the loaded collections need.
    replicas_asked: bool,
    /// Why that is not known, until it is said.
    needs_unknown: Option<String>,
    /// What the last step left behind: the release's revision, and the counts
    /// of its components' Deployments.
    left_behind: Option<(u64, Vec<Expected>)>,
    /// How often a round has begun anew.
    anew: u32,
    /// Since when the cluster cannot be reached.
    away_since: Option<Instant>,
    /// What has been said about the upgrades: once in a run is enough.
    noted: BTreeSet<String>,
    report: ScaleReport,
}

impl Run<'_> {
    fn rounds(&mut self) -> Result<Outcome, Failure> {
        let components: Vec<ComponentRef> = self.request.asked.iter().filter_map(|asked| asked.component).collect();
        let mut wish = self.request.release.clone();
        loop {
            match self.round(&components, &mut wish) {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => self.away_since = None,
                Err(failure) => self.wait_for_the_cluster(failure)?,
            }
        }
    }

    /// One round: observe, decide, and one step where there is one. `None` means
    /// that another is to come.
    fn round(&mut self, components: &[ComponentRef], wish: &mut ReleaseWish) -> Result<Option<Outcome>, Failure> {
        self.not_interrupted()?;
        let observed = observe(self.exec, self.target, wish, components)
            .map_err(|failure| self.operators(failure))
            .map_err(|failure| self.or_interrupted(failure))?;
        // From the second round on it is this release, whatever else comes.
        *wish = ReleaseWish::Named(observed.release.name.clone());
        self.not_overtaken(&observed)?;
        self.report.saw(&observed.release);
        let goal = self.goal(&observed)?;
        let decision =
            decide::next(&goal, &observed, self.request.pace).map_err(|refusal| self.refused(&refusal, &observed))?;
        match decision {
            Decision::Follow(_) if self.request.extent == Extent::Planned => Ok(Some(Outcome::Planned)),
            Decision::Follow(expected) => {
                let changed = self.report.changed_something();
                if !changed {
                    self.note_autoscalers(&observed, components);
                }
                let mut follower = self.follower(&observed, components);
                let limit = self.limit(longest_grace(&observed));
                self.follow(&mut follower, &expected, Until::Ready, limit)?;
                Ok(Some(if changed { Outcome::Verified } else { Outcome::Unchanged }))
            }
            Decision::Step { after, .. } if !after.is_empty() && self.request.extent == Extent::Applied => {
                Err(self.still_leaving(&after, &observed))
            }
            Decision::Step { after, .. } if !after.is_empty() && self.request.extent == Extent::Verified => {
                self.ui.note("waiting until the pods that were removed before are gone");
                let mut follower = self.follower(&observed, components);
                let limit = self.limit(longest_grace(&observed));
                self.follow(&mut follower, &after, Until::Gone, limit)?;
                Ok(None)
            }
            Decision::Step { step, left, expected, after } => {
                if !after.is_empty() {
                    self.ui.note("pods that were removed before are still leaving: the step waits until they are gone");
                }
                self.step(&observed, components, &step, left, &expected)
            }
        }
    }

    /// One step: prove, apply, verify. `None` means another round.
    fn step(
        &mut self,
        observed: &Observed,
        components: &[ComponentRef],
        step: &Step,
        left: usize,
        expected: &[Expected],
    ) -> Result<Option<Outcome>, Failure> {
        let released = manifest::objects(&observed.manifest)
            .map_err(|reason| Failure::new("unprovable", "the release's manifest is not readable").because(reason))?;
        self.report.steps_total = self.report.steps.len() + left;
        let order = Order::of(step, observed, &released)
            .map_err(|refusal| self.refused(&refusal, observed))?
            .numbered(self.report.steps.len() + 1, self.report.steps_total);
        if self.request.extent == Extent::Applied && left > 1 {
            return Err(Self::no_wait_of(left));
        }
        self.ask_once(observed)?;
        let history = self.history_max();
        let departure = Departure::of(step, observed, self.request.grace);
        let (source, proof) = self.proven(observed, &order, history, &Self::rights_of(&departure))?;
        if let Some(what) = &proof.moved {
            self.begin_anew(what.clone())?;
            return Ok(None);
        }
        self.autoscaled(step, observed)?;
        self.report.proof(&order, &proof, observed);
        self.caution_of_history(history);
        let upgrade = order.upgrade(&observed.release, &source, history);
        if !proof.is_clean() {
            let again = proof.others().iter().any(|other| self.came_back(other));
            if !self.request.allow_other_changes || again {
                return Err(self.objection(observed, &order, &source, &proof)?);
            }
            if self.request.extent == Extent::Applied {
                return Err(Self::no_wait_of(left + 1));
            }
            self.settle(observed, &released, &source, &proof)?;
            if self.request.extent != Extent::Planned {
                return Ok(None);
            }
        }
        let leave = departure.leaving.iter().map(|pod| kubectl::delete_pod(self.target, &pod.name, departure.grace));
        let leave = leave.map(|call| call.0.to_string()).collect();
        self.report.step(step, leave, helm::upgrade(self.target, &upgrade).0.to_string());
        if self.request.extent == Extent::Planned {
            return Ok(Some(Outcome::Planned));
        }
        self.not_interrupted()?;
        self.enough_for_replicas(observed)?;
        let guarded = takes_ready_pods(step, observed);
        if guarded && !self.may_leave(step, &departure, observed)? {
            // What was read is old when the gate opens: another round reads it
            // anew.
            self.report.steps.pop();
            return Ok(None);
        }
        let position = self.report.steps.len();
        self.ui.note(&format!("[{position}/{}] {step}", self.report.steps_total));
        for note in self.report.proof_notes() {
            self.note_once(note);
        }
        self.say_departure(&departure);
        self.ui.begin(&format!("helm upgrade: {step}"));
        // Begun before the upgrade, the watch sees all it does.
        let mut follower = self.follower(observed, components);
        follower.start();
        let proven =
            Proven { upgrade, proof: &proof, permitted: &order.permitted, accepted: &[], departure: &departure };
        let Some(revision) = self.apply(observed, &proven)? else { return Ok(None) };
        self.left_behind = Some((revision, expected.to_vec()));
        if self.request.extent == Extent::Applied {
            return Ok(Some(Outcome::Applied));
        }
        let limit = self.limit(departure.grace.max(longest_grace(observed)));
        let pods = self.follow(&mut follower, expected, Until::Ready, limit)?;
        self.say_who_left(&observed.pods.items, &pods, &departure);
        if guarded {
            self.after_a_step(expected, observed, limit)?;
        }
        if let Some(step) = self.report.steps.last_mut() {
            step.verified = true;
        }
        Ok((left == 1).then_some(Outcome::Verified))
    }

    /// Applies what was proven, and writes the revision down. `None` where a
    /// count moved meanwhile: nothing was done, and a round begins anew.
    fn apply(&mut self, observed: &Observed, proven: &Proven<'_>) -> Result<Option<u64>, Failure> {
        match apply::apply(self.exec, self.target, observed, proven).map_err(|failure| self.or_interrupted(failure))? {
            Applied::Moved(what) => {
                self.report.steps.pop();
                self.begin_anew(what)?;
                Ok(None)
            }
            Applied::Revision(revision, moved) => {
                self.report.applied(revision);
                for what in moved {
                    self.ui.note(&format!("  {what}"));
                }
                Ok(Some(revision))
            }
        }
    }

    /// The goal in absolute counts, made in the first round and kept.
    fn goal(&mut self, observed: &Observed) -> Result<Goal, Failure> {
        if let Some(goal) = &self.goal {
            return Ok(goal.clone());
        }
        let consent = Consent { zero: self.request.allow_zero };
        let goal =
            decide::goal(&self.request.asked, observed, consent).map_err(|refusal| self.refused(&refusal, observed))?;
        self.time_enough(&goal, observed)?;
        self.report.aims(&goal);
        self.goal = Some(goal.clone());
        Ok(goal)
    }

    fn note_once(&mut self, note: String) {
        if !self.noted.contains(&note) {
            self.ui.note(&format!("  {note}"));
            self.noted.insert(note);
        }
    }

    fn begin_anew(&mut self, what: String) -> Result<(), Failure> {
        self.anew += 1;
        if self.anew > apply::ANEW {
            return Err(apply::kept_moving(what));
        }
        self.ui.note(&format!("{what}: looking again"));
        Ok(())
    }

    /// Whether the release and its counts are as the last step left them. If
    /// someone else changed them in the middle of a run, that is their wish
    /// against this one: it is for people to decide.
    fn not_overtaken(&self, observed: &Observed) -> Result<(), Failure> {
        let Some((revision, expected)) = &self.left_behind else { return Ok(()) };
        if observed.release.revision != *revision {
            return Err(apply::overtaken(self.exec, self.target, &observed.release.name, *revision));
        }
        match verify::overtaken(expected, &observed.deployments) {
            Some(live) => Err(self.counted_by_another(live, expected)),
            None => Ok(()),
        }
    }

    fn follower(&self, observed: &Observed, components: &[ComponentRef]) -> Follower {
        let name = &observed.release.name;
        Follower::new(self.exec, self.target, self.signals, name, components, observed)
    }

    /// Follows the pods.
    fn follow(
        &mut self,
        follower: &mut Follower,
        expected: &[Expected],
        until: Until,
        limit: Limit,
    ) -> Result<Vec<Pod>, Failure> {
        self.ui.begin("looking at the pods");
        let (ui, mut waited) = (self.ui, false);
        let end = follower.until(expected, until, limit.deadline, |progress| {
            // What is true at first sight needs no line.
            waited |= !progress.iter().all(|one| one.reached);
            if waited {
                ui.progress(progress);
            }
        });
        self.ui.end();
        let progress = follower.progress(expected, until);
        self.report.progress(&progress);
        self.report.pods(&follower.pods());
        match end {
            End::Reached(pods) => {
                if until == Until::Ready {
                    self.report.pods(&pods);
                }
                self.say_who_is_held(expected, &pods);
                Ok(pods)
            }
            End::TimedOut(trouble) => {
                self.report.outcome = Outcome::TimedOut;
                Err(self.timed_out(&progress, limit.timeout, trouble))
            }
            End::Hopeless(stuck) => {
                self.report.outcome = Outcome::Stuck;
                Err(self.stuck(&progress, &stuck))
            }
            End::Overtaken(live) => Err(self.counted_by_another(&live, expected)),
            End::Interrupted(signal) => Err(self.interrupted(signal, &progress)),
        }
    }
}
