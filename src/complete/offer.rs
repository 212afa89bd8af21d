//! What is offered at the cursor; pure but for the questions it asks.

use super::line::{Cursor, Line, name};
use super::running::Running;
use crate::cli::{Choice, Flag, Grammar, Values};
use crate::component::{self, ComponentRef};

/// What the shell is told: candidates, and what to do with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// The candidates.
    pub(super) choices: Vec<Choice>,
    /// Whether the word goes on after the candidate: no space behind it.
    pub(super) goes_on: bool,
    /// Whether files are candidates as well.
    pub(super) files: bool,
}

/// Who is asked about the cluster; each question is at most one call, and
/// whatever goes wrong is an empty answer.
pub(super) trait Facts {
    /// The Milvus releases of the namespace.
    fn running(&self) -> Vec<Running>;
    /// The namespaces of the cluster.
    fn namespaces(&self) -> Vec<String>;
    /// The contexts of the kubeconfig.
    fn contexts(&self) -> Vec<String>;
}

/// What can stand at the cursor.
pub(super) fn offer(line: &Line<'_>, facts: &dyn Facts) -> Offer {
    match &line.cursor {
        Cursor::Flag(typed) => Offer { choices: flags(line, typed), ..Offer::default() },
        Cursor::Value { flag, before, typed } => value(flag, before, typed, facts),
        Cursor::Word(typed) if line.command.subcommands.is_empty() => word(line, typed, facts),
        Cursor::Word(_) if !line.words.is_empty() => Offer::default(),
        Cursor::Word(typed) => Offer { choices: beginning(typed, subcommands(line.command)), ..Offer::default() },
    }
}

fn subcommands(command: &Grammar) -> Vec<Choice> {
    command.subcommands.iter().map(|sub| Choice { word: sub.name.clone(), help: sub.about.clone() }).collect()
}

/// Flags that are shown and not given yet. A short one is offered only where it
/// is already there, to end the word.
fn flags(line: &Line<'_>, typed: &str) -> Vec<Choice> {
    let given = |flag: &Flag| line.flags.iter().any(|(known, _)| *known == name(flag));
    let open = line.command.flags.iter().filter(|flag| !flag.hidden && (flag.repeatable || !given(flag)));
    let words = open.flat_map(|flag| {
        let long = flag.long.first().map(|long| format!("--{long}"));
        let short = flag.short.map(|letter| format!("-{letter}")).filter(|short| short == typed);
        long.into_iter().chain(short).map(|word| Choice { word, help: flag.help.clone() })
    });
    beginning(typed, words.collect())
}

fn value(flag: &Flag, before: &str, typed: &str, facts: &dyn Facts) -> Offer {
    let names = |names: Vec<String>| names.into_iter().map(|word| Choice { word, help: String::new() }).collect();
    let mut choices = match &flag.values {
        Some(Values::Listed(choices)) => choices.clone(),
        Some(Values::Namespace) => names(facts.namespaces()),
        Some(Values::Context) => names(facts.contexts()),
        Some(Values::File) => return Offer { files: true, ..Offer::default() },
        None => Vec::new(),
    };
    choices = beginning(typed, choices);
    for choice in &mut choices {
        choice.word.insert_str(0, before);
    }
    Offer { choices, ..Offer::default() }
}

