//! Help screens and complaints about what was typed, in kubectl's order: what
//! it does, examples, how it is called, flags. Programs are named as the user
//! calls them.

use std::fmt::Write as _;

use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Style};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Error};

use super::{Arguments, WIDE, formats};
use crate::error::{Failure, plain};

/// What a help screen shows beyond the flags; one for each subcommand.
struct Screen {
    subcommand: &'static str,
    /// What follows the name of the program; a line for each way.
    usage: &'static str,
    /// What it is for, and the words after the program's name.
    examples: &'static [(&'static str, &'static str)],
    /// What `--help` says at the end.
    end: &'static str,
}

const SCREENS: [Screen; 5] = [
    Screen {
        subcommand: "scale",
        usage: "scale [RELEASE] COMPONENT=COUNT... [OPTIONS]",
        examples: &[
            ("Three query nodes, in the only Milvus release of the namespace", "scale querynode=3"),
            ("Two more than now, in release my-release of namespace prod", "scale my-release querynode=+2 -n prod"),
            ("Several components: those that grow in one upgrade, then those that shrink", "scale qn=5 dn=3 proxy=2"),
            ("What would be done, with the proof and the exact command", "scale querynode=3 --dry-run"),
        ],
        end: EXIT_CODES,
    },
    Screen {
        subcommand: "autoscale",
        usage: "autoscale [RELEASE] COMPONENT --min N --max N [OPTIONS]\nautoscale [RELEASE] COMPONENT --off [OPTIONS]",
        examples: &[
            (
                "Let the chart's autoscaler choose between 2 and 8 query nodes",
                "autoscale querynode --min 2 --max 8 --cpu 60",
            ),
            (
                "What that would do, with the proof and the exact command",
                "autoscale querynode --min 2 --max 8 --dry-run",
            ),
            ("Take it away; the count stays as it is", "autoscale querynode --off"),
            (
                "One that only adds: `scale` removes, with care",
                "autoscale qn --min 2 --max 8 --grow-only | kubectl apply -f -",
            ),
        ],
        end: AUTOSCALE_EXIT_CODES,
    },
    Screen {
        subcommand: "status",
        usage: "status [RELEASE] [OPTIONS]",
        examples: &[
            ("The Milvus releases of the namespace", "status"),
            ("One release, with Deployments, images and nodes", "status my-release -o wide"),
            ("Until Ctrl-C, every change", "status my-release --watch"),
            ("Of all namespaces", "status -A"),
        ],
        end: STATUS_EXIT_CODES,
    },
    Screen {
        subcommand: "completion",
        usage: "completion",
        examples: &[(
            "Complete releases, components and flags after `kubectl milvus`",
            "completion >~/.local/bin/kubectl_complete-milvus\n  chmod +x ~/.local/bin/kubectl_complete-milvus",
        )],
        end: "",
    },
    Screen { subcommand: "version", usage: "version", examples: &[("Which version this is", "version")], end: "" },
];

/// The examples of the first screen.
const FIRST: [(&str, &str); 3] = [
    ("Three query nodes, and back when they are Ready", "scale querynode=3"),
    ("What that would do; nothing is changed", "scale querynode=3 --dry-run"),
    ("All that a command can do", "help scale"),
];

const EXIT_CODES: &str = "  0         done and verified (with --no-wait: applied), or nothing to change
  1         refused or failed, and nothing was changed
  2         wrong usage
  3         something was changed, and the goal is not verified
  130, 143  interrupted by Ctrl-C; by SIGTERM or a closed terminal";

const AUTOSCALE_EXIT_CODES: &str = "  0         done and verified, printed, or nothing to change
  1         refused or failed, and nothing was changed
  2         wrong usage
  3         something was changed, and it is not verified
  130, 143  interrupted by Ctrl-C; by SIGTERM or a closed terminal";

const STATUS_EXIT_CODES: &str = "  0         all is as declared
  1         it cannot be read, or not all of it
  2         wrong usage
  3         something is not as declared
  130, 143  interrupted by Ctrl-C; by SIGTERM or a closed terminal";

const HEADING: Style = Style::new().bold();
const LITERAL: Style = AnsiColor::Cyan.on_default();
const STYLES: Styles = Styles::styled().header(HEADING).usage(HEADING).literal(LITERAL).placeholder(Style::new());

const TEMPLATE: &str = "{about-with-newline}\n{before-help}{usage-heading}\n  {usage}\n\n{all-args}{after-help}";

