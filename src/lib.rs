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
pub mod history;

pub mod autoscale;
pub mod scale;
pub mod status;

pub mod complete;

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
use crate::request::{AutoscaleRequest, ScaleRequest, StatusRequest};
use crate::signals::Signals;
use crate::target::{Connection, Environment, Target};
use crate::ui::{Ui, Verbosity};

/// The whole program: arguments and environment in, exit code out.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: &Environment) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Before anything else: these words are half a line, and no mistake.
    if let Some((called_by, words)) = arguments.get(1..).and_then(<[_]>::split_first)
        && called_by == complete::CALLED_BY
    {
        let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let ui = Ui::new(Verbosity::Quiet, anstream::ColorChoice::Never, true);
        ui.result(&complete::complete(cli::command(name(environment)), &words, environment));
        return Exit::Done;
    }
    let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let arguments = match parse(&arguments, environment) {
        Ok(arguments) => arguments,
        Err(exit) => {
            // A word may be missing because Helm took it.
            if exit == Exit::Usage
                && let Err(failure) = target::nothing_swallowed(&words, environment)
            {
                Ui::new(Verbosity::Normal, anstream::ColorChoice::Auto, true).failure(&failure);
            }
            return exit;
        }
    };
    let ui = Arc::new(writer(&arguments.printing, environment));
    let connection = Connection::from(&arguments.connection);
    let ended = match &arguments.command {
        Command::Scale(scale) => target::as_typed(&words, &connection, environment)
            .and_then(|()| run_scale(scale, &connection, arguments.printing.output, environment, &ui)),
        Command::Status(status) => target::as_typed(&words, &connection, environment)
            .and_then(|()| run_status(status, &connection, arguments.printing.output, environment, &ui)),
        Command::Autoscale(autoscale) => target::as_typed(&words, &connection, environment)
            .and_then(|()| run_autoscale(autoscale, &connection, arguments.printing.output, environment, &ui)),
        Command::Completion => {
            ui.result(complete::SHIM);
            ui.note(&complete::advice(environment));
            Ok(Exit::Done)
        }
        Command::Version => {
            ui.result(concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"), "\n"));
            Ok(Exit::Done)
        }
    };
    ended.unwrap_or_else(|failure| {
        ui.failure(&failure);
        failure.exit
    })
}

fn run_scale(
    arguments: &cli::Scale,
    connection: &Connection,
    output: Output,
    environment: &Environment,
    ui: &Arc<Ui>,
) -> Result<Exit, Failure> {
    let request = ScaleRequest::check(arguments)?;
    let signals = listen()?;
    let ready = prepare(connection, environment, &signals, ui);
    let (report, failure) = match ready {
        Ok((target, exec)) => scale::scale(&request, &Arc::new(exec), &target, &signals, ui),
        Err(failure) => {
            let mut report = report::ScaleReport::new(connection.namespace.as_deref().unwrap_or_default());
            report.failed(&failure);
            (report, Some(failure))
        }
    };
    printed(ui, output, failure, || report.json(), || report.text(Timestamp::now()))
}

fn run_status(
    arguments: &cli::Status,
    connection: &Connection,
    output: Output,
    environment: &Environment,
    ui: &Arc<Ui>,
) -> Result<Exit, Failure> {
    let request = StatusRequest::check(arguments, output)?;
    let signals = listen()?;
    match prepare(connection, environment, &signals, ui) {
        Ok((target, exec)) => status::status(&request, &Arc::new(exec), &target, &signals, ui),
        Err(failure) => {
            if failure.exit != Exit::Usage {
                ui.result(&status::unread(&failure, &request));
            }
            Err(failure)
        }
    }
}

fn run_autoscale(
    arguments: &cli::Autoscale,
    connection: &Connection,
    output: Output,
    environment: &Environment,
    ui: &Arc<Ui>,
) -> Result<Exit, Failure> {
    let request = AutoscaleRequest::check(arguments)?;
    let signals = listen()?;
    let (report, failure) = match prepare(connection, environment, &signals, ui) {
        Ok((target, exec)) => autoscale::autoscale(&request, &Arc::new(exec), &target, &signals, ui),
        Err(failure) => {
            let mut report = report::AutoscaleReport::new(connection.namespace.as_deref().unwrap_or_default());
            report.failed(&failure);
            (report, Some(failure))
        }
    };
    printed(ui, output, failure, || report.json(), || report.text())
}

/// Prints what a run came to; wrong usage is told on standard error only.
fn printed(
    ui: &Ui,
    output: Output,
    failure: Option<Failure>,
    json: impl FnOnce() -> String,
    text: impl FnOnce() -> String,
) -> Result<Exit, Failure> {
    let exit = failure.as_ref().map_or(Exit::Done, |failure| failure.exit);
    match output {
        Output::Json if exit == Exit::Usage => true,
        Output::Json => ui.result(&json()),
        Output::Text | Output::Wide => ui.result(&text()),
    };
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
    let target = Target::resolve(connection, environment)?;
    let traced = Arc::clone(ui);
    let exec = Exec::find(environment, signals.clone(), move |call| traced.command(call))?;
    Ok((target, exec))
}

/// Usage lines name the program as the user calls it.
fn name(environment: &Environment) -> &'static str {
    if environment.is_helm_plugin() { "helm milvus" } else { "kubectl milvus" }
}

/// Reads the arguments; what there is to say about them is said.
fn parse(arguments: &[OsString], environment: &Environment) -> Result<Arguments, Exit> {
    let name = name(environment);
    let color = color_of(arguments);
    let mut command = cli::command(name).color(color);
    if environment.is_helm_plugin() {
        command = cli::called_by_helm::with_flags_of_helm(command);
    }
    let parsed = command.try_get_matches_from_mut(arguments).and_then(|m| Arguments::from_arg_matches(&m));
    parsed.map_err(|error| {
        let ui = writer(&Printing { output: Output::Text, quiet: false, verbose: false, color }, environment);
        if let Some(failure) = cli::complaint(&error, name) {
            ui.failure(&failure);
            return failure.exit;
        }
        // Help and version are what was asked for.
        let text: Vec<String> =
            error.render().ansi().to_string().lines().map(|line| line.trim_end().to_owned()).collect();
        ui.result(&(text.join("\n") + "\n"));
        Exit::Done
    })
}

/// What `--color` says, of words that clap has not read, or not understood.
fn color_of(arguments: &[OsString]) -> ColorChoice {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).take_while(|word| *word != "--").collect();
    let attached = |word: &&str| word.strip_prefix("--color=").map(str::to_owned);
    let apart = words.iter().zip(words.iter().skip(1)).filter(|(flag, _)| **flag == "--color");
    let said = words.iter().find_map(attached).or_else(|| apart.map(|(_, value)| (*value).to_owned()).next());
    said.and_then(|said| said.parse().ok()).unwrap_or(ColorChoice::Auto)
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
