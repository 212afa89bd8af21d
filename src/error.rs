//! Any failure as a person reads it: one sentence, its causes, one hint, and
//! the exit code. Each module defines its own failures and turns them into
//! this; nothing here knows what can go wrong.

use std::fmt;

/// How the process ends. `docs/refusals.md` and `--help` list the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done and verified, or nothing to change and that verified.
    Done,
    /// Refused or failed, and this run changed nothing.
    Unchanged,
    /// Wrong usage.
    Usage,
    /// This run changed something and the goal is not verified.
    Unverified,
    /// What was looked at is not as it was declared.
    NotAsDeclared,
    /// Ended by SIGINT.
    Interrupted,
    /// Ended by SIGTERM or SIGHUP.
    Terminated,
}

impl Exit {
    /// The number the process exits with.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Unchanged => 1,
            Self::Usage => 2,
            Self::Unverified | Self::NotAsDeclared => 3,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

/// A failure with everything its message needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The stable identifier, such as `not-found`; `None` where no caller
    /// could act on it.
    pub id: Option<&'static str>,
    /// One lower-case sentence without a full stop: what was tried on what.
    pub message: String,
    /// Why, the nearest reason first. The words of helm and kubectl are kept.
    pub causes: Vec<String>,
    /// One thing to do, as a command where there is one.
    pub hint: Option<String>,
    /// How the process ends.
    pub exit: Exit,
}

impl Failure {
    /// A failure or refusal of a run that has changed nothing.
    #[must_use]
    pub fn new(id: &'static str, message: impl Into<String>) -> Self {
        Self { id: Some(id), message: message.into(), causes: Vec::new(), hint: None, exit: Exit::Unchanged }
    }

    /// Wrong usage: what was typed can never work, whatever the cluster says.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self { id: None, message: message.into(), causes: Vec::new(), hint: None, exit: Exit::Usage }
    }

    /// Adds the next deeper reason.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds what a child said, line by line, in its own words. Helm and kubectl
    /// put `Error: ` before theirs, which says nothing here. The user's own
    /// repositories may have credentials in their addresses.
    #[must_use]
    pub fn because_said(mut self, stderr: &str) -> Self {
        let lines = stderr.lines().map(|line| without_credentials(&plain(line))).filter(|line| !line.is_empty());
        self.causes.extend(lines.map(|line| line.strip_prefix("Error: ").unwrap_or(&line).to_owned()));
        self
    }

    /// Sets the one thing to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure in a run that has already changed something, whatever
    /// was wrong with what was typed.
    #[must_use]
    pub fn after_a_change(mut self) -> Self {
        if matches!(self.exit, Exit::Unchanged | Exit::Usage) {
            self.exit = Exit::Unverified;
        }
        self
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.message)?;
        if let Some(id) = self.id {
            write!(out, " ({id})")?;
        }
        Ok(())
    }
}

/// Text from the cluster or a child, fit for a terminal: control characters
/// are gone (a pod's message could move the cursor or set the title), line
/// ends become spaces.
#[must_use]
pub fn plain(untrusted: &str) -> String {
    let spaced: String = untrusted
        .chars()
        .map(|c| if c == '\n' || c == '\t' || c == '\r' { ' ' } else { c })
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .collect();
    spaced.trim().to_owned()
}

/// Text in which the addresses name no user any more.
fn without_credentials(text: &str) -> String {
    let mut parts = text.split("://");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| "/?# \"'".contains(c)).unwrap_or(part.len());
        let host = part[..end].rfind('@').map_or(0, |at| at + 1);
        kept.push_str("://");
        kept.push_str(&part[host..]);
    }
    kept
}

/// Characters that are not controls but still change how a line is laid out:
/// zero width, direction overrides and the byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_loses_escapes_and_direction_marks_and_keeps_words() {
        assert_eq!(plain("a\u{1b}[31mb\nc\u{202e}d "), "a[31mb cd");
    }

    #[test]
    fn addresses_lose_their_credentials() {
        let said = "Error: looks like \"https://ci:pw@x@host:8/a@b\" and oci://host/c are not valid: Get \"https://ci:***@host\"";
        assert_eq!(
            Failure::new("x", "m").because_said(said).causes,
            ["looks like \"https://host:8/a@b\" and oci://host/c are not valid: Get \"https://host\""]
        );
    }

    #[test]
    fn a_failure_after_a_change_is_unverified_and_wrong_usage_as_well() {
        assert_eq!(Failure::new("x", "m").after_a_change().exit.code(), 3);
        assert_eq!(Failure::usage("m").after_a_change().exit.code(), 3);
    }
}