/// The command line of a program of this name: `kubectl milvus`, `helm milvus`.
#[must_use]
pub fn command(name: &str) -> clap::Command {
    let root = Arguments::command()
        .bin_name(name)
        .styles(STYLES)
        .help_template(TEMPLATE)
        .override_usage(format!("{name} COMMAND [OPTIONS]"))
        .before_help(examples(name, &FIRST))
        .after_help(format!("`{name} COMMAND --help` shows the flags of a command, and what they mean."));
    let output = root.get_arguments().find(|argument| argument.get_id() == "output").cloned();
    SCREENS.iter().fold(root, |root, screen| {
        root.mut_subcommand(screen.subcommand, |subcommand| {
            let subcommand = match screen.subcommand {
                // The argument that all commands have, with one more format.
                "status" => subcommand.args(output.clone().map(|output| output.value_parser(formats(&WIDE)))),
                _ => subcommand,
            };
            let subcommand = subcommand
                .help_template(TEMPLATE)
                .override_usage(
                    screen.usage.split('\n').map(|way| format!("{name} {way}")).collect::<Vec<_>>().join("\n  "),
                )
                .before_help(examples(name, screen.examples));
            match screen.end {
                "" => subcommand,
                end => subcommand.after_long_help(format!("{HEADING}Exit codes:{HEADING:#}\n{end}")),
            }
        })
    })
}

/// Examples as kubectl shows them: a comment, and the line it is about.
fn examples(name: &str, examples: &[(&str, &str)]) -> String {
    let mut text = format!("{HEADING}Examples:{HEADING:#}\n");
    let shown: Vec<_> = examples
        .iter()
        .map(|(purpose, words)| format!("  # {purpose}\n  {LITERAL}{name} {words}{LITERAL:#}\n"))
        .collect();
    text.push_str(&shown.join("\n"));
    text
}

/// Flags of kubectl and Helm that people bring along, and what they do here.
const BROUGHT_ALONG: [(&str, &str); 5] = [
    ("--replicas", "write the count behind the component, for instance queryNode=3"),
    ("--set", "write the count behind the component, for instance queryNode=3"),
    ("--wait", "it waits by itself; `--no-wait` comes back when the upgrade is done"),
    ("--all-namespaces", "one namespace at a time: name it with `-n`"),
    ("-A", "one namespace at a time: name it with `-n`"),
];

/// What is wrong with the words that were typed. `None` for what is no failure:
/// help and version.
#[must_use]
pub fn complaint(error: &Error, name: &str) -> Option<Failure> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(plain(text)),
        Some(ContextValue::Strings(all)) => all.first().map(|text| plain(text)),
        _ => None,
    };
    let all = |kind| match error.get(kind) {
        Some(ContextValue::Strings(all)) => all.iter().map(|one| format!("`{}`", plain(one))).collect(),
        _ => Vec::new(),
    };
    // clap calls a flag by its usage: `--step <N>`, and a word by `[RELEASE]`.
    let flag = |kind| {
        let usage = text(kind)?;
        let name = usage.trim_start_matches(['[', '<']).split([' ', '=', '[', ']', '>']).next();
        Some(name.unwrap_or_default().to_owned())
    };
    let help = format!("`{}` lists them all", help_of(error, name));
    let meant = |right: Option<String>, otherwise: String| match right {
        Some(right) => format!("did you mean `{right}`?"),
        None => otherwise,
    };
    Some(match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return None;
        }
        ErrorKind::UnknownArgument => {
            let typed = text(ContextKind::InvalidArg).unwrap_or_default();
            let bare = typed.split('=').next().unwrap_or_default();
            let what = if typed.starts_with('-') { "flag" } else { "argument" };
            let known = BROUGHT_ALONG.iter().find(|(flag, _)| *flag == bare);
            let hint = match known {
                Some((_, hint)) => (*hint).to_owned(),
                None => meant(flag(ContextKind::SuggestedArg), help),
            };
            Failure::usage(format!("unknown {what} `{bare}`")).hint(hint)
        }
        ErrorKind::InvalidSubcommand => {
            let typed = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            Failure::usage(format!("unknown command `{typed}`"))
                .hint(meant(text(ContextKind::SuggestedSubcommand).map(|right| format!("{name} {right}")), help))
        }
        ErrorKind::MissingSubcommand => Failure::usage("no command was named").hint(help),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = text(ContextKind::InvalidValue).unwrap_or_default();
            let flag = flag(ContextKind::InvalidArg).unwrap_or_default();
            let mut failure = if value.is_empty() {
                Failure::usage(format!("`{flag}` needs a value"))
            } else {
                Failure::usage(format!("`{value}` is not a value for `{flag}`"))
            };
            let valid: Vec<String> = all(ContextKind::ValidValue);
            if !valid.is_empty() {
                failure = failure.because(format!("it takes {}", valid.join(", ")));
            }
            if let Some(source) = std::error::Error::source(error) {
                failure = failure.because(plain(&source.to_string()));
            }
            match text(ContextKind::SuggestedValue) {
                Some(right) => failure.hint(format!("did you mean `{right}`?")),
                None => failure,
            }
        }
        ErrorKind::ArgumentConflict => {
            let first = flag(ContextKind::InvalidArg).unwrap_or_default();
            match flag(ContextKind::PriorArg) {
                Some(second) if second != first => {
                    Failure::usage(format!("`{first}` and `{second}` cannot be used together"))
                }
                _ => Failure::usage(format!("`{first}` can be given only once")),
            }
        }
        ErrorKind::TooManyValues => {
            let flag = flag(ContextKind::InvalidArg).unwrap_or_default();
            let failure = Failure::usage(format!("`{flag}` takes no value"));
            match flag.as_str() {
                "--dry-run" => failure.hint("leave it away: a dry run always asks the server, and changes nothing"),
                _ => failure,
            }
        }
        ErrorKind::MissingRequiredArgument => {
            let missing: Vec<String> = all(ContextKind::InvalidArg);
            let failure = Failure::usage(format!("missing: {}", missing.join(", ")));
            failure.hint(help_of(error, name))
        }
        _ => {
            // clap's own first line, without its label.
            let mut said = String::new();
            let _ = write!(said, "{error}");
            let line = said.lines().next().unwrap_or_default();
            Failure::usage(plain(line.strip_prefix("error: ").unwrap_or(line))).hint(help_of(error, name))
        }
    })
}

