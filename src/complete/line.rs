//! The words before the cursor, read as the program would read them; pure.
//! Nothing is an error here: a line under way is often wrong.

use crate::cli::{Flag, Grammar};

/// What has been typed, and what stands at the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The innermost command that was named.
    pub(super) command: &'a Grammar,
    /// Flags by their first name, with their values.
    pub(super) flags: Vec<(String, Option<String>)>,
    /// Words that are neither flags nor their values.
    pub(super) words: Vec<String>,
    /// The word at the cursor.
    pub(super) cursor: Cursor<'a>,
}

/// The kind of word at the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cursor<'a> {
    /// A flag that begins like this.
    Flag(String),
    /// The value of a flag. `before` is what the same word holds before the
    /// value and has to be in what is offered: `-o` of `-ojson`, but not
    /// `--output=`, which the scripts of cobra cut off.
    Value {
        /// The flag.
        flag: &'a Flag,
        /// What stands before the value and stays.
        before: String,
        /// What of the value is there.
        typed: String,
    },
    /// A subcommand, or a word of the command.
    Word(String),
}

/// Reads a line; the last word is the one at the cursor, and may be empty.
#[must_use]
pub(super) fn read<'a>(root: &'a Grammar, words: &[String]) -> Line<'a> {
    let (typed, before) = words.split_last().map_or((String::new(), words), |(last, rest)| (last.clone(), rest));
    let mut line = Line { command: root, flags: Vec::new(), words: Vec::new(), cursor: Cursor::Word(String::new()) };
    let mut only_words = false;
    let mut waiting: Option<&Flag> = None;
    for word in before {
        if let Some(flag) = waiting.take() {
            line.give(flag, Some(word.clone()));
        } else if only_words || !word.starts_with('-') || word == "-" {
            line.word(word);
        } else if word == "--" {
            only_words = true;
        } else {
            waiting = line.flag(word);
        }
    }
    line.cursor = match waiting {
        Some(flag) => Cursor::Value { flag, before: String::new(), typed },
        None if only_words || !typed.starts_with('-') => Cursor::Word(typed),
        None => line.flag_at_cursor(typed),
    };
    line
}

impl<'a> Line<'a> {
    fn word(&mut self, word: &str) {
        let named = self.command.subcommands.iter().find(|sub| sub.name == word);
        match named {
            Some(subcommand) if self.words.is_empty() => self.command = subcommand,
            _ => self.words.push(word.to_owned()),
        }
    }

    fn give(&mut self, flag: &Flag, value: Option<String>) {
        self.flags.push((name(flag), value));
    }

    /// Takes a word of flags; the one whose value has to come next, if any.
    fn flag(&mut self, word: &str) -> Option<&'a Flag> {
        match self.split(word) {
            Split::Whole(flag) if flag.values.is_some() && !flag.attached => return Some(flag),
            Split::Whole(flag) => self.give(flag, None),
            Split::WithValue(flag, _, value) => self.give(flag, Some(value)),
            Split::Unknown => {}
        }
        None
    }

    fn flag_at_cursor(&self, typed: String) -> Cursor<'a> {
        match self.split(&typed) {
            Split::WithValue(flag, before, value) if flag.values.is_some() => {
                Cursor::Value { flag, before: if before.ends_with('=') { String::new() } else { before }, typed: value }
            }
            _ => Cursor::Flag(typed),
        }
    }

    fn split(&self, word: &str) -> Split<'a> {
        let flags = &self.command.flags;
        if let Some(long) = word.strip_prefix("--") {
            let (long, value) = long.split_once('=').map_or((long, None), |(long, value)| (long, Some(value)));
            let Some(flag) = flags.iter().find(|flag| flag.long.iter().any(|name| name == long)) else {
                return Split::Unknown;
            };
            return match value {
                Some(value) => Split::WithValue(flag, format!("--{long}="), value.to_owned()),
                None => Split::Whole(flag),
            };
        }
        // `-qn prod`, `-nprod`: switches, and at last one that takes a value.
        let mut last = Split::Unknown;
        for (at, letter) in word.char_indices().skip(1) {
            let Some(flag) = flags.iter().find(|flag| flag.short == Some(letter)) else { return Split::Unknown };
            let after = &word[at + letter.len_utf8()..];
            if flag.values.is_some() && !after.is_empty() {
                let equals = usize::from(after.starts_with('='));
                let before = &word[..word.len() - after.len() + equals];
                return Split::WithValue(flag, before.to_owned(), after[equals..].to_owned());
            }
            last = Split::Whole(flag);
        }
        last
    }
}

/// What a word of flags is.
enum Split<'a> {
    /// A flag alone.
    Whole(&'a Flag),
    /// A flag, the part of the word before its value, and the value.
    WithValue(&'a Flag, String, String),
    /// Not a flag of this command.
    Unknown,
}

/// The name by which a flag is remembered.
pub(super) fn name(flag: &Flag) -> String {
    flag.long.first().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    fn cursor(words: &str) -> String {
        let grammar = cli::grammar(cli::command("kubectl milvus"));
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let line = read(&grammar, &words);
        let flags: Vec<String> =
            line.flags.iter().map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("-"))).collect();
        let cursor = match &line.cursor {
            Cursor::Flag(typed) => format!("flag `{typed}`"),
            Cursor::Value { flag, before, typed } => format!("value of {} `{before}`+`{typed}`", name(flag)),
            Cursor::Word(typed) => format!("word `{typed}`"),
        };
        format!("{} [{}] [{}] {cursor}", line.command.name, flags.join(" "), line.words.join(" "))
    }

    #[test]
    fn the_word_at_the_cursor_is_a_subcommand_a_word_a_flag_or_its_value() {
        for (words, expected) in [
            ("", "kubectl-milvus [] [] word ``"),
            ("sc", "kubectl-milvus [] [] word `sc`"),
            ("-n prod scale ", "scale [namespace=prod] [] word ``"),
            ("scale rel qn=3 ", "scale [] [rel qn=3] word ``"),
            ("scale -", "scale [] [] flag `-`"),
            ("scale --dry", "scale [] [] flag `--dry`"),
            ("scale --dry-run r", "scale [dry-run=-] [] word `r`"),
            ("scale --gate ", "scale [] [] value of gate ``+``"),
            ("scale --gate=p", "scale [] [] value of gate ``+`p`"),
            ("scale --kube-context=blue --gate p", "scale [context=blue] [] value of gate ``+`p`"),
            ("scale -o ", "scale [] [] value of output ``+``"),
            ("scale -oj", "scale [] [] value of output `-o`+`j`"),
            ("scale -o=j", "scale [] [] value of output ``+`j`"),
            ("scale -qn prod r", "scale [namespace=prod] [] word `r`"),
            ("scale -nprod r", "scale [namespace=prod] [] word `r`"),
            ("scale --insecure-skip-tls-verify r", "scale [insecure-skip-tls-verify=-] [] word `r`"),
            ("scale --token x r", "scale [token=x] [] word `r`"),
            ("scale -- --dry", "scale [] [] word `--dry`"),
            ("scale --nonsense r", "scale [] [] word `r`"),
            ("help ", "help [] [] word ``"),
            ("help scale ", "scale [] [] word ``"),
        ] {
            assert_eq!(cursor(words), expected, "{words}");
        }
    }
}
