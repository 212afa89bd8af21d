//! One run of the program, and all that it said.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::sandbox::{NEWEST, Sandbox, chart};
use crate::schema;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubectl-milvus");

/// No run of a test may take longer.
const LONGEST: Duration = Duration::from_secs(300);

/// A run that has not begun.
pub struct Run {
    program: PathBuf,
    words: Vec<String>,
    environment: BTreeMap<String, String>,
    directory: PathBuf,
    change: fn(&mut Command) -> &mut Command,
}

impl Run {
    pub fn new(sandbox: &Sandbox, words: &str) -> Self {
        Self {
            program: PathBuf::from(PROGRAM),
            words: words.split_whitespace().map(str::to_owned).collect(),
            environment: sandbox.environment(),
            directory: sandbox.home().to_owned(),
            change: |command| command,
        }
    }

    /// One more word, with whatever is in it.
    pub fn word(mut self, word: &str) -> Self {
        self.words.push(word.to_owned());
        self
    }

    /// Another program that is to start this one.
    pub fn program(mut self, program: PathBuf) -> Self {
        self.program = program;
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn current_dir(mut self, directory: &Path) -> Self {
        directory.clone_into(&mut self.directory);
        self
    }

    /// How the program is started beyond that.
    pub fn change(mut self, change: fn(&mut Command) -> &mut Command) -> Self {
        self.change = change;
        self
    }

    /// The words for the program. It is told where the chart is only if it is
    /// not where it would look by itself.
    pub fn words(&self) -> Vec<String> {
        let mut words = self.words.clone();
        let says = words.iter().any(|word| word.starts_with("--chart") || word.starts_with("--repo"));
        if let (Ok(path), false) = (env::var("CHART"), says) {
            words.push(format!("--chart={path}"));
        }
        words
    }

    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    pub fn start(self) -> Running {
        let json = self.words.windows(2).any(|pair| pair[0] == "-o" && pair[1] == "json");
        let mut command = Command::new(&self.program);
        command.args(self.words()).env_clear().envs(&self.environment).current_dir(&self.directory);
        let child =
            (self.change)(&mut command).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let stdout = Reader::of(child.stdout.take().unwrap());
        let stderr = Reader::of(child.stderr.take().unwrap());
        Running { child, stdout, stderr, json }
    }

    pub fn end(self) -> Said {
        self.start().end()
    }
}

/// A run under way.
pub struct Running {
    child: Child,
    stdout: Reader,
    stderr: Reader,
    /// Whether each document of its output must be as its schema says.
    json: bool,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until standard error has a line with `text` in it.
    pub fn until_it_says(self, text: &str) -> Self {
        let (run, seen) = self.until(text, |run| run.stderr.so_far().contains(text));
        assert!(seen, "it ended without `{text}`:\n{}", run.stderr.so_far());
        run
    }

    /// Waits until standard output has a line with `text` in it.
    pub fn until_it_prints(self, text: &str) -> Self {
        let (run, seen) = self.until(text, |run| run.stdout.so_far().contains(text));
        assert!(seen, "it ended without `{text}`:\n{}", run.stdout.so_far());
        run
    }

    /// Waits until `-v` has named so many commands, or the run has ended;
    /// whether it named them.
    pub fn until_commands(self, count: usize) -> (Self, bool) {
        let named = |run: &Self| run.stderr.so_far().lines().filter(|line| line.starts_with("+ ")).count();
        self.until(&format!("{count} commands"), |run| named(run) >= count)
    }

    /// Waits until something is seen of the run, or it has ended; whether it
    /// was seen.
    fn until(mut self, what: &str, seen: impl Fn(&Self) -> bool) -> (Self, bool) {
        let deadline = Instant::now() + LONGEST;
        while !seen(&self) {
            assert!(Instant::now() < deadline, "still waiting for `{what}`; so far:\n{}", self.stderr.so_far());
            if self.child.try_wait().unwrap().is_some() {
                return (self, false);
            }
            thread::sleep(Duration::from_millis(5));
        }
        (self, true)
    }

    /// Sends a signal such as `INT` to the program alone, not to its children.
    pub fn signal_and_end(self, name: &str) -> Said {
        signal(name, &self.pid().to_string());
        self.end()
    }

    pub fn end(mut self) -> Said {
        let deadline = Instant::now() + LONGEST;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                panic!("it does not end; standard error so far:\n{}", self.stderr.so_far());
            }
            thread::sleep(Duration::from_millis(5));
        };
        let said = Said { code: status.code(), stdout: self.stdout.whole(), stderr: self.stderr.whole() };
        if self.json {
            said.documents();
        }
        said
    }
}

