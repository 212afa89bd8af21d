//! The gate between two steps down: is the service available? It is asked
//! before the first step and after each, of the best source that can be read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::component::ComponentRef;
use crate::exec::{CallFailure, Exec};
use crate::kubectl;
use crate::milvus::{self, Answers, Asked, Health, Needs, SOURCES, Source, Version};
use crate::observe::{Observed, read_deployments, read_pods};
use crate::pod::Pod;
use crate::reading::{Denied, Reading};
use crate::signals::{Interrupt, Signals};
use crate::target::Target;
use crate::verdict::{Expected, Until, judge};

/// Which sources are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sources {
    /// The best that can be read.
    Auto,
    /// Pods alone.
    Pods,
    /// None: there is no gate.
    None,
}

/// How often the gate is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How long after its grace a killed pod may take to be gone.
const AFTER_THE_GRACE: Duration = Duration::from_secs(60);

/// An answer of Milvus that is longer than this is not read to its end; a
/// coordinator's metrics are some hundred kilobytes.
const LONGEST_ANSWER: u64 = 16 * 1024 * 1024;

/// The gate of a run. It keeps what was seen at the beginning, since available
/// means: no worse than then.
pub struct Gate {
    exec: Arc<Exec>,
    target: Target,
    release: String,
    labels: Vec<&'static str>,
    sources: Sources,
    settle: Duration,
    version: Option<Version>,
    chosen: Option<Chosen>,
    /// Better sources that are not asked: unreadable, or not well although a
    /// lesser one is. Said once, with the reason.
    passed_over: Vec<String>,
    /// Whether the pods were well at the last look and Milvus was not.
    shut_by_milvus: bool,
    /// When the last of the pods that are leaving now has to be gone.
    leaving_until: Option<Instant>,
    /// Restarts by UID when the gate was last open.
    restarts: BTreeMap<String, u32>,
    signals: Receiver<Interrupt>,
}

enum Chosen {
    Source(&'static Source, Answers),
    Pods,
}

/// How waiting at the gate ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It was open for as long as it has to be.
    Open,
    /// The time is up; why it is shut.
    Shut(String),
    /// A signal came.
    Interrupted(Interrupt),
}

impl Gate {
    /// A gate for this release; nothing is read yet.
    #[must_use]
    pub fn new(
        exec: &Arc<Exec>,
        target: &Target,
        signals: &Signals,
        observed: &Observed,
        running: &[ComponentRef],
        sources: Sources,
        settle: Duration,
    ) -> Self {
        let (sender, receiver) = channel();
        signals.forward(sender, |signal| signal);
        let versions = observed.declared.iter().filter_map(|declared| {
            let live = observed.deployments.iter().find(|live| live.name == declared.name)?;
            Version::of_image(live.image.as_deref()?)
        });
        Self {
            exec: Arc::clone(exec),
            target: target.clone(),
            release: observed.release.name.clone(),
            labels: running.iter().map(|component| component.label).collect(),
            sources,
            settle,
            // Of several images the oldest decides what is there to ask.
            version: versions.min(),
            chosen: None,
            passed_over: Vec::new(),
            shut_by_milvus: false,
            leaving_until: None,
            restarts: BTreeMap::new(),
            signals: receiver,
        }
    }

