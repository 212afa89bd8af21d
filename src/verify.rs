//! Follows the pods of a component until they are what they should be, the
//! time is up or a signal comes; then reads them once more as a user would.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::component::ComponentRef;
use crate::error::Failure;
use crate::exec::{CallFailure, Exec, Stopper};
use crate::kubectl::{self, Selector};
use crate::observe::{Observed, joined, read_deployments, read_pods};
use crate::pod::{Pod, WatchLine, read_watch_line};
use crate::signals::{Interrupt, Signals};
use crate::stuck::{self, Stuck};
use crate::target::Target;
use crate::verdict::{self, Expected, Moved, Progress, Until, judge};
use crate::workload::{Deployment, List};

/// How long a watch may say nothing before it is begun anew. The API server
/// sends a bookmark about every minute; a connection that broke half-way sends
/// nothing at all, and does not end either.
const SILENCE: Duration = Duration::from_secs(90);

/// The pauses between two tries to reach the API server, or to see a Deployment
/// settled whose pods are all Ready.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often a question is asked that the watch does not answer.
const LOOK_CLOSER: Duration = Duration::from_secs(3);

/// A watch on pods that goes on by itself, from the position of a first list.
/// It is begun before a change, so that it sees everything the change does.
pub struct Follower {
    exec: Arc<Exec>,
    target: Target,
    release: String,
    selector: Selector,
    pods: BTreeMap<String, Pod>,
    events: Receiver<Event>,
    stream: Arc<Mutex<Option<Stopper>>>,
    /// Until it is started.
    watcher: Option<Watcher>,
    /// The Deployments of the same round, as long as nothing has been done or
    /// waited for since.
    just_observed: Option<Vec<Deployment>>,
    last_heard: Instant,
    /// Since when a pod has been in which trouble, by UID.
    troubled: BTreeMap<String, (Timestamp, String)>,
    looked_closer: Option<Instant>,
    cannot_create: Option<String>,
    /// Dropped with this value; the watching thread waits on its other end.
    _stop: Sender<()>,
}

/// How following ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It is true, also in the last reading, which is this.
    Reached(Vec<Pod>),
    /// The time is up; the trouble with reading, if that was the reason.
    TimedOut(Option<String>),
    /// It cannot become true: waiting longer helps nobody.
    Hopeless(Stuck),
    /// Somebody else changed the count.
    Moved(Moved),
    /// A signal came.
    Interrupted(Interrupt),
}

enum Event {
    List(Vec<Pod>),
    Present(Box<Pod>),
    Gone(String),
    Heard,
    Trouble(String),
    Signal(Interrupt),
}

impl Follower {
    /// Gets ready to follow the pods of these components from what was observed
    /// on. Nothing is started as long as nothing is to be waited for.
    #[must_use]
    pub fn new(
        exec: &Arc<Exec>,
        target: &Target,
        signals: &Signals,
        release: &str,
        components: &[ComponentRef],
        observed: &Observed,
    ) -> Self {
        let labels: Vec<&str> = components.iter().map(|c| c.label).collect();
        let (events_in, events) = channel();
        let (stop, stopped) = channel();
        signals.forward(events_in.clone(), Event::Signal);
        let stream = Arc::new(Mutex::new(None));
        let selector = kubectl::pods_of(release, &labels);
        let watcher = Watcher {
            exec: Arc::clone(exec),
            target: target.clone(),
            selector: selector.clone(),
            events: events_in,
            stopped,
            stream: Arc::clone(&stream),
            from: observed.pods.resource_version.clone(),
        };
        Self {
            exec: Arc::clone(exec),
            target: target.clone(),
            release: release.to_owned(),
            selector,
            pods: by_uid(observed.pods.items.clone()),
            just_observed: Some(observed.deployments.clone()),
            events,
            stream,
            watcher: Some(watcher),
            last_heard: Instant::now(),
            troubled: BTreeMap::new(),
            looked_closer: None,
            cannot_create: None,
            _stop: stop,
        }
    }

