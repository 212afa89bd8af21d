//! The command line as plain data, for those who look at words without running
//! them. Read from clap's definition, so that there is no second list.

use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, Args, Command, FromArgMatches, ValueHint};

/// A command: its subcommands, flags and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grammar {
    /// The name, as typed.
    pub name: String,
    /// What it does, one line.
    pub about: String,
    /// Subcommands that are shown.
    pub subcommands: Vec<Grammar>,
    /// Flags, those of every command among them.
    pub flags: Vec<Flag>,
    /// What its words without a dash are.
    pub words: Words,
}

/// A flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// `-n`
    pub short: Option<char>,
    /// `--namespace` and its other names, without the dashes.
    pub long: Vec<String>,
    /// What it does, one line.
    pub help: String,
    /// Whether help screens leave it out.
    pub hidden: bool,
    /// Whether it can be given more than once.
    pub repeatable: bool,
    /// The values that can follow it; `None` for a switch.
    pub values: Option<Values>,
    /// Whether a value has to be in the same word.
    pub attached: bool,
}

/// Which values a flag takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// One of these.
    Listed(Vec<Choice>),
    /// A namespace of the cluster.
    Namespace,
    /// A context of the kubeconfig.
    Context,
    /// A file or folder.
    File,
}

/// Something that can be typed, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The word.
    pub word: String,
    /// What it means; may be empty.
    pub help: String,
}

/// What the words of a command are, by the names that its help gives them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Words {
    /// `RELEASE`
    pub release: bool,
    /// `COMPONENT`
    pub component: bool,
    /// `COMPONENT=COUNT`
    pub target: bool,
}

/// The grammar of a command line.
#[must_use]
pub fn grammar(mut command: Command) -> Grammar {
    command.build();
    of(&command)
}

fn of(command: &Command) -> Grammar {
    let mut words = Words::default();
    for word in command.get_positionals() {
        let names = word.get_value_names().unwrap_or_default();
        for name in names.iter().flat_map(|name| name.split('|')) {
            match name {
                "RELEASE" => words.release = true,
                "COMPONENT" => words.component = true,
                "COMPONENT=COUNT" => words.target = true,
                _ => {}
            }
        }
    }
    Grammar {
        name: command.get_name().to_owned(),
        about: command.get_about().map(|about| first_line(&about.to_string())).unwrap_or_default(),
        subcommands: command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(of).collect(),
        flags: command.get_arguments().filter(|arg| !arg.is_positional()).map(flag).collect(),
        words,
    }
}

fn flag(arg: &Arg) -> Flag {
    let long = arg.get_long_and_visible_aliases().unwrap_or_default();
    let hidden_names = arg.get_all_aliases().unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    for name in long.into_iter().chain(hidden_names) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    Flag {
        short: arg.get_short(),
        long: names,
        help: arg.get_help().map(|help| first_line(&help.to_string())).unwrap_or_default(),
        hidden: arg.is_hide_set(),
        repeatable: matches!(arg.get_action(), ArgAction::Append | ArgAction::Count),
        values: takes.then(|| values(arg)),
        attached: arg.is_require_equals_set(),
    }
}

fn values(arg: &Arg) -> Values {
    match (arg.get_id().as_str(), arg.get_value_hint()) {
        ("namespace", _) => return Values::Namespace,
        ("context", _) => return Values::Context,
        (_, ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath) => return Values::File,
        _ => {}
    }
    let listed: Vec<Choice> =
        arg.get_possible_values().iter().filter(|value| !value.is_hide_set()).map(choice).collect();
    if !listed.is_empty() {
        return Values::Listed(listed);
    }
    let defaults = arg.get_default_values().iter().filter_map(|value| value.to_str());
    Values::Listed(defaults.map(|word| Choice { word: word.to_owned(), help: "default".to_owned() }).collect())
}

fn choice(value: &PossibleValue) -> Choice {
    let help = value.get_help().map(|help| first_line(&help.to_string())).unwrap_or_default();
    Choice { word: value.get_name().to_owned(), help: help.trim_end_matches('.').to_owned() }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The connection that these flags and values mean; flags that are not about
/// the connection are not looked at.
#[must_use]
pub fn connection(given: &[(String, Option<String>)]) -> crate::target::Connection {
    let command = super::Connection::augment_args(Command::new("connection").no_binary_name(true));
    let known = |long: &str| {
        command
            .get_arguments()
            .any(|arg| arg.get_long() == Some(long) || arg.get_all_aliases().is_some_and(|all| all.contains(&long)))
    };
    let words: Vec<String> = given
        .iter()
        .filter(|(long, _)| known(long))
        .map(|(long, value)| match value {
            Some(value) => format!("--{long}={value}"),
            None => format!("--{long}"),
        })
        .collect();
    let parsed = command.args_override_self(true).try_get_matches_from(words).ok();
    let read = parsed.and_then(|matches| super::Connection::from_arg_matches(&matches).ok());
    read.as_ref().map(Into::into).unwrap_or_default()
}
