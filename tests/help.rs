//! What the program says of itself, at the widths of terminals, and what it
//! says to what it does not understand. No cluster is asked.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground gives way")]
#![expect(clippy::disallowed_methods, reason = "tests start programs")]

use std::process::{Command, Output};

fn run(words: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-milvus"));
    command.args(words).env_clear().env("COLUMNS", "80").envs(environment.iter().copied()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Every screen of every subcommand, whichever there are.
#[test]
fn every_help_screen_fits_its_terminal() {
    let subcommands = kubectl_milvus::cli::command("kubectl milvus");
    let names = subcommands.get_subcommands().map(clap::Command::get_name);
    for name in std::iter::once("").chain(names) {
        for (flag, width) in [("-h", 80), ("--help", 80), ("-h", 120), ("--help", 120)] {
            let words: Vec<&str> = [name, flag].into_iter().filter(|word| !word.is_empty()).collect();
            let text = stdout(&run(&words, &[("COLUMNS", &width.to_string())]));
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{words:?} at {width}: {line}");
                assert_eq!(line, line.trim_end(), "{words:?}");
            }
            let begins = text.find("\nExamples:\n").expect("no examples");
            assert!(begins < text.find("\nUsage:\n").unwrap(), "{words:?}: examples come first");
            let length = if flag == "-h" { "short" } else { "long" };
            let title = format!("{}-{length}-{width}", if name.is_empty() { "milvus" } else { name });
            insta::assert_snapshot!(title, text);
        }
    }
}

#[test]
fn alone_it_shows_its_help_and_every_way_to_help_leads_there() {
    assert_eq!(stdout(&run(&[], &[])), stdout(&run(&["-h"], &[])));
    assert_eq!(stdout(&run(&["help"], &[])), stdout(&run(&["--help"], &[])));
    assert_eq!(stdout(&run(&["help", "scale"], &[])), stdout(&run(&["scale", "--help"], &[])));
    let version = format!("kubectl-milvus {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(stdout(&run(&["version"], &[])), version);
    assert_eq!(stdout(&run(&["--version"], &[])), version);
}

#[test]
fn the_program_is_named_as_it_was_called() {
    let helm = [("HELM_PLUGIN_NAME", "milvus"), ("HELM_PLUGIN_DIR", "/nowhere")];
    for words in [&[] as &[&str], &["scale", "--help"]] {
        let text = stdout(&run(words, &helm));
        assert!(text.contains("\n  helm milvus scale ") && !text.contains("kubectl milvus scale"), "{text}");
    }
}

#[test]
fn colour_is_asked_for_or_left_out() {
    let coloured = |words: &[&str], environment: &[(&str, &str)]| {
        let Output { stdout, stderr, .. } = run(words, environment);
        stdout.contains(&0x1b) || stderr.contains(&0x1b)
    };
    for words in [&["--help"] as &[&str], &["scale", "--frobnicate"], &["scale", "--help"]] {
        assert!(!coloured(words, &[]), "{words:?}: it is no terminal");
        for always in [&["--color=always"] as &[&str], &["--color", "always"]] {
            assert!(coloured(&[words, always].concat(), &[]), "{words:?} {always:?}");
            assert!(coloured(&[always, words].concat(), &[("NO_COLOR", "1")]), "{words:?}: the flag goes before");
        }
        assert!(!coloured(&[words, &["--color=never"]].concat(), &[("CLICOLOR_FORCE", "1")]), "{words:?}");
    }
}

#[test]
fn what_helm_has_no_flag_for_is_refused_with_a_way_out() {
    let refused = |flags: &[&str]| {
        let output = run(&[&["scale", "querynode=3"], flags].concat(), &[("PATH", "/nowhere")]);
        assert!(output.stdout.is_empty() && output.status.code() == Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said: String = [
        &["--token=do-not-show"] as &[&str],
        &["--client-key", "do-not-show"],
        &["--as-uid=7"],
        &["--cluster=blue"],
        &["--user", "it's me", "--cluster=blue"],
    ]
    .iter()
    .map(|flags| refused(flags))
    .collect();
    insta::assert_snapshot!(said, @r"
    error: `--token` would show the token in the list of processes

    hint: put it into a kubeconfig, and name that with `--kubeconfig` or `--context`
    error: `--client-key` cannot be passed on: Helm has no such flag

    hint: put it into a kubeconfig, and name that with `--kubeconfig` or `--context`
    error: `--as-uid` cannot be passed on: Helm has no such flag

    hint: put it into a kubeconfig, and name that with `--kubeconfig` or `--context`
    error: `--cluster` cannot be passed on: Helm has no such flag

    hint: kubectl config set-context milvus --cluster=blue --user=USER, and then `--context milvus` instead
    error: `--cluster` cannot be passed on: Helm has no such flag

    hint: kubectl config set-context milvus --cluster=blue --user='it'\''s me', and then `--context milvus` instead
    ");
    assert!(!said.contains("do-not-show"));
}

#[test]
fn what_is_not_understood_is_said_as_any_other_failure() {
    let output = run(&["scael", "querynode=3"], &[]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"
    error: unknown command `scael`

    hint: did you mean `kubectl milvus scale`?
    ");
}
