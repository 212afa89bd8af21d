//! The only file that starts programs. One function makes every child and pins
//! its world; reading children can be stopped at any moment, a changing one is
//! left to finish.

use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;

use duct::{Expression, ReaderHandle};

use crate::error::Failure;
use crate::invocation::{Change, Invocation, Program, Query};
use crate::platform::{ended_by, in_own_group, terminate};
use crate::signals::{Interrupt, Listening, Signals};
use crate::target::Environment;

/// Runs the programs that were found, and nothing else.
pub struct Exec {
    helm: PathBuf,
    kubectl: PathBuf,
    /// How the children use memory; empty where the user has said it.
    memory: &'static [(&'static str, &'static str)],
    signals: Signals,
    trace: Box<dyn Fn(&Invocation) + Send + Sync>,
}

/// How a call of a program failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallFailure {
    /// It could not be started.
    #[error("cannot start `{line}`: {reason}")]
    NotStarted {
        /// The line, as a message shows it.
        line: String,
        /// What the operating system says.
        reason: String,
    },
    /// It ended with another status than 0.
    #[error("`{line}` ended with {status}")]
    Ended {
        /// The line, as a message shows it.
        line: String,
        /// `exit status 1`, `signal 9`.
        status: String,
        /// Its standard error, unchanged.
        stderr: String,
    },
    /// It ended well, but what it printed is not what it promises to print.
    #[error("cannot understand what `{line}` printed: {reason}")]
    NotUnderstood {
        /// The line, as a message shows it.
        line: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl CallFailure {
    /// What the program itself said, empty where it said nothing.
    #[must_use]
    pub fn stderr(&self) -> &str {
        match self {
            Self::Ended { stderr, .. } => stderr,
            _ => "",
        }
    }
}

impl Exec {
    /// Finds both programs, before anything is started. Helm names itself to
    /// its plugins in `HELM_BIN`, as typed; kubectl 1.37 and newer in
    /// `KUBECTL_PATH`.
    pub fn find(
        environment: &Environment,
        signals: Signals,
        trace: impl Fn(&Invocation) + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let called_by_helm = environment.is_helm_plugin().then(|| environment.get("HELM_BIN")).flatten();
        Ok(Self {
            helm: locate(Program::Helm, called_by_helm, environment)?,
            kubectl: locate(Program::Kubectl, calling_kubectl(environment), environment)?,
            memory: if MEMORY.iter().any(|(name, _)| environment.get(name).is_some()) { &[] } else { &MEMORY },
            signals,
            trace: Box::new(trace),
        })
    }

    /// Whether a signal has come: then a call that failed may only have been
    /// ended.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.signals.first().is_some()
    }

    /// Runs a reading call and gives its standard output to `parse` as it
    /// comes. A signal ends the child.
    pub fn read<T>(
        &self,
        query: &Query,
        parse: impl FnOnce(&mut dyn BufRead) -> Result<T, String>,
    ) -> Result<T, CallFailure> {
        let stream = self.follow(query)?;
        let mut output = BufReader::new(&*stream.child);
        let parsed = parse(&mut output);
        // What the parser left is read, else the child could wait for us for ever.
        let drained = io::copy(&mut output, &mut io::sink());
        if let Err(failed) = stream.ended_well() {
            if matches!(&failed, CallFailure::Ended { status, .. } if status == "signal 2") {
                self.signals.await_first();
            }
            return Err(failed);
        }
        let line = || query.0.brief();
        drained.map_err(|failed| CallFailure::NotUnderstood { line: line(), reason: failed.to_string() })?;
        parsed.map_err(|reason| CallFailure::NotUnderstood { line: line(), reason })
    }

    /// Runs a reading call that no signal ends: the look at what a change came
    /// to must not be lost to the Ctrl-C that came with it.
    pub fn insist<T>(
        &self,
        query: &Query,
        parse: impl FnOnce(&mut dyn BufRead) -> Result<T, String>,
    ) -> Result<T, CallFailure> {
        self.to_the_end(&query.0, parse)
    }

    /// A short call that no signal reaches, unless it hangs and the user insists:
    /// the third one ends it.
    fn to_the_end<T>(
        &self,
        call: &Invocation,
        parse: impl FnOnce(&mut dyn BufRead) -> Result<T, String>,
    ) -> Result<T, CallFailure> {
        let line = call.brief();
        let not_started =
            |failed: io::Error| CallFailure::NotStarted { line: line.clone(), reason: failed.to_string() };
        let expression = self.expression(call).stdout_capture().stderr_capture().unchecked();
        let child = Arc::new(in_own_group(&expression).start().map_err(not_started)?);
        let weak = Arc::downgrade(&child);
        let heard = std::sync::atomic::AtomicU32::new(0);
        let _listening = self.signals.each(move |_| {
            let Some(child) = weak.upgrade() else { return false };
            if heard.fetch_add(1, std::sync::atomic::Ordering::SeqCst) >= 2 {
                let _ = child.kill();
            }
            true
        });
        let output = child.wait().map_err(not_started)?;
        ended_well(&line, output.status, &output.stderr)?;
        parse(&mut output.stdout.as_slice()).map_err(|reason| CallFailure::NotUnderstood { line, reason })
    }

    /// Starts a reading call that goes on until the other side ends it, or the
    /// stream is dropped.
    pub fn follow(&self, query: &Query) -> Result<Stream, CallFailure> {
        let line = query.0.brief();
        let child = self
            .expression(&query.0)
            .stderr_capture()
            .unchecked()
            .reader()
            .map_err(|failed| CallFailure::NotStarted { line: line.clone(), reason: failed.to_string() })?;
        let child = Arc::new(child);
        let weak = Arc::downgrade(&child);
        let listening = self.signals.each(move |_| weak.upgrade().is_some_and(|child| child.kill().is_ok()));
        Ok(Stream { child, line, _listening: listening })
    }

    /// Runs a changing call of one short request to its end. No signal reaches
    /// it: the answer of a request that is under way must not be lost.
    pub fn change_at_once(&self, change: &Change) -> Result<(), CallFailure> {
        self.to_the_end(&change.0, |_| Ok(()))
    }

    /// Runs a changing call to its end and returns its standard output. It has
    /// a process group of its own: the first Ctrl-C of a terminal, and a
    /// terminal that is closed, do not reach it (Helm would cancel and leave a
    /// failed revision). A second Ctrl-C and SIGTERM are passed on.
    pub fn change(&self, change: &Change) -> Result<Vec<u8>, CallFailure> {
        let line = change.0.brief();
        let not_started =
            |failed: io::Error| CallFailure::NotStarted { line: line.clone(), reason: failed.to_string() };
        let expression = self.expression(&change.0).stdout_capture().stderr_capture().unchecked();
        let child = Arc::new(in_own_group(&expression).start().map_err(not_started)?);
        let weak = Arc::downgrade(&child);
        let seen_before = std::sync::atomic::AtomicBool::new(false);
        let _listening = self.signals.each(move |signal| {
            let Some(child) = weak.upgrade() else { return false };
            let again = seen_before.swap(true, std::sync::atomic::Ordering::SeqCst);
            if again || signal == Interrupt::Terminate {
                terminate(&child);
            }
            true
        });
        let output = child.wait().map_err(not_started)?;
        ended_well(&line, output.status, &output.stderr)?;
        Ok(output.stdout.clone())
    }

    fn expression(&self, call: &Invocation) -> Expression {
        (self.trace)(call);
        let program = match call.program {
            Program::Helm => &self.helm,
            Program::Kubectl => &self.kubectl,
        };
        #[expect(clippy::disallowed_methods, reason = "this is the place")]
        let expression = duct::cmd(program, &call.arguments);
        // The target is in the arguments of every call; what a user's shell or
        // a user's kuberc adds to it could only make the two children differ.
        let expression = match &call.input {
            Some(text) => expression.stdin_bytes(text.as_str()),
            None => expression.stdin_null(),
        };
        let expression = STRAYS.iter().fold(expression, |expression, name| expression.env_remove(name));
        let expression = self.memory.iter().fold(expression, |expression, (name, value)| expression.env(name, value));
        expression.env("KUBECTL_KUBERC", "false").env("NO_COLOR", "1")
    }
}