    /// Starts the watch, if it has not been started.
    pub fn start(&mut self) {
        // What was observed is about to be out of date.
        self.just_observed = None;
        if let Some(watcher) = self.watcher.take() {
            self.last_heard = Instant::now();
            std::thread::spawn(move || watcher.run());
        }
    }

    /// The pods as they were seen last.
    #[must_use]
    pub fn pods(&self) -> Vec<Pod> {
        self.pods.values().cloned().collect()
    }

    /// What is seen of each component now.
    #[must_use]
    pub fn progress(&self, expected: &[Expected], until: Until) -> Vec<Progress> {
        expected.iter().map(|one| judge(one, until, self.pods.values())).collect()
    }

    /// Follows until everything expected is true. `report` is called with every
    /// change of what is seen.
    pub fn until(
        &mut self,
        expected: &[Expected],
        until: Until,
        deadline: Instant,
        mut report: impl FnMut(&[Progress]),
    ) -> End {
        let mut shown = Vec::new();
        let mut trouble = None;
        let mut pause = SHORTEST_PAUSE;
        let mut confirm_at = Instant::now();
        loop {
            let progress = self.progress(expected, until);
            if progress != shown {
                report(&progress);
                shown.clone_from(&progress);
            }
            let reached = progress.iter().all(|one| one.reached);
            if reached && until == Until::Gone {
                return End::Reached(self.pods.values().cloned().collect());
            }
            let now = Instant::now();
            if reached && now >= confirm_at {
                let seen = match self.just_observed.take() {
                    Some(deployments) => {
                        Ok(Self::agreed(expected, &deployments, self.pods.values().cloned().collect()))
                    }
                    None => self.confirm(expected),
                };
                match seen {
                    Ok(Some(pods)) => return End::Reached(pods),
                    Ok(None) => trouble = None,
                    Err(failure) => trouble = Some(failure.to_string()),
                }
                confirm_at = Instant::now() + pause;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            if now >= deadline {
                return End::TimedOut(trouble);
            }
            self.start();
            if until == Until::Ready && !reached {
                let closer = self.looks_closer();
                let deployments = if closer { self.counts(expected) } else { None };
                if let Some(moved) = deployments.as_ref().and_then(|live| verdict::moved(expected, live)) {
                    return End::Moved(moved);
                }
                if let Some(stuck) = self.stuck(expected, closer, deployments.as_deref()) {
                    return End::Hopeless(stuck);
                }
            }
            let wake = if reached { confirm_at.min(deadline) } else { (now + LOOK_CLOSER).min(deadline) };
            let wait = wake.min(self.last_heard + SILENCE).saturating_duration_since(Instant::now());
            match self.events.recv_timeout(wait) {
                Ok(event) => {
                    // What has piled up is taken in before the next look.
                    let waiting: Vec<Event> = self.events.try_iter().collect();
                    for event in std::iter::once(event).chain(waiting) {
                        match event {
                            Event::Signal(signal) => return End::Interrupted(signal),
                            Event::Trouble(reason) => trouble = Some(reason),
                            other => {
                                trouble = None;
                                self.learn(other);
                            }
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) if self.last_heard.elapsed() >= SILENCE => self.begin_anew(),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    /// Whether it is time for what the watch does not answer.
    fn looks_closer(&mut self) -> bool {
        let closer = self.looked_closer.is_none_or(|at| at.elapsed() >= LOOK_CLOSER);
        if closer {
            self.looked_closer = Some(Instant::now());
        }
        closer
    }

    /// The Deployments, where there is another number of pods than there should
    /// be: they tell why.
    fn counts(&self, expected: &[Expected]) -> Option<Vec<Deployment>> {
        let active = |name: &String| {
            self.pods.values().filter(|pod| pod.deployment.as_ref() == Some(name) && pod.is_active()).count()
        };
        let as_many = |(name, count): &(String, u32)| u32::try_from(active(name)) == Ok(*count);
        if expected.iter().flat_map(|one| &one.deployments).all(as_many) {
            return None;
        }
        read_deployments(&self.exec, &self.target, &self.release).ok()
    }

    /// A pod that will not come, or a ReplicaSet that may create none. What the
    /// pods themselves do not tell is asked for every few seconds, not at every
    /// event.
    fn stuck(&mut self, expected: &[Expected], closer: bool, deployments: Option<&[Deployment]>) -> Option<Stuck> {
        let now = Timestamp::now();
        let mine = |pod: &&Pod| expected.iter().any(|one| one.owns(pod)) && pod.is_active() && !pod.ready;
        // As long as there are too many, the ones in trouble may be about to go.
        let too_many = |one: &Expected| {
            one.deployments.iter().any(|(name, count)| {
                let active = self.pods.values().filter(|pod| pod.deployment.as_ref() == Some(name) && pod.is_active());
                active.count() > usize::try_from(*count).unwrap_or(usize::MAX)
            })
        };
        if expected.iter().any(too_many) {
            return None;
        }
        let waiting: Vec<&Pod> = self.pods.values().filter(mine).collect();
        self.troubled.retain(|uid, _| waiting.iter().any(|pod| pod.uid == *uid && pod.trouble.is_some()));
        for pod in &waiting {
            let Some(trouble) = &pod.trouble else { continue };
            let seen = self.troubled.entry(pod.uid.clone()).or_insert_with(|| (now, trouble.reason.clone()));
            if family(&seen.1) != family(&trouble.reason) {
                *seen = (now, trouble.reason.clone());
            }
            let first_seen = seen.0;
            let events = if closer && stuck::needs_events(pod, now) {
                let query = kubectl::list_events(&self.target, &pod.name);
                self.exec.read(&query, kubectl::read_events).unwrap_or_default()
            } else if stuck::needs_events(pod, now) {
                continue;
            } else {
                Vec::new()
            };
            if let Some(stuck) = stuck::judge(pod, &events, first_seen, now) {
                return Some(stuck);
            }
        }
        let active =
            self.pods.values().filter(|pod| expected.iter().any(|one| one.owns(pod)) && pod.is_active()).count();
        let missing = u64::try_from(active).is_ok_and(|active| active < expected.iter().map(Expected::pods).sum());
        let deployments = deployments.filter(|_| missing)?;
        let names: Vec<&String> = expected.iter().flat_map(|one| &one.deployments).map(|(name, _)| name).collect();
        let failing =
            deployments.iter().filter(|live| names.contains(&&live.name)).find_map(|live| live.cannot_create.clone());
        // A quota that is freed by a pod that is just going is no verdict: the
        // words have to be there twice.
        let words = failing.filter(|words| self.cannot_create.replace(words.clone()).is_some())?;
        stuck::cannot_create(&words)
    }

    fn learn(&mut self, event: Event) {
        self.last_heard = Instant::now();
        match event {
            Event::List(pods) => self.pods = by_uid(pods),
            Event::Present(pod) => {
                self.pods.insert(pod.uid.clone(), *pod);
            }
            Event::Gone(uid) => {
                self.pods.remove(&uid);
            }
            Event::Heard | Event::Trouble(_) | Event::Signal(_) => {}
        }
    }

    /// Ends the watch's child; its thread lists again and goes on.
    fn begin_anew(&mut self) {
        self.last_heard = Instant::now();
        drop(self.stream.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Reads pods and Deployments once more; `None` if they are not, or not
    /// yet, as expected.
    fn confirm(&self, expected: &[Expected]) -> Result<Option<Vec<Pod>>, Failure> {
        let Self { exec, target, release, .. } = self;
        let (deployments, pods) = std::thread::scope(|scope| {
            let deployments = scope.spawn(|| read_deployments(exec, target, release));
            let pods = self.as_a_user_sees_them();
            (joined(deployments), pods)
        });
        let deployments = deployments?;
        let pods = pods.map_err(|failed| crate::observe::cluster_failure(&failed, "list", "pods", &self.target))?;
        Ok(Self::agreed(expected, &deployments, pods))
    }

    /// The pods, if they and the Deployments are as expected.
    fn agreed(expected: &[Expected], deployments: &[Deployment], pods: Vec<Pod>) -> Option<Vec<Pod>> {
        let settled = expected.iter().flat_map(|one| &one.deployments).all(|(name, count)| {
            deployments.iter().any(|live| live.name == *name && live.wanted == *count && live.is_settled())
        });
        let reached = expected.iter().all(|one| judge(one, Until::Ready, pods.iter()).reached);
        (settled && reached).then_some(pods)
    }

    /// `kubectl get pods -o json`; from two pages of pods on through `get
    /// --raw`, since kubectl holds the whole list in memory three times over.
    fn as_a_user_sees_them(&self) -> Result<Vec<Pod>, CallFailure> {
        if self.pods.len() > kubectl::PAGE {
            return read_pods(&self.exec, &self.target, &self.selector).map(|pods| pods.items);
        }
        let list: List<Pod> = self.exec.read(&kubectl::get_pods(&self.target, &self.selector), kubectl::read_list)?;
        Ok(list.items)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.begin_anew();
    }
}

fn by_uid(pods: Vec<Pod>) -> BTreeMap<String, Pod> {
    pods.into_iter().map(|pod| (pod.uid.clone(), pod)).collect()
}

/// Two words for one trouble: an image that is pulled again and again changes
/// between them.
fn family(reason: &str) -> &str {
    match reason {
        "ErrImagePull" => "ImagePullBackOff",
        other => other,
    }
}

/// The thread that keeps a watch going.
struct Watcher {
    exec: Arc<Exec>,
    target: Target,
    selector: Selector,
    events: Sender<Event>,
    stopped: Receiver<()>,
    stream: Arc<Mutex<Option<Stopper>>>,
    /// The position from which it goes on.
    from: String,
}

impl Watcher {
    /// A watch ends without a word when the server closes it, the connection
    /// breaks or the position is too old (kubectl exits 0): list again, and go
    /// on from there.
    fn run(self) {
        let mut position = Some(self.from.clone()).filter(|from| !from.is_empty());
        let mut pause = SHORTEST_PAUSE;
        loop {
            let began = Instant::now();
            if let Some(from) = position.take()
                && let Err(failed) = self.watch(&from)
            {
                self.tell(Event::Trouble(failed.to_string()));
            }
            // A watch that lasted was well; one that ends at once may be
            // refused over and over.
            pause = if began.elapsed() > LONGEST_PAUSE { SHORTEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            match self.stopped.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
            match read_pods(&self.exec, &self.target, &self.selector) {
                Ok(pods) => {
                    position = Some(pods.resource_version);
                    self.tell(Event::List(pods.items));
                }
                Err(failed) => self.tell(Event::Trouble(failed.to_string())),
            }
        }
    }

    fn watch(&self, from: &str) -> Result<(), CallFailure> {
        let stream = self.exec.follow(&kubectl::watch_pods(&self.target, &self.selector, from))?;
        *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream.stopper());
        // Dropped between the two lines above, the follower could not stop it.
        if matches!(self.stopped.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected)) {
            return Ok(());
        }
        stream.lines(|line| {
            let event = match read_watch_line(line) {
                Ok(WatchLine::Present(pod)) => Event::Present(pod),
                Ok(WatchLine::Gone(uid)) => Event::Gone(uid),
                Ok(WatchLine::Bookmark) => Event::Heard,
                Ok(WatchLine::Over) | Err(_) => return false,
            };
            self.events.send(event).is_ok()
        })
    }

    fn tell(&self, event: Event) {
        // Fails only if nobody follows any more; the loop is about to see that.
        let _ = self.events.send(event);
    }
}
