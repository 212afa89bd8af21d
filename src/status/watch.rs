//! Looking again and again. Watches on Deployments and pods tell when; what
//! changes without them (Helm's record, an autoscaler's condition) is seen at
//! the next look, which is never far.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::report::StatusReport;
use super::{Format, listing, look};
use crate::error::{Exit, Failure, plain};
use crate::exec::{Exec, Stopper};
use crate::invocation::Query;
use crate::kubectl;
use crate::request::StatusRequest;
use crate::signals::{Interrupt, Signals};
use crate::target::Target;
use crate::ui::Ui;

/// The longest time between two looks.
const EVERY: Duration = Duration::from_secs(10);

/// The shortest: thousands of pods must not become thousands of looks.
const APART: Duration = Duration::from_secs(1);

/// Changes come in swarms; a look waits until one has passed.
const SWARM: Duration = Duration::from_millis(200);

/// How often a screen is drawn anew, for the ages on it.
const REDRAW: Duration = Duration::from_secs(1);

/// More namespaces than this are not watched, only looked at.
const WATCHED: usize = 8;

/// Shows the first report and then every change, until a signal comes or
/// nobody reads any more.
pub(super) fn watch(
    request: &StatusRequest,
    first: StatusReport,
    exec: &Arc<Exec>,
    target: &Target,
    signals: &Signals,
    ui: &Ui,
) -> Result<Exit, Failure> {
    let bell = Bell::new(exec, target, signals, &first);
    let mut shown = Shown { request, ui, last: None, drawn: String::new() };
    let mut report = first;
    let mut looked = Instant::now();
    let mut due = looked + EVERY;
    loop {
        if !shown.show(&report) {
            return Ok(report.verdict.exit());
        }
        let wake = if ui.is_screen() { due.min(Instant::now() + REDRAW) } else { due };
        match bell.rings.recv_timeout(wake.saturating_duration_since(Instant::now())) {
            Ok(Ring::Signal(signal)) => return Ok(signal.exit()),
            Ok(Ring::Changed) => due = due.min((Instant::now() + SWARM).max(looked + APART)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        if Instant::now() < due {
            continue;
        }
        match look(request, exec, target, signals) {
            Ok((seen, _)) => report = seen,
            Err(failure) => {
                if let Some(signal) = signals.first() {
                    return Ok(signal.exit());
                }
                // People go on seeing what was true last, and that it is old.
                let known = if request.format == Format::Json { Vec::new() } else { report.releases };
                report = StatusReport::of(known, Some(&failure));
            }
        }
        looked = Instant::now();
        due = looked + EVERY;
    }
}

/// What has been shown so far.
struct Shown<'a> {
    request: &'a StatusRequest,
    ui: &'a Ui,
    last: Option<StatusReport>,
    drawn: String,
}

impl Shown<'_> {
    /// Shows what is new in a report; `false` once nobody reads any more.
    fn show(&mut self, report: &StatusReport) -> bool {
        let changed = self.last.as_ref() != Some(report);
        let read_on = match self.request.format {
            Format::Json => !changed || self.ui.result(&report.json_line()),
            Format::Text(width) => {
                let text = || report.text(width, listing(self.request), Timestamp::now());
                match &self.last {
                    _ if self.ui.is_screen() => {
                        let mut text = text();
                        if let Some(error) = &report.error {
                            text.push_str(&format!("\ncannot be read: {}\n", plain(&error.message)));
                        }
                        let drawn = text == self.drawn || self.ui.screen(&text);
                        self.drawn = text;
                        drawn
                    }
                    None => self.ui.result(&text()),
                    Some(_) if !changed => true,
                    Some(last) => {
                        let lines = super::change::changes(last, report);
                        lines.is_empty() || self.ui.result(&(lines.join("\n") + "\n"))
                    }
                }
            }
        };
        if changed {
            self.last = Some(report.clone());
        }
        read_on
    }
}

/// Rings when something may have changed.
struct Bell {
    rings: Receiver<Ring>,
    streams: Vec<Arc<Mutex<Option<Stopper>>>>,
    /// Dropped with this value; the watching threads wait on the other ends.
    stops: Vec<Sender<()>>,
}

enum Ring {
    Changed,
    Signal(Interrupt),
}

impl Bell {
    fn new(exec: &Arc<Exec>, target: &Target, signals: &Signals, first: &StatusReport) -> Self {
        let (ring, rings) = channel();
        signals.forward(ring.clone(), Ring::Signal);
        let mut bell = Self { rings, streams: Vec::new(), stops: Vec::new() };
        let namespaces: BTreeSet<&str> = first.releases.iter().map(|release| release.namespace.as_str()).collect();
        if namespaces.len() > WATCHED {
            return bell;
        }
        for namespace in namespaces {
            let target = target.within(namespace);
            for query in [kubectl::watch_all_pods(&target), kubectl::watch_deployments(&target)] {
                let (stop, stopped) = channel();
                let stream = Arc::new(Mutex::new(None));
                let watcher =
                    Watcher { exec: Arc::clone(exec), query, ring: ring.clone(), stopped, stream: Arc::clone(&stream) };
                bell.streams.push(stream);
                bell.stops.push(stop);
                std::thread::spawn(move || watcher.run());
            }
        }
        bell
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.stops.clear();
        for stream in &self.streams {
            drop(stream.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

/// A thread that keeps one watch going. It ends without a word when the server
/// closes it; a refused one is tried again, in case a right is given.
struct Watcher {
    exec: Arc<Exec>,
    query: Query,
    ring: Sender<Ring>,
    stopped: Receiver<()>,
    stream: Arc<Mutex<Option<Stopper>>>,
}

impl Watcher {
    fn run(self) {
        loop {
            if let Ok(stream) = self.exec.follow(&self.query) {
                *self.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream.stopper());
                // Dropped between the two lines above, the bell could not stop it.
                if matches!(self.stopped.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected)) {
                    return;
                }
                let _ = stream
                    .lines(|line| line.starts_with(br#"{"type":"BOOKMARK""#) || self.ring.send(Ring::Changed).is_ok());
            }
            match self.stopped.recv_timeout(EVERY) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}