/// Both programs are of Go, and most of their short lives is a beginning in
/// which a fifth of the CPU goes into collecting the garbage of a few MB. So it
/// is collected late, and from 64 MiB on as often as it takes to stay there:
/// that makes a small answer cheaper and a large one no larger (Helm 4.3.1 and
/// kubectl 1.37.2, measured: a proof's dry run 565 to 503 ms, a list of 1000 pods
/// 147 to 107 MB in the same time).
const MEMORY: [(&str, &str); 2] = [("GOGC", "400"), ("GOMEMLIMIT", "64MiB")];

/// Variables that would change where helm or kubectl acts, or what they print.
const STRAYS: [&str; 10] = [
    "HELM_NAMESPACE",
    "HELM_KUBECONTEXT",
    "HELM_KUBETOKEN",
    "HELM_KUBEASUSER",
    "HELM_KUBEASGROUPS",
    "HELM_KUBEAPISERVER",
    "HELM_KUBECAFILE",
    "HELM_KUBEINSECURE_SKIP_TLS_VERIFY",
    "HELM_KUBETLS_SERVER_NAME",
    "HELM_DEBUG",
];

/// The output of a reading child while it comes. Dropping it ends the child.
pub struct Stream {
    child: Arc<ReaderHandle>,
    line: String,
    _listening: Listening,
}

