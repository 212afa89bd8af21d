//! The only writer. Standard output carries what was asked for, standard error
//! everything else; on a terminal progress is one line that changes, elsewhere
//! a line for every change.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use console::{Term, truncate_str};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use crate::error::Failure;
use crate::invocation::Invocation;
use crate::verdict::Progress;

/// How much is said on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// Errors.
    Quiet,
    /// What happens.
    Normal,
    /// Also every command.
    Verbose,
}

/// Where and how everything is written.
pub struct Ui {
    verbosity: Verbosity,
    color: ColorChoice,
    /// The changing line; `None` where lines are written instead.
    bar: Option<ProgressBar>,
    last_line: Mutex<Option<Instant>>,
    last_text: Mutex<String>,
    /// How many lines the last screen had; `None` where standard output is no
    /// terminal that can move the cursor.
    screen: Option<Mutex<usize>>,
}

/// Two lines of progress are not closer together than this, so that thousands
/// of pods do not become thousands of lines.
const BETWEEN_LINES: Duration = Duration::from_millis(200);

impl Ui {
    /// `dumb` is whether the terminal says that it cannot move the cursor.
    #[must_use]
    pub fn new(verbosity: Verbosity, color: ColorChoice, dumb: bool) -> Self {
        let animated = verbosity != Verbosity::Quiet && !dumb && io::stderr().is_terminal();
        let bar = animated.then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(
                ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar
        });
        let screen = (!dumb && io::stdout().is_terminal()).then(Mutex::default);
        Self { verbosity, color, bar, last_line: Mutex::new(None), last_text: Mutex::default(), screen }
    }

    /// What was asked for. A reader that has gone away is no failure; `false`
    /// says that it has.
    pub fn result(&self, text: &str) -> bool {
        let mut out = AutoStream::new(io::stdout(), self.color);
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
    }

    /// Whether standard output is a terminal on which text can be drawn anew.
    pub fn is_screen(&self) -> bool {
        self.screen.is_some()
    }

    /// Draws a text in the place of the one that was drawn last, as much of it
    /// as the terminal holds; `false` if the terminal is gone.
    pub fn screen(&self, text: &str) -> bool {
        let Some(screen) = &self.screen else { return self.result(text) };
        let mut before = screen.lock().unwrap_or_else(PoisonError::into_inner);
        let (rows, columns) = Term::stdout().size_checked().unwrap_or((24, 80));
        let rows = usize::from(rows).saturating_sub(1).max(1);
        let lines: Vec<&str> = text.lines().take(rows).collect();
        let mut drawn = String::from("\r");
        if *before > 0 {
            drawn.push_str(&format!("\x1b[{before}A"));
        }
        for line in &lines {
            drawn.push_str(&truncate_str(line, usize::from(columns), ""));
            drawn.push_str("\x1b[K\n");
        }
        drawn.push_str("\x1b[J");
        *before = lines.len();
        let mut out = io::stdout().lock();
        out.write_all(drawn.as_bytes()).and_then(|()| out.flush()).is_ok()
    }

    /// One line about what happens.
    pub fn note(&self, line: &str) {
        if self.verbosity != Verbosity::Quiet {
            self.line(line);
        }
    }

    /// A command, as it is run.
    pub fn command(&self, invocation: &Invocation) {
        if self.verbosity == Verbosity::Verbose {
            self.line(&format!("+ {invocation}"));
        }
    }

    /// Begins to show progress; the clock on a terminal starts at 0.
    pub fn begin(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_message(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        *self.last_line.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.last_text.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Shows what is seen now.
    pub fn progress(&self, progress: &[Progress]) {
        let text = progress.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        if let Some(bar) = &self.bar {
            bar.set_message(text + &estimate(progress));
            return;
        }
        let mut last = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        let soon = last.is_some_and(|at| at.elapsed() < BETWEEN_LINES);
        let mut shown = self.last_text.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown != text && (!soon || progress.iter().all(|one| one.reached)) {
            *last = Some(Instant::now());
            self.note(&format!("  {text}{}", estimate(progress)));
            *shown = text;
        }
    }

    /// Shows what is waited for.
    pub fn status(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => self.note(&format!("  {text}")),
        }
    }

    /// Ends progress; the changing line goes away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.disable_steady_tick();
            bar.finish_and_clear();
        }
    }

    /// A failure with its causes and hint.
    pub fn failure(&self, failure: &Failure) {
        self.end();
        let bold = |color: AnsiColor| Style::new().bold().fg_color(Some(color.into()));
        let (red, cyan) = (bold(AnsiColor::Red), bold(AnsiColor::Cyan));
        let mut text = format!("{red}error:{red:#} {failure}\n");
        for cause in &failure.causes {
            text.push_str(&format!("caused by: {cause}\n"));
        }
        if let Some(hint) = &failure.hint {
            text.push_str(&format!("\n{cyan}hint:{cyan:#} {hint}\n"));
        }
        self.write(&text);
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.write(&format!("{line}\n"))),
            None => self.write(&format!("{line}\n")),
        }
    }

    fn write(&self, text: &str) {
        let mut err = AutoStream::new(io::stderr(), self.color);
        // With standard error gone there is nobody left to tell.
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }
}

/// When the pods can be Ready at the earliest, while that lies ahead.
fn estimate(progress: &[Progress]) -> String {
    let latest = progress.iter().filter_map(|one| one.not_before).max();
    let seconds = latest.map_or(0, |at| at.as_second() - Timestamp::now().as_second());
    if seconds > 0 { format!(" (not before {seconds}s)") } else { String::new() }
}