/// Where the help of the subcommand is that the usage line of an error names.
fn help_of(error: &Error, name: &str) -> String {
    let usage = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string(),
        _ => String::new(),
    };
    let screen = SCREENS.iter().find(|screen| usage.contains(&format!("{name} {}", screen.subcommand)));
    let words = screen.map(|screen| format!(" {}", screen.subcommand)).unwrap_or_default();
    format!("{name}{words} --help")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        command("kubectl milvus").debug_assert();
    }

    #[test]
    fn every_subcommand_has_a_screen() {
        for subcommand in command("kubectl milvus").get_subcommands() {
            let name = subcommand.get_name();
            assert!(SCREENS.iter().any(|screen| screen.subcommand == name), "`{name}` has no examples");
        }
    }

    fn said(words: &str) -> String {
        let words = ["kubectl-milvus"].into_iter().chain(words.split_whitespace());
        let error = command("kubectl milvus").try_get_matches_from(words).unwrap_err();
        let failure = complaint(&error, "kubectl milvus").unwrap();
        assert_eq!(failure.exit.code(), 2);
        [failure.message].into_iter().chain(failure.causes).chain(failure.hint).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_was_meant_is_said() {
        let all = [
            "scael querynode=3",
            "frobnicate",
            "scale querynode=3 --dryrun",
            "scale querynode --replicas=3",
            "scale querynode=3 --no-such-thing",
            "scale querynode=3 -x",
            "scale querynode=3 --gate pod",
            "scale querynode=3 --step 0",
            "scale querynode=3 --timeout",
            "scale querynode=3 --timeout soon",
            "scale querynode=3 -q -v",
            "scale querynode=3 --timeout 1m --timeout 2m",
            "scale querynode=3 --dry-run=server",
            "scale --frobnicate",
            "completion bash",
        ];
        let said: Vec<String> = all.iter().map(|words| format!("> {words}\n{}", said(words))).collect();
        insta::assert_snapshot!(said.join("\n"), @"
        > scael querynode=3
        unknown command `scael`
        did you mean `kubectl milvus scale`?
        > frobnicate
        unknown command `frobnicate`
        `kubectl milvus --help` lists them all
        > scale querynode=3 --dryrun
        unknown flag `--dryrun`
        did you mean `--dry-run`?
        > scale querynode --replicas=3
        unknown flag `--replicas`
        write the count behind the component, for instance queryNode=3
        > scale querynode=3 --no-such-thing
        unknown flag `--no-such-thing`
        `kubectl milvus scale --help` lists them all
        > scale querynode=3 -x
        unknown flag `-x`
        `kubectl milvus scale --help` lists them all
        > scale querynode=3 --gate pod
        `pod` is not a value for `--gate`
        it takes `auto`, `pods`, `none`
        did you mean `pods`?
        > scale querynode=3 --step 0
        `0` is not a value for `--step`
        it is neither a count of pods, at least 1, nor `all`
        > scale querynode=3 --timeout
        `--timeout` needs a value
        > scale querynode=3 --timeout soon
        `soon` is not a value for `--timeout`
        a duration is a number with its unit, such as 90s, 10m or 1h30m
        > scale querynode=3 -q -v
        `--quiet` and `--verbose` cannot be used together
        > scale querynode=3 --timeout 1m --timeout 2m
        `--timeout` can be given only once
        > scale querynode=3 --dry-run=server
        `--dry-run` takes no value
        leave it away: a dry run always asks the server, and changes nothing
        > scale --frobnicate
        unknown flag `--frobnicate`
        `kubectl milvus scale --help` lists them all
        > completion bash
        unknown argument `bash`
        `kubectl milvus completion --help` lists them all
        ");
    }
}
