//! `kubectl milvus`: changes replica counts of a Milvus release and comes back
//! when the pods are there, or says why not.
//!
//! The modules in reading order: what was asked, what is, what to do, doing it,
//! seeing that it is done, telling.

pub mod cli;
pub mod request;
pub mod target;

pub mod component;
pub mod pod;
pub mod reading;
pub mod release;
pub mod workload;

pub mod chart;
pub mod manifest;
pub mod observe;
pub mod overwrite;

pub mod decide;
pub mod refusal;

pub mod autoscaler;
pub mod avoidance;
pub mod objection;
pub mod order;
pub mod prove;
pub mod rights;

pub mod apply;
pub mod gate;
pub mod handover;
pub mod milvus;
pub mod stuck;
pub mod verdict;
pub mod verify;

pub mod scale;

pub mod exec;
pub mod helm;
pub mod invocation;
pub mod kubectl;
pub mod platform;
pub mod signals;

pub mod error;
pub mod report;
pub mod ui;

use std::ffi::OsString;
use std::sync::Arc;

use clap::{ColorChoice, FromArgMatches};
use jiff::Timestamp;

use crate::cli::{Arguments, Command, Output, Printing};
use crate::error::{Exit, Failure};
use crate::exec::Exec;
use crate::request::ScaleRequest;
use crate::signals::Signals;
use crate::target::{Connection, Environment, Target};
use crate::ui::{Ui, Verbosity};

/// The whole program: arguments and environment in, exit code out.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: &Environment) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let arguments = match parse(&arguments, environment) {
        Ok(arguments) => arguments,
        // Help and version go to standard output and are no failure.
        Err(said) if !said.use_stderr() => {
            let _ = said.print();
            return Exit::Done;
        }
        Err(said) => {
            let _ = said.print();
            // A word may be missing because Helm took it.
            if let Err(failure) = target::nothing_swallowed(&words, environment) {
                Ui::new(Verbosity::Normal, anstream::ColorChoice::Auto, true).failure(&failure);
            }
            return Exit::Usage;
        }
    };
    let ui = Arc::new(writer(&arguments.printing, environment));
    let ended = match &arguments.command {
        Command::Scale(scale) => target::misread(&words, &Connection::from(&scale.connection), environment)
            .and_then(|()| run_scale(scale, arguments.printing.output, environment, &ui)),
    };
    ended.unwrap_or_else(|failure| {
        ui.failure(&failure);
        failure.exit
    })
}

fn run_scale(arguments: &cli::Scale, output: Output, environment: &Environment, ui: &Arc<Ui>) -> Result<Exit, Failure> {
    let (request, connection) = ScaleRequest::check(arguments)?;
    let signals = Signals::listen()
        .map_err(|failed| Failure::new("signals", "cannot listen for signals").because(failed.to_string()))?;
    let ready = prepare(&connection, environment, &signals, ui);
    let (report, failure) = match ready {
        Ok((target, exec)) => scale::scale(&request, &Arc::new(exec), &target, &signals, ui),
        Err(failure) => {
            let mut report = report::ScaleReport::new(connection.namespace.as_deref().unwrap_or_default());
            report.failed(&failure);
            (report, Some(failure))
        }
    };
    let exit = failure.as_ref().map_or(Exit::Done, |failure| failure.exit);
    match output {
        // Wrong usage is told on standard error only.
        Output::Json if exit != Exit::Usage => ui.result(&report.json()),
        Output::Json => {}
        Output::Text => ui.result(&report.text(Timestamp::now())),
    }
    failure.map_or(Ok(exit), Err)
}

fn prepare(
    connection: &Connection,
    environment: &Environment,
    signals: &Signals,
    ui: &Arc<Ui>,
) -> Result<(Target, Exec), Failure> {
    let traced = Arc::clone(ui);
    let exec = Exec::find(environment, signals.clone(), move |call| traced.command(call))?;
    Ok((Target::resolve(connection, environment)?, exec))
}

/// Usage lines name the program as the user calls it.
fn parse(arguments: &[OsString], environment: &Environment) -> Result<Arguments, clap::Error> {
    let mut command = if environment.is_helm_plugin() {
        cli::called_by_helm::with_flags_of_helm(cli::command("helm milvus"))
    } else {
        cli::command("kubectl milvus")
    };
    let matches = command.try_get_matches_from_mut(arguments)?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

fn writer(printing: &Printing, environment: &Environment) -> Ui {
    let Printing { output: _, quiet, verbose, color } = printing;
    let verbosity = match (quiet, verbose) {
        (true, _) => Verbosity::Quiet,
        (false, true) => Verbosity::Verbose,
        (false, false) if target::is_verbose(environment) => Verbosity::Verbose,
        (false, false) => Verbosity::Normal,
    };
    let color = match color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    Ui::new(verbosity, color, environment.get("TERM") == Some("dumb"))
}