    /// What the gate looks at, as the report names it, once a source has said
    /// that all is well.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        match self.chosen.as_ref()? {
            Chosen::Source(source, _) => Some(source.name),
            Chosen::Pods => Some("pods only"),
        }
    }

    /// The better sources that are not asked, and why.
    #[must_use]
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    /// Whether the pods were well at the last look, and Milvus was not.
    #[must_use]
    pub fn is_shut_by_milvus(&self) -> bool {
        self.shut_by_milvus
    }

    /// Waits until the gate has been open for as long as it has to be. A
    /// deadline that is not `firm` leaves pods of other components that are
    /// leaving the time that they were given.
    pub fn wait(
        &mut self,
        expected: &[Expected],
        deadline: Instant,
        firm: bool,
        mut report: impl FnMut(&str),
    ) -> Opened {
        if self.sources == Sources::None {
            return Opened::Open;
        }
        let mut open_since: Option<Instant> = None;
        let mut shown = String::new();
        loop {
            let shut = self.shut(expected);
            let now = Instant::now();
            let deadline = self.leaving_until.filter(|_| !firm).map_or(deadline, |until| deadline.max(until));
            match &shut {
                None => {
                    let since = *open_since.get_or_insert(now);
                    if now.duration_since(since) >= self.settle {
                        return Opened::Open;
                    }
                }
                Some(why) => {
                    open_since = None;
                    if *why != shown {
                        report(why);
                        shown.clone_from(why);
                    }
                }
            }
            if now >= deadline {
                return Opened::Shut(shut.unwrap_or_else(|| "it was not open for long enough".to_owned()));
            }
            let rest = open_since.map_or(LOOK, |since| (since + self.settle).saturating_duration_since(now).min(LOOK));
            match self.signals.recv_timeout(rest.min(deadline.saturating_duration_since(now))) {
                Ok(signal) => return Opened::Interrupted(signal),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    fn pods(&self) -> Result<Vec<Pod>, CallFailure> {
        read_pods(&self.exec, &self.target, &kubectl::pods_of(&self.release, &self.labels)).map(|pods| pods.items)
    }

    /// Why the gate is shut now; `None` while it is open.
    fn shut(&mut self, expected: &[Expected]) -> Option<String> {
        let pods = match self.pods() {
            Ok(pods) => pods,
            Err(failed) => return Some(failed.to_string()),
        };
        self.shut_by_milvus = false;
        if let Some(why) = self.pods_shut(expected, &pods) {
            return Some(why);
        }
        let deployments = match read_deployments(&self.exec, &self.target, &self.release) {
            Ok(deployments) => deployments,
            Err(failure) => return Some(failure.to_string()),
        };
        let unsettled = |name: &String| deployments.iter().any(|live| live.name == *name && !live.is_settled());
        if let Some(name) =
            expected.iter().flat_map(|one| &one.deployments).map(|(name, _)| name).find(|name| unsettled(name))
        {
            return Some(format!("Deployment `{name}` is not settled"));
        }
        let shut = self.source_shut(&pods);
        self.shut_by_milvus = shut.is_some();
        shut
    }

    /// Pods: the leaving ones are gone, those of other components too; nobody
    /// else became unready or restarted since the gate was last open.
    fn pods_shut(&mut self, expected: &[Expected], pods: &[Pod]) -> Option<String> {
        let leaving = || pods.iter().filter(|pod| pod.is_leaving());
        self.leaving_until = leaving().filter_map(gone_by).max();
        for one in expected {
            let progress = judge(one, Until::Ready, pods.iter());
            if !progress.reached {
                return Some(progress.to_string());
            }
        }
        if let Some(pod) = leaving().next() {
            return Some(format!("pod `{}` is still leaving", pod.name));
        }
        for pod in pods.iter().filter(|pod| pod.is_active()) {
            if !pod.ready {
                return Some(format!("pod `{}` is not Ready ({})", pod.name, pod.status));
            }
            if self.restarts.insert(pod.uid.clone(), pod.restarts).is_some_and(|before| before < pod.restarts) {
                return Some(format!("pod `{}` has restarted", pod.name));
            }
        }
        None
    }

    fn source_shut(&mut self, pods: &[Pod]) -> Option<String> {
        if self.sources == Sources::Pods {
            self.chosen = Some(Chosen::Pods);
        }
        match &self.chosen {
            Some(Chosen::Pods) => None,
            Some(Chosen::Source(source, before)) => match self.ask(source, pods) {
                Reading::Known(now) => match (source.judge)(before, &now) {
                    Some(Health::Well) => None,
                    Some(Health::Unwell(why)) => Some(format!("{}: {why}", source.name)),
                    None => Some(format!("{}: its answer was not understood", source.name)),
                },
                other => Some(format!("{}: {}", source.name, reason(&other))),
            },
            None => self.choose(pods),
        }
    }

    /// The first source that can be read and says that all is well is used from
    /// then on. Pods alone are enough only where nothing can be read: a source
    /// that says no is believed.
    fn choose(&mut self, pods: &[Pod]) -> Option<String> {
        let mut unwell = None;
        let mut passed_over = Vec::new();
        for source in SOURCES.iter().filter(|source| self.version.is_none_or(|version| version >= source.since)) {
            let reading = self.ask(source, pods);
            let said = match &reading {
                Reading::Known(now) => (source.judge)(&Answers::new(), now),
                _ => None,
            };
            match (reading, said) {
                (Reading::Known(now), Some(Health::Well)) => {
                    self.chosen = Some(Chosen::Source(source, now));
                    self.passed_over = passed_over;
                    return None;
                }
                (_, Some(Health::Unwell(why))) => {
                    let why = format!("{}: {why}", source.name);
                    passed_over.push(why.clone());
                    unwell.get_or_insert(why);
                }
                (Reading::Known(_), None) => {
                    passed_over.push(format!("{}: its answer was not understood", source.name));
                }
                (other, _) => passed_over.push(format!("{}: {}", source.name, reason(&other))),
            }
        }
        self.passed_over = passed_over;
        if unwell.is_none() {
            self.chosen = Some(Chosen::Pods);
        }
        unwell
    }

    /// How many query nodes Milvus needs; absent where no Milvus of 2.5 or newer
    /// is there to be asked.
    #[must_use]
    pub fn needed_query_nodes(&self) -> Reading<Needs> {
        if self.version.is_some_and(|version| version < Version(2, 5, 0)) {
            return Reading::Absent;
        }
        let pods = match self.pods() {
            Ok(pods) => pods,
            Err(failed) => return Reading::Unclear(failed.to_string()),
        };
        let Some(proxy) = asked(Asked::Proxy, &pods).into_iter().next() else { return Reading::Absent };
        let needs = match self.get(&proxy.name, milvus::REPLICAS) {
            Reading::Known(body) => milvus::most_replicas(&body),
            other => return without_value(other),
        };
        let Some(needs) = needs else { return Reading::Unclear("its answer was not understood".to_owned()) };
        let of_groups = match self.get(&proxy.name, milvus::RESOURCE_GROUPS) {
            Reading::Known(body) => milvus::asked_by_groups(&body).unwrap_or(0),
            _ => 0,
        };
        Reading::Known(Needs { of_groups, ..needs })
    }

    /// Every answer of a source.
    fn ask(&self, source: &Source, pods: &[Pod]) -> Reading<Answers> {
        let Some(pod) = self.respondent(source.asked, pods) else { return Reading::Absent };
        let mut answers = Answers::new();
        for path in source.paths {
            let paths = if path.contains("{db}") {
                let databases = match self.get(&pod.name, milvus::DATABASES) {
                    Reading::Known(body) => match milvus::databases(&body) {
                        Some(databases) => databases,
                        None => return Reading::Unclear("the list of databases was not understood".to_owned()),
                    },
                    other => return without_value(other),
                };
                databases.iter().map(|name| path.replace("{db}", &kubectl::percent_encoded(name))).collect()
            } else {
                vec![(*path).to_owned()]
            };
            for path in paths {
                match self.get(&pod.name, &path) {
                    Reading::Known(body) => drop(answers.insert(path, body)),
                    other => return without_value(other),
                }
            }
        }
        Reading::Known(answers)
    }

    /// The pod to ask. Of several coordinators the active one: a standby is
    /// healthy and knows nothing.
    fn respondent<'a>(&self, who: Asked, pods: &'a [Pod]) -> Option<&'a Pod> {
        let candidates = asked(who, pods);
        if who == Asked::Proxy || candidates.len() < 2 {
            return candidates.into_iter().next();
        }
        let active = |pod: &&Pod| {
            let path = milvus::active_path(milvus::role(&pod.component, self.version));
            matches!(self.get(&pod.name, &path), Reading::Known(_))
        };
        candidates.into_iter().find(active)
    }

    fn get(&self, pod: &str, path: &str) -> Reading<String> {
        let needs = Denied { verb: "get", resource: "pods/proxy" };
        let query = kubectl::ask_pod(&self.target, pod, path);
        Reading::of(self.exec.read(&query, |output| kubectl::read_answer(output, LONGEST_ANSWER)), needs)
    }
}

