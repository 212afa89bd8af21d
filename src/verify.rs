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
use crate::stuck::{self, Seen, Stuck};
use crate::target::Target;
use crate::verdict::{Expected, Progress, Until, is_expected, judge};
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

/// How often the counts are read while pods are waited for: someone else may
/// have set one, and then what is waited for never comes.
const LOOK_AT_COUNTS: Duration = Duration::from_secs(15);

/// Of so many pods at most the events are read in one look: where hundreds are
/// in trouble, it is the same for all.
const EVENTS_OF: usize = 3;

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
    /// Restarts when a pod was seen first, by UID.
    restarts: BTreeMap<String, u32>,
    looked_closer: Option<Instant>,
    /// When the counts of the Deployments were read last.
    counts_read: Instant,
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
    /// Someone else set the count of this Deployment.
    Overtaken(Box<Deployment>),
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
            restarts: observed.pods.items.iter().map(|pod| (pod.uid.clone(), pod.restarts)).collect(),
            looked_closer: None,
            counts_read: Instant::now(),
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

    /// Follows until everything expected is true. `report` is called with what
    /// is seen, every few seconds also where nothing has changed: it may have
    /// held a change back.
    pub fn until(
        &mut self,
        expected: &[Expected],
        until: Until,
        deadline: Instant,
        mut report: impl FnMut(&[Progress]),
    ) -> End {
        let mut trouble = None;
        let mut pause = SHORTEST_PAUSE;
        let mut confirm_at = Instant::now();
        loop {
            let progress = self.progress(expected, until);
            report(&progress);
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
            if !reached && let Some(end) = self.hopeless(expected, until) {
                return end;
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

    /// Why what is expected will not come.
    fn hopeless(&mut self, expected: &[Expected], until: Until) -> Option<End> {
        let now = Timestamp::now();
        let mut mine = self.pods.values().filter(|pod| is_expected(expected, pod));
        if let Some(stuck) = mine.find_map(|pod| stuck::stays(pod, now)) {
            return Some(End::Hopeless(stuck));
        }
        if self.counts_read.elapsed() >= LOOK_AT_COUNTS {
            self.counts_read = Instant::now();
            if let Ok(deployments) = read_deployments(&self.exec, &self.target, &self.release)
                && let Some(live) = overtaken(expected, &deployments)
            {
                return Some(End::Overtaken(Box::new(live.clone())));
            }
        }
        (until == Until::Ready).then(|| self.stuck(expected)).flatten().map(End::Hopeless)
    }

    /// A pod that will not come, or a ReplicaSet that may create none. What the
    /// pods themselves do not tell is asked for every few seconds, not at every
    /// event.
    fn stuck(&mut self, expected: &[Expected]) -> Option<Stuck> {
        let now = Timestamp::now();
        let closer = self.looked_closer.is_none_or(|at| at.elapsed() >= LOOK_CLOSER);
        if closer {
            self.looked_closer = Some(Instant::now());
        }
        let mine = |pod: &&Pod| is_expected(expected, pod) && pod.is_active() && !pod.ready;
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
        let room_to_come = self.pods.values().any(|pod| is_expected(expected, pod) && pod.is_leaving());
        let waiting: Vec<&Pod> = self.pods.values().filter(mine).collect();
        let mut asked = 0;
        self.troubled.retain(|uid, _| waiting.iter().any(|pod| pod.uid == *uid && pod.trouble.is_some()));
        for pod in &waiting {
            let Some(trouble) = &pod.trouble else { continue };
            let seen = self.troubled.entry(pod.uid.clone()).or_insert_with(|| (now, trouble.reason.clone()));
            if family(&seen.1) != family(&trouble.reason) {
                *seen = (now, trouble.reason.clone());
            }
            let seen =
                Seen { first: seen.0, restarts: self.restarts.get(&pod.uid).copied().unwrap_or(0), room_to_come };
            let events = if closer && asked < EVENTS_OF && stuck::needs_events(pod, now) {
                asked += 1;
                let query = kubectl::list_events(&self.target, &pod.name);
                self.exec.read(&query, kubectl::read_events).unwrap_or_default()
            } else if stuck::needs_events(pod, now) {
                continue;
            } else {
                Vec::new()
            };
            if let Some(stuck) = stuck::judge(pod, &events, seen, now) {
                return Some(stuck);
            }
        }
        let active = self.pods.values().filter(|pod| is_expected(expected, pod) && pod.is_active()).count();
        let missing = u64::try_from(active).is_ok_and(|active| active < expected.iter().map(Expected::pods).sum());
        // What a leaving pod takes of a quota is free in a while.
        if !(closer && missing) || room_to_come {
            return None;
        }
        let deployments = read_deployments(&self.exec, &self.target, &self.release).ok()?;
        let names: Vec<&String> = expected.iter().flat_map(|one| &one.deployments).map(|(name, _)| name).collect();
        let failing =
            deployments.iter().filter(|live| names.contains(&&live.name)).find_map(|live| live.cannot_create.clone());
        // A quota that is freed by a pod that is just going is no verdict: there
        // have to be words twice in a row.
        let before = std::mem::replace(&mut self.cannot_create, failing.clone());
        before.and(failing).and_then(|words| stuck::cannot_create(&words))
    }

    fn learn(&mut self, event: Event) {
        self.last_heard = Instant::now();
        match event {
            Event::List(pods) => self.pods = by_uid(pods),
            Event::Present(pod) => {
                self.restarts.entry(pod.uid.clone()).or_insert(pod.restarts);
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

/// The first Deployment whose live count is not the expected one: someone else
/// set it.
#[must_use]
pub fn overtaken<'a>(expected: &[Expected], deployments: &'a [Deployment]) -> Option<&'a Deployment> {
    let mut counts = expected.iter().flat_map(|one| &one.deployments);
    counts.find_map(|(name, count)| deployments.iter().find(|live| live.name == *name && live.wanted != *count))
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