impl Stream {
    /// Something that ends the child from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::downgrade(&self.child))
    }

    /// Calls `each` with every line until the child ends or `each` returns
    /// `false`. Memory stays flat: one line is held at a time.
    pub fn lines(&self, mut each: impl FnMut(&[u8]) -> bool) -> Result<(), CallFailure> {
        let mut output = BufReader::new(&*self.child);
        let mut line = Vec::new();
        loop {
            line.clear();
            match output.read_until(b'\n', &mut line) {
                Ok(0) => return self.ended_well(),
                Ok(_) if each(&line) => {}
                Ok(_) => return Ok(()),
                Err(failed) => {
                    return Err(CallFailure::NotUnderstood { line: self.line.clone(), reason: failed.to_string() });
                }
            }
        }
    }

    /// The child's end, once its output has ended.
    fn ended_well(&self) -> Result<(), CallFailure> {
        let not_understood = |reason: String| CallFailure::NotUnderstood { line: self.line.clone(), reason };
        // Reading on at the end of the output makes duct wait for the child.
        let read = (&*self.child).read(&mut [0; 1]).map_err(|failed| not_understood(failed.to_string()))?;
        match self.child.try_wait() {
            Ok(Some(output)) => ended_well(&self.line, output.status, &output.stderr),
            Ok(None) => Err(not_understood(format!("it goes on after its end ({read} bytes)"))),
            Err(failed) => Err(not_understood(failed.to_string())),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Fails only if it has ended already. `kill` of duct also waits.
        let _ = self.child.kill();
    }
}

/// Ends a [`Stream`]'s child from elsewhere.
pub struct Stopper(std::sync::Weak<ReaderHandle>);

impl Drop for Stopper {
    fn drop(&mut self) {
        if let Some(child) = self.0.upgrade() {
            let _ = child.kill();
        }
    }
}

/// The kubectl that called, unless it is part of a program of another name (of
/// k3s, for instance), which would not know what it is called for.
fn calling_kubectl(environment: &Environment) -> Option<&str> {
    environment.get("KUBECTL_PATH").filter(|path| {
        let name = std::path::Path::new(path).file_name().and_then(std::ffi::OsStr::to_str);
        name.is_some_and(|name| name.starts_with("kubectl"))
    })
}

fn locate(program: Program, told: Option<&str>, environment: &Environment) -> Result<PathBuf, Failure> {
    let name = told.unwrap_or(program.name());
    let path = environment.get("PATH");
    let directory = std::env::current_dir().unwrap_or_default();
    which::which_in(name, path, directory).map_err(|_| {
        let failure = Failure::new("tool-missing", format!("`{name}` is not on the PATH"))
            .because(format!("PATH is `{}`", path.unwrap_or("")));
        match program {
            Program::Helm => failure.hint("install Helm 3.13 or newer, or Helm 4, and see that `helm version` works"),
            Program::Kubectl => failure.hint("install kubectl, and see that `kubectl version` works"),
        }
    })
}

fn ended_well(line: &str, status: ExitStatus, stderr: &[u8]) -> Result<(), CallFailure> {
    if status.success() {
        return Ok(());
    }
    Err(CallFailure::Ended {
        line: line.to_owned(),
        status: status_text(status),
        stderr: String::from_utf8_lossy(stderr).trim_end().to_owned(),
    })
}

fn status_text(status: ExitStatus) -> String {
    if let Some(signal) = ended_by(status) {
        return format!("signal {signal}");
    }
    status.code().map_or_else(|| status.to_string(), |code| format!("exit status {code}"))
}
