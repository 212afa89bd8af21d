//! A program call as plain data. The line a user sees is printed from the very
//! value that `exec` runs; reading and changing are different types, so that a
//! dry run cannot change anything by mistake.

use std::fmt;

/// The programs that are ever started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Program {
    /// `helm`, major 3 (3.13 or newer) or 4.
    Helm,
    /// `kubectl`.
    Kubectl,
}

impl Program {
    /// The name it is looked for by, and shown by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Helm => "helm",
            Self::Kubectl => "kubectl",
        }
    }
}

/// One call: a program and its arguments, one word each; no shell is between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Which program.
    pub program: Program,
    /// Its arguments, unquoted.
    pub arguments: Vec<String>,
    /// What it reads on standard input, which is empty otherwise. Never shown:
    /// it can hold secrets.
    pub input: Option<String>,
}

impl Invocation {
    /// A call of a program with its first words.
    pub fn new<'a>(program: Program, words: impl IntoIterator<Item = &'a str>) -> Self {
        Self { program, arguments: words.into_iter().map(str::to_owned).collect(), input: None }
    }

    /// Adds one word.
    #[must_use]
    pub fn word(mut self, word: impl Into<String>) -> Self {
        self.arguments.push(word.into());
        self
    }

    /// Gives it something to read.
    #[must_use]
    pub fn input(mut self, text: String) -> Self {
        self.input = Some(text);
        self
    }

    /// Adds several words.
    #[must_use]
    pub fn words(mut self, words: impl IntoIterator<Item = String>) -> Self {
        self.arguments.extend(words);
        self
    }

    /// The line for a message, where it says which call it was: a word that is
    /// longer than a line (a template) is cut after its `=`.
    #[must_use]
    pub fn brief(&self) -> String {
        let mut brief = self.clone();
        for word in brief.arguments.iter_mut().filter(|word| word.chars().count() > LONGEST_WORD) {
            let flag = word.split_once('=').map_or("", |(flag, _)| flag);
            *word = if flag.is_empty() { "...".to_owned() } else { format!("{flag}=...") };
        }
        brief.to_string()
    }
}

/// In characters; a path with labels and options is shorter.
const LONGEST_WORD: usize = 300;

/// The line as it can be pasted into a shell.
impl fmt::Display for Invocation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.program.name())?;
        self.arguments.iter().try_for_each(|word| write!(out, " {}", quoted(word)))
    }
}

/// A call that only reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query(pub Invocation);

/// A call that changes the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change(pub Invocation);

/// Flags as they follow a command in a hint: each with a space before it.
pub fn in_a_hint(flags: impl IntoIterator<Item = String>) -> String {
    flags.into_iter().flat_map(|flag| [" ".to_owned(), quoted(&flag)]).collect()
}

/// One word as a POSIX shell needs it: as it is where nothing in it is
/// special, else in single quotes.
#[must_use]
pub fn quoted(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_can_be_pasted_into_a_shell() {
        let call = Invocation::new(Program::Helm, ["upgrade", "rel"]).word("it's $HOME").word("");
        assert_eq!(call.to_string(), r"helm upgrade rel 'it'\''s $HOME' ''");
    }

    #[test]
    fn a_message_leaves_out_what_nobody_reads() {
        let call = Invocation::new(Program::Helm, ["get", "all"]);
        let long = call.clone().word(format!("--template={}", "x".repeat(LONGEST_WORD))).word("-n");
        assert_eq!(long.brief(), "helm get all --template=... -n");
        assert_eq!(call.brief(), call.to_string());
    }
}
