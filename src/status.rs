//! `status`: looks at releases and says whether they are as they declare. Reads
//! only.

pub mod change;
pub mod dependency;
pub mod judge;
mod read;
pub mod report;
mod scalable;
pub mod seen;
pub mod text;
mod watch;

use std::sync::Arc;

use jiff::Timestamp;

use self::read::Look;
use self::report::StatusReport;
use self::text::{Listing, Width};
use crate::error::{Exit, Failure};
use crate::exec::Exec;
use crate::request::{StatusRequest, Which};
use crate::signals::Signals;
use crate::target::Target;
use crate::ui::Ui;

/// What standard output carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text(Width),
    /// One JSON document, or one for each change.
    Json,
}

/// Carries out a `status`: writes it, and says how the process ends.
///
/// # Errors
/// What could not be read. What could is written all the same.
pub fn status(
    request: &StatusRequest,
    exec: &Arc<Exec>,
    target: &Target,
    signals: &Signals,
    ui: &Ui,
) -> Result<Exit, Failure> {
    let first = look(request, exec, target, signals);
    let (report, failure) = match first {
        Ok((report, failure)) => (report, failure),
        Err(failure) => (StatusReport::of(Vec::new(), Some(&failure)), Some(failure)),
    };
    if request.watch && !report.releases.is_empty() {
        return watch::watch(request, report, exec, target, signals, ui);
    }
    ui.result(&written(&report, request, Timestamp::now()));
    let exit = report.verdict.exit();
    match failure {
        Some(failure) if exit == Exit::NotAsDeclared => Err(Failure { exit, ..failure }),
        Some(failure) => Err(failure),
        None => Ok(exit),
    }
}

/// The document of a run that could not begin to look.
#[must_use]
pub fn unread(failure: &Failure, request: &StatusRequest) -> String {
    written(&StatusReport::of(Vec::new(), Some(failure)), request, Timestamp::UNIX_EPOCH)
}

fn written(report: &StatusReport, request: &StatusRequest, now: Timestamp) -> String {
    match request.format {
        // A watch that could not begin has one document as well, in one line.
        Format::Json if request.watch => report.json_line(),
        Format::Json => report.json(),
        Format::Text(width) => report.text(width, listing(request), now),
    }
}

fn listing(request: &StatusRequest) -> Listing {
    match request.which {
        Which::Named(_) | Which::Namespace => Listing::OneNamespace,
        Which::Everywhere => Listing::AllNamespaces,
    }
}

/// One look, judged.
fn look(
    request: &StatusRequest,
    exec: &Exec,
    target: &Target,
    signals: &Signals,
) -> Result<(StatusReport, Option<Failure>), Failure> {
    let looked = read::look(exec, target, &request.which);
    if let Some(signal) = signals.first() {
        return Err(Failure { exit: signal.exit(), ..Failure::new("interrupted", "interrupted while reading") });
    }
    let Look { seen, failure } = looked?;
    let now = Timestamp::now();
    let releases = seen.iter().map(|seen| judge::judge(seen, now)).collect();
    Ok((StatusReport::of(releases, failure.as_ref()), failure))
}

#[cfg(test)]
mod tests;