/// When the time is up that a leaving pod was given.
fn gone_by(pod: &Pod) -> Option<Instant> {
    let deletion = pod.deletion?;
    let passed = Timestamp::now().duration_since(deletion.asked);
    let left = deletion.grace.saturating_sub(passed.try_into().unwrap_or_default());
    Some(Instant::now() + left + AFTER_THE_GRACE)
}

fn asked(who: Asked, pods: &[Pod]) -> Vec<&Pod> {
    let labels: &[&str] = match who {
        Asked::Coordinator => &["mixcoord", "querycoord"],
        Asked::Proxy => &["proxy"],
    };
    pods.iter().filter(|pod| pod.is_active() && pod.ready && labels.contains(&pod.component.as_str())).collect()
}

fn without_value<T>(reading: Reading<String>) -> Reading<T> {
    match reading {
        Reading::Forbidden(denied) => Reading::Forbidden(denied),
        Reading::Unclear(why) => Reading::Unclear(why),
        Reading::Absent | Reading::Known(_) => Reading::Absent,
    }
}

fn reason<T>(reading: &Reading<T>) -> String {
    match reading {
        Reading::Known(_) => String::new(),
        Reading::Absent => "it is not there".to_owned(),
        Reading::Forbidden(Denied { verb, resource }) => format!("you may not {verb} `{resource}`"),
        Reading::Unclear(why) => format!("could not tell ({})", crate::error::plain(why)),
    }
}