/// Sends a signal to a process or, with a minus, to a group.
pub fn signal(name: &str, to: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -s {name} -- {to}")]).status();
    assert!(sent.unwrap().success(), "kill -{name} {to}");
}

/// Collects a stream while it comes.
struct Reader {
    text: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Reader {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&text);
        let thread = thread::spawn(move || {
            let mut lines = BufReader::new(stream);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                shared.lock().unwrap().append(&mut line);
            }
        });
        Self { text, thread }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn whole(self) -> String {
        self.thread.join().unwrap();
        String::from_utf8(std::mem::take(&mut self.text.lock().unwrap())).unwrap()
    }
}

/// A run that has ended. Shown, it is the exit code and both streams, without
/// the lines of progress: how many there are depends on the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }

    /// The lines of progress, in order.
    pub fn progress(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| is_progress(line)).map(str::trim).collect()
    }

    /// The commands that `-v` shows.
    pub fn commands(&self) -> Vec<&str> {
        self.stderr.lines().filter_map(|line| line.strip_prefix("+ ")).collect()
    }

    /// The document of `-o json`, which must be as its schema says.
    pub fn json(&self) -> serde_json::Value {
        let mut documents = self.documents();
        assert_eq!(documents.len(), 1, "{}", self.stdout);
        documents.remove(0)
    }

    /// Every document of standard output, held against its schema.
    fn documents(&self) -> Vec<serde_json::Value> {
        let read: Result<Vec<serde_json::Value>, _> =
            serde_json::Deserializer::from_str(&self.stdout).into_iter().collect();
        let documents = read.unwrap_or_else(|failed| panic!("{failed}: {}", self.stdout));
        documents.iter().for_each(schema::check);
        documents
    }
}

fn is_progress(line: &str) -> bool {
    line.starts_with("  ") && line.contains(" of ") && line.contains(" ready")
}

impl fmt::Display for Said {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => writeln!(out, "exit {code}")?,
            None => writeln!(out, "ended by a signal")?,
        }
        if !self.stdout.is_empty() {
            write!(out, "----- stdout\n{}", self.stdout)?;
        }
        let stderr: Vec<&str> = self.stderr.lines().filter(|line| !is_progress(line)).collect();
        if !stderr.is_empty() {
            write!(out, "----- stderr\n{}", stderr.join("\n"))?;
        }
        Ok(())
    }
}

/// Patterns of what differs from run to run, and what is compared instead.
pub const CHANGING: [(&str, &str); 8] = [
    (r"-[0-9a-f]{4,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-POD"),
    // Columns are as wide as the names in them.
    (r"(?m)(-POD|^NAME) +(\d+/|READY)", "$1   $2"),
    (r"(?m)   +(\d+[dhms])+$", "   TIME"),
    (r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)", "TIME"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    // Where pods have no addresses, what is in the way differs by machine.
    (r"could not tell \(.*\)", "could not tell (REASON)"),
    // The two Helms write it in different ways.
    ("[Kk]ubernetes cluster unreachable", "Kubernetes cluster unreachable"),
    // What is seen when a signal comes depends on the moment.
    (r"(?m)^caused by: (\w+): \d+ of (\d+) ready.*$", "caused by: $1: SOME of $2 ready"),
];

/// What differs between two runs, replaced in snapshots.
pub fn filters(namespace: &str, home: &Path) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    let (newest, version) = chart(NEWEST);
    if newest != "milvus/milvus" {
        settings.add_filter(&literally(&newest), "milvus/milvus");
        settings.add_filter(&literally(&version), NEWEST);
    }
    settings.add_filter(&literally(&home.display().to_string()), "HOME");
    settings.add_filter(&literally(namespace), "NAMESPACE");
    for (pattern, instead) in CHANGING {
        settings.add_filter(pattern, instead);
    }
    settings
}

fn literally(text: &str) -> String {
    text.chars().map(|c| if c.is_alphanumeric() { c.to_string() } else { format!(r"\{c}") }).collect()
}

/// The version of a chart that lies in a folder or archive.
pub fn version_of(path: &str) -> String {
    static KNOWN: OnceLock<String> = OnceLock::new();
    KNOWN.get_or_init(|| read_version(path)).clone()
}

fn read_version(path: &str) -> String {
    let helm = env::var("SANDBOX_BIN").unwrap() + "/helm4";
    let output = Command::new(helm).args(["show", "chart", path]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let version = text.lines().find_map(|line| line.strip_prefix("version: "));
    version.unwrap_or_else(|| panic!("{path} is no chart")).trim_matches('"').to_owned()
}
