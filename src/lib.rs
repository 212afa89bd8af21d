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

pub mod explain;

pub mod autoscale;
pub mod scale;

pub mod exec;
pub mod helm;
pub mod invocation;
pub mod kubectl;
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
use crate::request::{AutoscaleRequest, ScaleRequest};
use crate::signals::Signals;
use crate::target::{Connection, Environment, Target};
use crate::ui::{Ui, Verbosity};

/// The whole program: arguments and environment in, exit code out.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: &Environment) -> Exit {
    let arguments = match parse(arguments, environment) {
        Ok(arguments) => arguments,
        Err(said) => {
            // Help and version go to standard output and are no failure.
            let exit = if said.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = said.print();
            return exit;
        }
    };
    let ui = Arc::new(writer(&arguments.printing, environment));
    let ended = match &arguments.command {
        Command::Scale(scale) => run_scale(scale, arguments.printing.output, environment, &ui),
        Command::Autoscale(autoscale) => run_autoscale(autoscale, arguments.printing.output, environment, &ui),
    };
    ended.unwrap_or_else(|failure| {
        ui.failure(&failure);
        failure.exit
    })
}

fn run_scale(arguments: &cli::Scale, output: Output, environment: &Environment, ui: &Arc<Ui>) -> Result<Exit, Failure> {
    let (request, connection) = ScaleRequest::check(arguments)?;
    let signals = listen()?;
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

fn run_autoscale(
    arguments: &cli::Autoscale,
    output: Output,
    environment: &Environment,
    ui: &Arc<Ui>,
) -> Result<Exit, Failure> {
    let (request, connection) = AutoscaleRequest::check(arguments)?;
    let signals = listen()?;
    let (report, failure) = match prepare(&connection, environment, &signals, ui) {
        Ok((target, exec)) => autoscale::autoscale(&request, &Arc::new(exec), &target, &signals, ui),
        Err(failure) => {
            let mut report = report::AutoscaleReport::new(connection.namespace.as_deref().unwrap_or_default());
            report.failed(&failure);
            (report, Some(failure))
        }
    };
    let exit = failure.as_ref().map_or(Exit::Done, |failure| failure.exit);
    match output {
        // Wrong usage is told on standard error only.
        Output::Json if exit != Exit::Usage => ui.result(&report.json()),
        Output::Json => {}
        Output::Text => ui.result(&report.text()),
    }
    failure.map_or(Ok(exit), Err)
}

fn listen() -> Result<Signals, Failure> {
    Signals::listen().map_err(|failed| Failure::new("signals", "cannot listen for signals").because(failed.to_string()))
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
fn parse(arguments: impl IntoIterator<Item = OsString>, environment: &Environment) -> Result<Arguments, clap::Error> {
    let name = if environment.is_helm_plugin() { "helm milvus" } else { "kubectl milvus" };
    let mut command = cli::command(name);
    let matches = command.try_get_matches_from_mut(arguments)?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

fn writer(printing: &Printing, environment: &Environment) -> Ui {
    let Printing { output: _, quiet, verbose, color } = printing;
    let verbosity = match (quiet, verbose) {
        (true, _) => Verbosity::Quiet,
        (false, true) => Verbosity::Verbose,
        (false, false) => Verbosity::Normal,
    };
    let color = match color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    Ui::new(verbosity, color, environment.get("TERM") == Some("dumb"))
}
