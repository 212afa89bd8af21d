//! A real terminal: what it shows at the end, and what Ctrl-C does.

use std::process::Command;

use rexpect::session::{PtySession, spawn_command};

use crate::said::Run;
use crate::sandbox::{Helm, NEWEST, Sandbox};

#[test]
fn at_the_end_the_changing_line_is_gone_and_the_table_is_there() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let mut terminal = terminal(&sandbox.milvus("scale rel querynode=3"));
    let all = terminal.exp_eof().unwrap();
    assert!(all.contains("of 3 ready"), "no progress was shown: {all:?}");
    insta::assert_snapshot!(screen(&all), @"
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    [1/1] queryNode 1 to 3
    NAME   READY   STATUS    RESTARTS   AGE
    rel-milvus-querynode-POD   1/1     Running   0   TIME
    rel-milvus-querynode-POD   1/1     Running   0   TIME
    rel-milvus-querynode-POD   1/1     Running   0   TIME

    release `rel` in namespace `NAMESPACE`: queryNode 1 to 3, 3 pods ready; verified (revision 2)
    ");
}

#[test]
fn ctrl_c_ends_with_the_report_on_a_clean_screen() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.behave("querynode.behaviour=never-ready");
    let mut terminal = terminal(&sandbox.milvus("scale rel querynode=2"));
    let before = terminal.exp_string("1 of 2 ready").unwrap();
    terminal.send_control('c').unwrap();
    let all = before + "1 of 2 ready" + &terminal.exp_eof().unwrap();
    insta::assert_snapshot!(screen(&all), @"
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    [1/1] queryNode 1 to 2
    error: interrupted after 1 of 1 steps, in release `rel` in namespace `NAMESPACE` (interrupted)
    caused by: queryNode: SOME of 2 ready

    hint: go on with `kubectl milvus scale rel queryNode=2 -n NAMESPACE`, or back with `kubectl milvus scale rel queryNode=1 -n NAMESPACE`
    ");
    assert_eq!(sandbox.revision("rel"), 2);
}

#[test]
fn colour_is_for_terminals_unless_it_is_told_otherwise() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    let coloured = |text: &str| text.contains("\x1b[1m\x1b[31merror:");
    let run = |flag: &str| sandbox.milvus("scale nowhere querynode=3").word(flag);
    let at_terminal = |run: Run| terminal(&run).exp_eof().unwrap();
    assert!(coloured(&at_terminal(run("--color=auto"))));
    assert!(!coloured(&at_terminal(run("--color=never"))));
    assert!(!coloured(&at_terminal(run("--color=auto").env("NO_COLOR", "1"))));
    assert!(!coloured(&run("--color=auto").end().stderr));
    assert!(coloured(&run("--color=always").end().stderr));
}

#[test]
fn a_terminal_that_cannot_move_the_cursor_gets_lines() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let run = sandbox.milvus("scale rel querynode=2 --color=never").env("TERM", "dumb");
    let all = terminal(&run).exp_eof().unwrap();
    assert!(all.contains("  queryNode: 2 of 2 ready\r\n"), "{all:?}");
    assert!(!all.contains('\x1b'), "{all:?}");
}

/// Runs the program at a terminal of 100 columns.
pub fn terminal(run: &Run) -> PtySession {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "/bin/stty cols 100 rows 40; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_kubectl-milvus")]);
    command.args(run.words()).env_clear().env("TERM", "xterm-256color").envs(run.environment());
    spawn_command(command, Some(60_000)).unwrap()
}

/// What a terminal shows after all of this: the sequences that are used, and no
/// other, so that a new one is noticed.
pub fn screen(text: &str) -> String {
    let (mut lines, mut row, mut column) = (vec![Vec::<char>::new()], 0, 0);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => row += 1,
            '\x1b' => {
                assert_eq!(rest.next(), Some('['), "an escape sequence of another kind");
                let parameter: String = rest.as_str().chars().take_while(|c| !c.is_ascii_alphabetic()).collect();
                let end = rest.nth(parameter.chars().count()).unwrap();
                let count = parameter.parse().unwrap_or(1);
                match (parameter.as_str(), end) {
                    (_, 'm') | ("?25", 'h' | 'l') => {}
                    ("" | "0", 'K') => lines[row].truncate(column),
                    ("2", 'K') => lines[row].clear(),
                    ("" | "0", 'J') => {
                        lines[row].truncate(column);
                        lines.truncate(row + 1);
                    }
                    (_, 'A') => row = row.saturating_sub(count),
                    (_, 'B') => row += count,
                    other => panic!("the sequence {other:?}"),
                }
            }
            c => {
                if lines[row].len() <= column {
                    lines[row].resize(column + 1, ' ');
                }
                lines[row][column] = c;
                column += 1;
            }
        }
        if lines.len() <= row {
            lines.resize(row + 1, Vec::new());
        }
    }
    let lines: Vec<String> = lines.into_iter().map(|line| String::from_iter(line).trim_end().to_owned()).collect();
    lines.join("\n").trim_end().to_owned()
}
