//! What the documents show is what the program says. Every console block of
//! them is typed at a terminal, from the top of the page to its end, and the
//! screen compared with the block.
//!
//! A console block holds commands after `$ ` and what the terminal shows then.
//! `<!-- run: COMMAND -->` on a line of its own makes ready what a block needs.
//! A YAML block that begins with `# NAME.yaml` becomes that file. A page has a
//! namespace of its own, called `default` in it, with a release `my-release`.
//! `UPDATE_DOCUMENTS=1` writes what the terminal shows into the pages.

use std::env;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use regex::Regex;
use rexpect::session::spawn_command;

use crate::said;
use crate::sandbox::{Helm, Sandbox};
use crate::terminal::screen;

/// Not the newest: scaling must not upgrade it.
const INSTALLED: &str = "5.0.17";

#[test]
fn the_readme_shows_what_is_so() {
    run_page("README.md");
}

#[test]
fn the_guide_shows_what_is_so() {
    run_page("docs/guide.md");
}

fn run_page(name: &str) {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let page = fs::read_to_string(&path).unwrap();
    symlink(env!("CARGO_BIN_EXE_kubectl-milvus"), sandbox.bin().join("kubectl-milvus")).unwrap();
    sandbox.kubectl(&["config", "rename-context", "sandbox", "production"]);
    sandbox.helm(&["install", "my-release", "milvus/milvus", "--version", INSTALLED, "--wait"]);
    sandbox.jobs_end();

    let mut shown = String::new();
    let mut differing = Vec::new();
    let mut lines = page.lines();
    let mut blocks = 0;
    while let Some(line) = lines.next() {
        shown.push_str(line);
        shown.push('\n');
        if let Some(command) = line.strip_prefix("<!-- run: ").and_then(|rest| rest.strip_suffix(" -->")) {
            let output = shell(&sandbox, &format!("set -e; {command}")).output().unwrap();
            assert!(output.status.success(), "{name}: {command}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let Some(language) = line.strip_prefix("```").filter(|language| !language.is_empty()) else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let mut text = block.join("\n");
        match language {
            "console" => {
                blocks += 1;
                if let Some(screen) = typed(&sandbox, &block)
                    && even(&screen) != even(&text)
                {
                    differing.push(format!("{name} shows\n{text}\n--- and the terminal\n{screen}"));
                    text = screen;
                }
            }
            "yaml" => {
                let named = block.first().and_then(|line| line.strip_prefix("# "));
                if let Some(file) = named.filter(|name| Path::new(name).extension().is_some_and(|e| e == "yaml")) {
                    fs::write(sandbox.home().join(file), in_place(&sandbox, &text) + "\n").unwrap();
                }
            }
            _ => {}
        }
        shown.push_str(&text);
        shown.push_str("\n```\n");
    }
    assert!(blocks > 0, "{name} has no console block");
    if env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(&path, shown).unwrap();
    }
    assert!(differing.is_empty(), "{}\n\nUPDATE_DOCUMENTS=1 writes it", differing.join("\n\n"));
}

/// Types the commands of a block, one after the other in one shell. `None`, and
/// a word about it, where one needs a program that is not there.
fn typed(sandbox: &Sandbox, block: &[&str]) -> Option<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in block {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push(command.to_owned());
        } else if let Some(last) = commands.last_mut().filter(|last| last.ends_with('\\')) {
            // Goes on, as in a shell.
            last.push('\n');
            last.push_str(line.strip_prefix("> ").unwrap_or(line));
        }
    }
    assert!(!commands.is_empty(), "a console block without a command: {block:?}");
    let wants_jq = commands.iter().any(|command| command.contains("jq "));
    if wants_jq && !shell(sandbox, "command -v jq").output().unwrap().status.success() {
        let _ = writeln!(std::io::stderr(), "skipped: {} (needs jq)", commands[0]);
        return None;
    }
    let script: Vec<String> = commands
        .iter()
        .map(|command| {
            let line: Vec<String> = command.split('\n').map(str::to_owned).collect();
            // The exit code of the one before is there for `echo $?`.
            let shown = quoted(&format!("$ {}", line.join("\n> ")));
            format!("printf '%s\\n' {shown}; (exit $status)\n{}\nstatus=$?", in_place(sandbox, command))
        })
        .collect();
    let mut command = shell(sandbox, &format!("stty cols 300 rows 100; status=0\n{}", script.join("\n")));
    command.env("TERM", "xterm-256color");
    let all = spawn_command(command, Some(180_000)).unwrap().exp_eof().unwrap();
    Some(screen(&all).replace(&sandbox.namespace, "default").replace(&sandbox.home().display().to_string(), "~"))
}

/// The page's namespace is called `default`.
fn in_place(sandbox: &Sandbox, text: &str) -> String {
    ["namespace: ", "-n ", "serviceaccount:"].iter().fold(text.to_owned(), |text, before| {
        text.replace(&format!("{before}default"), &format!("{before}{}", sandbox.namespace))
    })
}

fn shell(sandbox: &Sandbox, script: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    let path = format!("{}:/usr/bin:/bin", sandbox.bin().display());
    shell.args(["-c", script]).env_clear().envs(sandbox.environment()).env("PATH", path).current_dir(sandbox.home());
    shell.env("NO_COLOR", "1").env("NAMESPACE", &sandbox.namespace);
    shell
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A text without what differs from run to run.
fn even(text: &str) -> String {
    let more = [(r"(\d+[dhms])+ ago\b", "TIME ago")];
    let even = said::CHANGING.iter().chain(&more).fold(text.to_owned(), |text, (pattern, instead)| {
        Regex::new(pattern).unwrap().replace_all(&text, *instead).into_owned()
    });
    even.trim_end().to_owned()
}
