//! Completion: what can stand at the cursor, in the protocol of cobra, which
//! kubectl and Helm speak to their plugins. One candidate on a line, a tab and
//! its description; at last a colon and what the shell is to do with them.
//!
//! The words come from the definition of the command line. At most one call
//! asks the cluster, for a short time, and whatever goes wrong is silence: a
//! message would land in the middle of the line that is being typed.

mod line;
mod offer;
mod running;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::cli::{self, Choice};
use crate::error::plain;
use crate::exec::Exec;
use crate::invocation::Query;
use crate::kubectl;
use crate::signals::Signals;
use crate::target::{self, Connection, Environment, Target};
use crate::workload::List;

use self::offer::{Facts, Offer};
use self::running::{Labelled, Running};

/// The subcommand with which the shims call; it is in no help.
pub const CALLED_BY: &str = "__complete";

/// The program that kubectl looks for on the PATH to complete `kubectl milvus`.
pub const SHIM: &str = include_str!("../share/kubectl_complete-milvus");

/// The file name of [`SHIM`].
pub const SHIM_NAME: &str = "kubectl_complete-milvus";

/// How long a TAB may wait for the cluster. Helm's own is 3 s as well.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is printed for the words before the cursor and the one at it.
#[must_use]
pub fn complete(command: clap::Command, words: &[String], environment: &Environment) -> String {
    let grammar = cli::grammar(command);
    let line = line::read(&grammar, words);
    let asked = Asked { connection: cli::connection(&line.flags), environment };
    printed(&offer::offer(&line, &asked))
}

/// Where the shim is best put: beside the program, whose folder is on the PATH.
#[must_use]
pub fn advice(environment: &Environment) -> String {
    if environment.is_helm_plugin() {
        return "Helm needs no such file: its plugin brings one. This one is for `kubectl milvus`.".to_owned();
    }
    let beside = which::which_in("kubectl-milvus", environment.get("PATH"), "/").ok();
    let folder = beside
        .as_ref()
        .and_then(|program| program.parent())
        .map_or_else(|| "~/.local/bin".to_owned(), |folder| crate::invocation::quoted(&folder.display().to_string()));
    format!(
        "This goes into a file `{SHIM_NAME}` in a folder of your PATH, and has to be executable:\n  \
         kubectl milvus completion >{folder}/{SHIM_NAME}\n  \
         chmod +x {folder}/{SHIM_NAME}\n\
         kubectl's own completion has to be on: `kubectl completion --help`"
    )
}

/// The bits of cobra's directive.
const NO_SPACE: u8 = 2;
const NO_FILES: u8 = 4;

fn printed(offer: &Offer) -> String {
    let mut text = String::new();
    for Choice { word, help } in &offer.choices {
        text.push_str(&plain(word));
        if !help.is_empty() {
            text.push('\t');
            text.push_str(&plain(help));
        }
        text.push('\n');
    }
    let directive = if offer.goes_on { NO_SPACE } else { 0 } + if offer.files { 0 } else { NO_FILES };
    text.push_str(&format!(":{directive}\n"));
    text
}

/// The real answers.
struct Asked<'a> {
    connection: Connection,
    environment: &'a Environment,
}

impl Facts for Asked<'_> {
    fn running(&self) -> Vec<Running> {
        let deployments: Option<Vec<Labelled>> = self.list(kubectl::list_labelled_deployments);
        running::running(&deployments.unwrap_or_default())
    }

    fn namespaces(&self) -> Vec<String> {
        #[derive(serde::Deserialize)]
        struct Namespace {
            metadata: Named,
        }
        #[derive(serde::Deserialize)]
        struct Named {
            name: String,
        }
        let namespaces: Option<Vec<Namespace>> = self.list(kubectl::list_namespaces);
        namespaces.unwrap_or_default().into_iter().map(|one| one.metadata.name).collect()
    }

    fn contexts(&self) -> Vec<String> {
        target::contexts(&self.connection, self.environment).unwrap_or_default()
    }
}

impl Asked<'_> {
    fn list<T: DeserializeOwned + Send + 'static>(&self, query: fn(&Target) -> Query) -> Option<Vec<T>> {
        let target = Target::resolve(&self.connection, self.environment).ok()?;
        let exec = Exec::find(self.environment, Signals::listen().ok()?, |_| {}).ok()?;
        let stream = exec.follow(&query(&target)).ok()?;
        // A credential plugin may wait for somebody who is not there.
        let stopper = stream.stopper();
        let (answer, answered) = mpsc::channel();
        thread::spawn(move || {
            let mut text = Vec::new();
            let ended = stream.lines(|line| {
                text.extend_from_slice(line);
                true
            });
            answer.send(ended.map(|()| text))
        });
        let text = answered.recv_timeout(PATIENCE);
        drop(stopper);
        let list: List<T> = kubectl::read_list(&mut text.ok()?.ok()?.as_slice()).ok()?;
        Some(list.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_tells_the_shell_what_to_do() {
        let choices = vec![
            Choice { word: "proxy=".to_owned(), help: "1\tnow\u{1b}[31m".to_owned() },
            Choice { word: "rel".to_owned(), help: String::new() },
        ];
        let offer = Offer { choices, goes_on: true, files: false };
        assert_eq!(printed(&offer), "proxy=\t1 now[31m\nrel\n:6\n");
        assert_eq!(printed(&Offer { goes_on: false, ..offer }), "proxy=\t1 now[31m\nrel\n:4\n");
        assert_eq!(printed(&Offer { files: true, ..Offer::default() }), ":0\n");
    }
}
