//! All that Helm has recorded of a release, by one call: `helm get all` with a
//! template (both majors). Three calls say the same, and each costs as much as
//! this one; they could also be about three revisions.

use std::io::{BufRead, Read};

use super::query;
use crate::component::ComponentRef;
use crate::error::plain;
use crate::invocation::Query;
use crate::release::{Apply, ChartVersion, Release, Status};
use crate::target::Target;

/// The newest revision of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub release: Release,
    /// When it was written, RFC 3339.
    pub updated: String,
    /// What it says of itself. Free of control characters.
    pub description: String,
    /// Of the coordinators that were asked about, those whose active standby is
    /// on.
    pub standby: Vec<ComponentRef>,
    /// Its manifest, without hooks; it holds secrets.
    pub manifest: String,
}

/// Foreign plugins make Helm print warnings on standard output (3.18 and
/// newer); what is asked for begins after this.
const BEGINNING: &str = "kubectl-milvus/record";

/// How Go calls the type of a release: only that of Helm 4 has an `ApplyMethod`
/// (4.0.0 and newer), and a template that asks another one for it fails.
const OF_HELM_3: &str = "*release.Release";
const OF_HELM_4: &str = "*v1.Release";

/// Asks for the newest revision. Of its values only whether the active standby
/// of these coordinators is on comes out: the others hold secrets.
#[must_use]
pub fn record(target: &Target, release: &str, coordinators: &[ComponentRef]) -> Query {
    let mut template = String::new();
    if !coordinators.is_empty() {
        template.push_str(r#"{{define "standby"}}{{with .}}{{with .activeStandby}}{{.enabled}}{{end}}{{end}}{{end}}"#);
    }
    template.push_str(&format!(
        r#"{{{{with .Release}}}}{{{{printf "{BEGINNING}\n%T\n%s\n%d\n%s\n%s\n%s\n%s\n" . .Name .Version .Info.Status (.Info.LastDeployed.Format "2006-01-02T15:04:05Z07:00") .Chart.Metadata.Name .Chart.Metadata.Version}}}}{{{{if eq (printf "%T" .) "{OF_HELM_4}"}}}}{{{{.ApplyMethod}}}}{{{{end}}}}{{{{"\n"}}}}"#
    ));
    for coordinator in coordinators {
        let of = |values: &str| format!(r#"{{{{template "standby" {values}.{}}}}}"#, coordinator.key);
        template.push_str(&format!(r#"{},{}{{{{"\n"}}}}"#, of(".Config"), of(".Chart.Values")));
    }
    // It may have several lines: its length in bytes tells where it ends.
    template.push_str(r#"{{len .Info.Description}}{{"\n"}}{{.Info.Description}}{{.Manifest}}{{end}}"#);
    query(target, ["get", "all", release, &format!("--template={template}")])
}

/// Reads [`record`] of the same coordinators.
pub fn read_record(output: &mut dyn BufRead, coordinators: &[ComponentRef]) -> Result<Record, String> {
    let mut next = || -> Result<String, String> {
        let mut line = String::new();
        match output.read_line(&mut line) {
            Ok(0) => Err("it ends too early".to_owned()),
            Ok(_) => Ok(line.trim_end_matches('\n').to_owned()),
            Err(failed) => Err(failed.to_string()),
        }
    };
    while next()? != BEGINNING {}
    let kind = next()?;
    let name = plain(&next()?);
    let revision = next()?.parse().map_err(|_| "its revision is not a number".to_owned())?;
    let status = Status::from(plain(&next()?).as_str());
    let updated = plain(&next()?);
    let chart = ChartVersion { name: plain(&next()?), version: plain(&next()?) };
    let apply = match (kind.as_str(), next()?.as_str()) {
        (OF_HELM_4, "ssa") => Apply::ServerSide,
        // Helm 3 would go on client-side even with a release of Helm 4 (both
        // measured).
        (OF_HELM_3 | OF_HELM_4, _) => Apply::ClientSide,
        _ => Apply::Unread,
    };
    let mut standby = Vec::new();
    for coordinator in coordinators {
        let line = next()?;
        // The user's value goes before the chart's.
        let (own, of_chart) = line.split_once(',').unwrap_or_default();
        if own == "true" || (own != "false" && of_chart == "true") {
            standby.push(*coordinator);
        }
    }
    let length: u64 = next()?.parse().map_err(|_| "the length of its description is not a number".to_owned())?;
    let mut description = Vec::new();
    output.take(length).read_to_end(&mut description).map_err(|failed| failed.to_string())?;
    Ok(Record {
        release: Release { name, revision, status, chart, apply },
        updated,
        description: plain(&String::from_utf8_lossy(&description)),
        standby,
        manifest: super::read_text(output)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component;

    const PRINTED: &str = "WARNING: a plugin
kubectl-milvus/record
*v1.Release
rel
7
deployed
2026-01-01T00:00:00Z
milvus
5.0.19
ssa
<no value>,true
false,true
,
true,false
,false
9
two
lines---
kind: Deployment
";

    #[test]
    fn a_record_is_read_after_foreign_warnings() {
        let record = read_record(&mut PRINTED.as_bytes(), &component::coordinators()).unwrap();
        assert_eq!((record.release.name.as_str(), record.release.revision), ("rel", 7));
        assert_eq!(record.release.chart.to_string(), "milvus-5.0.19");
        assert_eq!(record.release.apply, Apply::ServerSide);
        assert_eq!(record.description, "two lines");
        assert_eq!(record.manifest, "---\nkind: Deployment\n");
        let standby: Vec<&str> = record.standby.iter().map(|component| component.key).collect();
        assert_eq!(standby, ["mixCoordinator", "dataCoordinator"]);
    }

    #[test]
    fn what_ends_early_or_is_no_record_is_not_understood() {
        for (at, _) in PRINTED.match_indices('\n').take(15) {
            assert!(read_record(&mut &PRINTED.as_bytes()[..at], &component::coordinators()).is_err(), "{at}");
        }
        let wrong = PRINTED.replace("\n7\n", "\nseven\n");
        assert!(read_record(&mut wrong.as_bytes(), &component::coordinators()).is_err());
    }

    /// What a type unknown to this program has is not guessed.
    #[test]
    fn how_helm_applies_a_release_is_told_by_both_majors() {
        let apply = |kind: &str, method: &str| {
            let printed = format!("{BEGINNING}\n{kind}\nrel\n7\ndeployed\n\nmilvus\n5.0.19\n{method}\n0\n---\n");
            read_record(&mut printed.as_bytes(), &[]).unwrap().release.apply
        };
        assert_eq!(apply("*v1.Release", "ssa"), Apply::ServerSide);
        assert_eq!(apply("*v1.Release", "csa"), Apply::ClientSide);
        assert_eq!(apply("*v1.Release", ""), Apply::ClientSide);
        assert_eq!(apply("*release.Release", ""), Apply::ClientSide);
        assert_eq!(apply("*v2.Release", ""), Apply::Unread);
    }
}
