//! Ctrl-C, SIGTERM and a closed terminal, as messages: whoever waits, waits on
//! a channel, and hears a signal there like anything else.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::Exit;

/// Why the run is to end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal was closed.
    Hangup,
}

impl Interrupt {
    /// The exit code that belongs to it.
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate | Self::Hangup => Exit::Terminated,
        }
    }
}

/// The signals of this process since it began.
#[derive(Clone, Default)]
pub struct Signals {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    first: Option<Interrupt>,
    listeners: BTreeMap<u64, Listener>,
    next: u64,
}

type Listener = Box<dyn Fn(Interrupt) -> bool + Send>;

/// Someone who listens, until this is dropped: runs last for hours, and what
/// ended long ago must not be kept for the next signal.
#[must_use]
pub struct Listening {
    state: Arc<Mutex<State>>,
    id: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let listener = self.state.lock().unwrap_or_else(PoisonError::into_inner).listeners.remove(&self.id);
        // Not under the lock: it may own something that ends with it.
        drop(listener);
    }
}

impl Signals {
    /// Begins to listen. From here on no signal ends the process by itself.
    pub fn listen() -> std::io::Result<Self> {
        let signals = Self::default();
        let heard = signals.clone();
        crate::platform::listen(move |signal| heard.tell(signal))?;
        Ok(signals)
    }

    /// The first signal so far.
    #[must_use]
    pub fn first(&self) -> Option<Interrupt> {
        self.lock().first
    }

    /// Sends `event(signal)` for every signal, for as long as there is a
    /// receiver, beginning with one that came before.
    pub fn forward<T: Send + 'static>(&self, to: Sender<T>, event: impl Fn(Interrupt) -> T + Send + 'static) {
        if self.first().is_none_or(|earlier| to.send(event(earlier)).is_ok()) {
            // It goes when there is no receiver any more.
            std::mem::forget(self.each(move |signal| to.send(event(signal)).is_ok()));
        }
    }

    /// Calls `listener` for every signal from now on, for as long as it
    /// returns `true` and what is returned here is kept.
    pub fn each(&self, listener: impl Fn(Interrupt) -> bool + Send + 'static) -> Listening {
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        state.listeners.insert(id, Box::new(listener));
        Listening { state: Arc::clone(&self.state), id }
    }

    /// Waits a moment for a signal that must be on its way: Ctrl-C ends a child
    /// in the same process group, and this process may hear of it later.
    pub fn await_first(&self) {
        self.wait(Duration::from_millis(500));
    }

    /// Waits for so long, or until there is a signal; one that came before
    /// counts.
    pub fn wait(&self, longest: Duration) -> Option<Interrupt> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let _listening = self.each(move |signal| sender.send(signal).is_ok());
        self.first().or_else(|| receiver.recv_timeout(longest).ok())
    }

    fn tell(&self, signal: Interrupt) {
        let mut state = self.lock();
        state.first.get_or_insert(signal);
        state.listeners.retain(|_, listener| listener(signal));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn who_does_not_listen_any_more_is_forgotten() {
        let signals = Signals::default();
        for _ in 0..100 {
            drop(signals.each(|_| true));
        }
        let kept = signals.each(|_| true);
        assert_eq!(signals.lock().listeners.len(), 1);
        drop(kept);
        assert!(signals.lock().listeners.is_empty());
    }

    #[test]
    fn the_first_signal_is_kept_and_every_one_is_heard() {
        let signals = Signals::default();
        signals.tell(Interrupt::Terminate);
        let (sender, receiver) = mpsc::channel();
        signals.forward(sender, |s| s);
        signals.tell(Interrupt::Interrupt);
        assert_eq!(signals.first(), Some(Interrupt::Terminate));
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [Interrupt::Terminate, Interrupt::Interrupt]);
    }
}
