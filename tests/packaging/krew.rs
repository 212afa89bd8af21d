//! What krew demands of a plugin's manifest, by krew 0.5.0 and what its
//! reviewers send back. The end-to-end tests ask krew itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::archive::members;
use crate::archives::{self, TARGETS};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Manifest {
    api_version: String,
    kind: String,
    metadata: Metadata,
    pub spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spec {
    pub version: String,
    homepage: String,
    short_description: String,
    description: String,
    caveats: String,
    platforms: Vec<Platform>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Platform {
    selector: Selector,
    uri: String,
    sha256: String,
    bin: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Selector {
    match_labels: BTreeMap<String, String>,
}

/// The manifest that goes with the archives.
pub fn manifest() -> Manifest {
    serde_saphyr::from_str(&text()).unwrap()
}

fn text() -> String {
    // krew wants the file to have the plugin's name.
    fs::read_to_string(archives::folder().join("milvus.yaml")).unwrap()
}

#[test]
fn krew_takes_the_manifest() {
    let complaints = complaints(&text(), archives::folder());
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert_eq!(manifest().spec.platforms.len(), archives::archives().len());
}

#[test]
fn what_krew_would_refuse_is_found() {
    let good = text();
    let sum = manifest().spec.platforms[0].sha256.clone();
    // However many systems there is an archive for.
    let (_, platforms) = good.split_once("  platforms:\n").unwrap();
    let twice = format!("{platforms}{platforms}");
    for (part, instead, complaint) in [
        ("krew.googlecontainertools.github.com/v1alpha2", "krew.dev/v1", "apiVersion"),
        ("kind: Plugin", "kind: Index", "kind"),
        ("name: milvus", "name: mil.vus", "metadata.name"),
        ("version: v", "version: ", "version"),
        ("shortDescription: Scale", "shortDescription: Scale a Kubernetes plugin named", "reviewers"),
        ("shortDescription: Scale", "shortDescription: This scales clusters of the name", "50"),
        ("verify the pods\n", "verify the pods.\n", "reviewers"),
        ("verify the pods\n", "verify\n    \n    the pods\n", "one line"),
        (&sum, &sum.to_uppercase(), "lower-case"),
        (&sum, &sum.replace(|_| true, "0"), "is not that of"),
        ("bin: bin/kubectl-milvus\n", "bin: ../kubectl-milvus\n", "bin"),
        ("bin: bin/kubectl-milvus\n", "bin: bin/milvus\n", "bin"),
        ("os: linux", "os: plan9", "no system"),
        (platforms, &twice, "two platforms"),
        ("uri: https://", "uri: http://", "uri"),
        ("Changes the replica counts", "Changes the number of replicas of components, replica counts", "80"),
    ] {
        let bad = good.replace(part, instead);
        assert_ne!(bad, good, "{part} is not in it");
        let found = complaints(&bad, archives::folder());
        assert!(found.iter().any(|found| found.contains(complaint)), "{instead}: {found:#?}");
    }
}

/// A system without an archive is not offered.
#[test]
fn only_what_was_built_is_in_the_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_str().unwrap();
    for target in [TARGETS[1], TARGETS[4]] {
        archives::script("package", &[target, &format!("{}/LICENSE", archives::ROOT), to]);
    }
    let file = archives::script("krew-manifest", &[to]);
    let text = fs::read_to_string(file).unwrap();
    assert_eq!(complaints(&text, folder.path()), [""; 0]);
    let manifest: Manifest = serde_saphyr::from_str(&text).unwrap();
    let systems: Vec<_> = manifest.spec.platforms.iter().map(|p| &p.selector.match_labels["os"]).collect();
    assert_eq!(systems, ["linux", "windows"]);
}

/// Everything that is wrong with a manifest and the archives it names.
fn complaints(text: &str, folder: &Path) -> Vec<String> {
    let Manifest { api_version, kind, metadata, spec } = match serde_saphyr::from_str(text) {
        Ok(manifest) => manifest,
        Err(failed) => return vec![failed.to_string()],
    };
    let mut found = Vec::new();
    let mut demand = |holds: bool, what: String| {
        if !holds {
            found.push(what);
        }
    };
    demand(api_version == "krew.googlecontainertools.github.com/v1alpha2", format!("apiVersion is {api_version}"));
    demand(kind == "Plugin", format!("kind is {kind}"));
    demand(metadata.name == "milvus", format!("metadata.name is {}, the file milvus.yaml", metadata.name));
    demand(spec.version == format!("v{}", archives::VERSION), format!("version {} is not ours with a v", spec.version));
    let short = &spec.short_description;
    demand(!short.is_empty() && short.lines().count() == 1, "shortDescription must be one line".into());
    demand(short.len() <= 50, "krew cuts a shortDescription at 50 characters".into());
    let words = short.to_lowercase();
    let needless = ["kubectl", "plugin", "kubernetes"].into_iter().any(|word| words.contains(word));
    demand(!needless && !short.ends_with('.'), format!("reviewers send back the shortDescription {short}"));
    for text in [&spec.description, &spec.caveats] {
        demand(!text.is_empty() && text.lines().all(|line| line.len() <= 80), "text is wider than 80".into());
    }
    demand(spec.homepage.starts_with("https://"), "homepage is no https address".into());
    demand(!spec.platforms.is_empty(), "there is no platform".into());

    let mut systems = BTreeSet::new();
    for Platform { selector: Selector { match_labels }, uri, sha256, bin } in &spec.platforms {
        demand(systems.insert(match_labels), format!("two platforms for {match_labels:?}"));
        let label = |name: &str| match_labels.get(name).map_or("", String::as_str);
        let known = matches!(
            (label("os"), label("arch")),
            ("linux", "amd64" | "arm64" | "386" | "arm" | "ppc64le")
                | ("darwin" | "windows", "amd64" | "arm64" | "386")
        );
        demand(known && match_labels.len() == 2, format!("{match_labels:?} is no system of krew"));
        let release = format!("{}/releases/download/v{}/", spec.homepage, archives::VERSION);
        let Some(name) = uri.strip_prefix(&release) else {
            demand(false, format!("uri is {uri}, not in {release}"));
            continue;
        };
        let digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        demand(sha256.len() == 64 && sha256.chars().all(digit), format!("{sha256} is not 64 lower-case digits"));
        demand(*sha256 == sum(&folder.join(name)), format!("{sha256} is not that of {name}"));
        let members = members(&folder.join(name));
        let executable = members.iter().any(|member| member.name == *bin && member.mode == 0o755);
        demand(executable, format!("bin {bin} is not in {name}"));
        // On Windows krew links to a name that ends in `.exe`, and to no other.
        let executable = if label("os") == "windows" { "bin/kubectl-milvus.exe" } else { "bin/kubectl-milvus" };
        demand(bin == executable, format!("bin {bin} is for another system"));
        demand(members.iter().any(|member| is_licence(&member.name)), format!("{name} has no licence"));
        let outside = |name: &str| name.starts_with(['/', '\\']) || name.split(['/', '\\']).any(|part| part == "..");
        demand(!members.iter().any(|member| outside(&member.name)), format!("{name} leads out of its folder"));
    }
    found
}

/// The names that krew's validator looks for, at the top of the archive.
fn is_licence(name: &str) -> bool {
    let name = name.to_lowercase();
    let (stem, extension) = name.split_once('.').unwrap_or((&name, ""));
    matches!((stem, extension), ("license" | "licenses", "" | "txt" | "md") | ("copying", "" | "txt"))
}

/// By another program than ours.
fn sum(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap_or_default().to_owned()
}