fn word(line: &Line<'_>, typed: &str, facts: &dyn Facts) -> Offer {
    let words = line.command.words;
    if !(words.release || words.component || words.target) {
        return Offer::default();
    }
    let mut named: Vec<ComponentRef> = Vec::new();
    let mut release = None;
    for word in &line.words {
        let spelling =
            if words.target { word.split_once('=').map(|(spelling, _)| spelling) } else { Some(word.as_str()) };
        match spelling.and_then(component::find) {
            Some(component) if words.target || words.component => named.push(component),
            _ if !word.contains('=') => release = Some(word.as_str()),
            _ => {}
        }
    }
    if release.is_some() && !words.component && !words.target {
        return Offer::default();
    }
    let all = facts.running();
    // A component can be meant only once it is clear of which release.
    let meant = match (release, all.as_slice()) {
        (Some(name), all) => all.iter().find(|running| running.release == name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    if words.target && typed.contains('=') {
        return Offer {
            choices: beginning(typed, meant.and_then(|one| now(one, typed)).into_iter().collect()),
            goes_on: true,
            files: false,
        };
    }
    let mut choices = Vec::new();
    if words.release && release.is_none() {
        let releases = all.iter().map(|one| Choice { word: one.release.clone(), help: one.chart.clone() });
        choices = beginning(typed, releases.collect());
    }
    let mut goes_on = false;
    if let Some(running) = meant.filter(|_| words.target || (words.component && named.is_empty())) {
        let ends = if words.target { "=" } else { "" };
        let spelled = |spelling: &str| spelling.starts_with(typed);
        let open = running.components.iter().filter(|one| !named.contains(&one.component));
        let components = open.filter_map(|one| {
            // As most people write it, or as it is being written.
            let spelling = [one.component.label, one.component.key].into_iter().find(|s| spelled(s))?;
            Some(Choice { word: format!("{spelling}{ends}"), help: one.to_string() })
        });
        let before = choices.len();
        choices.extend(components);
        goes_on = words.target && choices.len() > before;
    }
    Offer { choices, goes_on, files: false }
}

/// `querynode=3` for `querynode=`, in the spelling that was typed.
fn now(running: &Running, typed: &str) -> Option<Choice> {
    let (spelling, _) = typed.split_once('=')?;
    let component = component::find(spelling)?;
    let one = running.components.iter().find(|one| one.component == component)?;
    let count = one.count?;
    let help = if one.groups > 1 { format!("now, in each of {} groups", one.groups) } else { "now".to_owned() };
    Some(Choice { word: format!("{spelling}={count}"), help })
}

fn beginning(typed: &str, choices: Vec<Choice>) -> Vec<Choice> {
    choices.into_iter().filter(|choice| choice.word.starts_with(typed)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::line;
    use super::super::running::Part;
    use super::*;
    use crate::cli;

    struct Known(Vec<Running>);

    impl Facts for Known {
        fn running(&self) -> Vec<Running> {
            self.0.clone()
        }
        fn namespaces(&self) -> Vec<String> {
            vec!["default".into(), "prod".into()]
        }
        fn contexts(&self) -> Vec<String> {
            vec!["blue".into(), "green".into()]
        }
    }

    /// Nobody may be asked.
    struct Nobody;

    impl Facts for Nobody {
        fn running(&self) -> Vec<Running> {
            unreachable!("asked about releases")
        }
        fn namespaces(&self) -> Vec<String> {
            unreachable!("asked about namespaces")
        }
        fn contexts(&self) -> Vec<String> {
            unreachable!("asked about contexts")
        }
    }

    fn release(name: &str) -> Running {
        let part = |key: &str, count, groups| Part { component: component::find(key).unwrap(), count, groups };
        Running {
            release: name.to_owned(),
            chart: "milvus-5.0.19".to_owned(),
            components: vec![part("proxy", Some(1), 1), part("queryNode", Some(3), 2), part("dataNode", None, 2)],
        }
    }

    fn offered(words: &str, facts: &dyn Facts) -> String {
        let grammar = cli::grammar(with_others(cli::command("kubectl milvus")));
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let Offer { choices, goes_on, files } = offer(&line::read(&grammar, &words), facts);
        let mut said: Vec<String> =
            choices.into_iter().map(|choice| format!("{} ({})", choice.word, choice.help)).collect();
        said.extend(goes_on.then(|| "goes on".to_owned()));
        said.extend(files.then(|| "files".to_owned()));
        said.join("\n")
    }

    /// Subcommands with words of the other kinds.
    fn with_others(command: clap::Command) -> clap::Command {
        let word = |name: &'static str| clap::Arg::new("words").num_args(..).value_name(name);
        command
            .subcommand(clap::Command::new("shows").about("Show").arg(word("RELEASE")))
            .subcommand(clap::Command::new("hands-over").arg(word("RELEASE|COMPONENT")))
    }

    /// Each line, and below it what is offered.
    fn all(lines: &[&str], facts: &dyn Facts) -> String {
        let all: Vec<String> = lines.iter().map(|line| format!("> {line}\n{}", offered(line, facts))).collect();
        all.join("\n")
    }

    #[test]
    fn subcommands_and_flags_are_those_of_the_command_line() {
        let lines = [
            "",
            "sh",
            "help sc",
            "scale --d",
            "scale --dry-run --d",
            "scale --as g",
            "scale --as",
            "scale -n",
            "--c",
            "nonsense ",
        ];
        insta::assert_snapshot!(all(&lines, &Nobody), @"
        > 
        scale (Change replica counts and wait until the pods are there)
        autoscale (Let an autoscaler choose a component's count between two bounds)
        status (Show what is running, whether it is as declared, and what can be scaled)
        completion (Print the file that lets kubectl complete `kubectl milvus`)
        version (Print the version)
        shows (Show)
        hands-over ()
        help (Print this message or the help of the given subcommand(s))
        > sh
        shows (Show)
        > help sc
        scale (Change replica counts and wait until the pods are there)
        > scale --d
        --dry-run (Print what would be done, and change nothing)
        > scale --dry-run --d

        > scale --as g

        > scale --as
        --as (The user to act as)
        --as-group (A group to act as; can be given several times)
        > scale -n
        -n (The namespace of the release)
        > --c
        --context (The context of the kubeconfig)
        --certificate-authority (The file with the certificate of the API server's authority)
        --color (When to use colour)
        > nonsense
        ");
        assert!(!offered("scale --", &Nobody).contains("--token"), "it is refused");
    }

    #[test]
    fn values_are_listed_where_they_are_known() {
        let lines = [
            "scale --gate ",
            "scale --gate=p",
            "scale -oj",
            "scale --settle ",
            "scale --grace ",
            "scale --kubeconfig ",
        ];
        insta::assert_snapshot!(all(&lines, &Nobody), @"
        > scale --gate 
        auto (The best source that can be read)
        pods (Pods alone)
        none (Nothing)
        > scale --gate=p
        pods (Pods alone)
        > scale -oj
        -ojson (One JSON document)
        > scale --settle 
        30s (default)
        > scale --grace 

        > scale --kubeconfig 
        files
        ");
        insta::assert_snapshot!(all(&["scale -n p", "scale -np", "scale --kube-context "], &Known(vec![])), @"
        > scale -n p
        prod ()
        > scale -np
        -nprod ()
        > scale --kube-context 
        blue ()
        green ()
        ");
    }

    #[test]
    fn of_the_only_release_components_are_offered_at_once() {
        let one = Known(vec![release("rel")]);
        let lines = [
            "scale ",
            "scale r",
            "scale q",
            "scale queryN",
            "scale rel qn=2 ",
            "shows ",
            "hands-over ",
            "hands-over rel p",
            "hands-over proxy ",
        ];
        insta::assert_snapshot!(all(&lines, &one), @"
        > scale 
        rel (milvus-5.0.19)
        proxy= (1 now)
        querynode= (3 now in each of 2 groups)
        datanode= (different counts in 2 groups)
        goes on
        > scale r
        rel (milvus-5.0.19)
        > scale q
        querynode= (3 now in each of 2 groups)
        goes on
        > scale queryN
        queryNode= (3 now in each of 2 groups)
        goes on
        > scale rel qn=2 
        proxy= (1 now)
        datanode= (different counts in 2 groups)
        goes on
        > shows 
        rel (milvus-5.0.19)
        > hands-over 
        rel (milvus-5.0.19)
        proxy (1 now)
        querynode (3 now in each of 2 groups)
        datanode (different counts in 2 groups)
        > hands-over rel p
        proxy (1 now)
        > hands-over proxy 
        rel (milvus-5.0.19)
        ");
        insta::assert_snapshot!(all(&["shows rel ", "completion "], &Nobody), @"
        > shows rel 

        > completion
        ");
    }

    #[test]
    fn of_several_releases_one_is_to_be_named_first() {
        let two = Known(vec![release("one"), release("two")]);
        insta::assert_snapshot!(all(&["scale ", "scale proxy=", "scale two p", "scale three "], &two), @"
        > scale 
        one (milvus-5.0.19)
        two (milvus-5.0.19)
        > scale proxy=
        goes on
        > scale two p
        proxy= (1 now)
        goes on
        > scale three
        ");
    }

    #[test]
    fn behind_the_equals_sign_is_the_count_of_now_in_the_spelling_that_was_typed() {
        let one = Known(vec![release("rel")]);
        let lines = ["scale proxy=", "scale rel qn=", "scale rel qn=4", "scale rel datanode=", "scale rel kafka="];
        insta::assert_snapshot!(all(&lines, &one), @"
        > scale proxy=
        proxy=1 (now)
        goes on
        > scale rel qn=
        qn=3 (now, in each of 2 groups)
        goes on
        > scale rel qn=4
        goes on
        > scale rel datanode=
        goes on
        > scale rel kafka=
        goes on
        ");
    }
}
