//! `make recording` draws what a terminal shows at the end of `make demo`, for
//! the README: a real run, every line of it.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use rexpect::session::spawn_command;

use crate::terminal::screen;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const COLUMNS: usize = 104;
/// Of a monospaced font of 12 pixels.
const CHARACTER: f32 = 7.23;
const LINE: usize = 16;
const MARGIN: usize = 14;

#[test]
#[ignore = "writes docs/demo.svg; `make recording` runs it"]
fn the_demo_is_drawn() {
    assert!(env::var_os("SANDBOX_DIR").is_some(), "needs the sandbox (make recording)");
    let mut demo = Command::new("/bin/sh");
    demo.args(["-c", "stty cols 300 rows 100; exec sandbox/demo"]).current_dir(ROOT);
    demo.env("TERM", "xterm-256color").env_remove("NO_COLOR");
    let shown = screen(&spawn_command(demo, Some(300_000)).unwrap().exp_eof().unwrap());
    assert!(shown.contains("verified") && shown.contains("$ helm history my-release"), "{shown}");
    fs::write(Path::new(ROOT).join("docs/demo.svg"), svg(&shown)).unwrap();
}

/// Lines of text as a picture; what is too long goes on below, as in a terminal.
fn svg(shown: &str) -> String {
    let lines: Vec<(bool, String)> = shown
        .lines()
        .flat_map(|line| {
            let letters: Vec<char> = line.chars().collect();
            let rows = letters.chunks(COLUMNS).map(String::from_iter).collect::<Vec<_>>();
            let rows = if rows.is_empty() { vec![String::new()] } else { rows };
            rows.into_iter().map(|row| (line.starts_with("$ "), row))
        })
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "a hundred columns")]
    let width = COLUMNS as f32 * CHARACTER + 2.0 * MARGIN as f32;
    let height = lines.len() * LINE + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height}\" role=\"img\">\n\
         <title>make demo: query nodes from 1 to 3 and back</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#1b1f24\"/>\n\
         <g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"12\" fill=\"#d0d7de\" xml:space=\"preserve\">\n"
    );
    for (at, (typed, line)) in lines.iter().enumerate().filter(|(_, (_, line))| !line.is_empty()) {
        let line = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let style = if *typed { " font-weight=\"bold\" fill=\"#ffffff\"" } else { "" };
        let y = MARGIN + (at + 1) * LINE - 4;
        let _ = writeln!(svg, "<text x=\"{MARGIN}\" y=\"{y}\"{style}>{line}</text>");
    }
    svg + "</g>\n</svg>\n"
}
