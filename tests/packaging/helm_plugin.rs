//! The form of plugin.yaml that Helm 3 and Helm 4 both load. A mistake in it can
//! make Helm drop every plugin of the user.

use std::collections::BTreeSet;
use std::fs;

use serde::Deserialize;

use crate::archive::members;
use crate::archives::{self, ROOT};

/// All keys that Helm 3.13 knows; it is strict, and so is this. Left out are
/// those that one of the Helms warns about: `command` beside
/// `platformCommand`, hooks, `ignoreFlags`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Plugin {
    name: String,
    pub version: String,
    usage: String,
    description: String,
    platform_command: Vec<Command>,
}

/// `args` is not known before Helm 3.18.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    os: String,
    command: String,
}

pub fn plugin() -> Plugin {
    serde_saphyr::from_str(&fs::read_to_string(format!("{ROOT}/plugin.yaml")).unwrap()).unwrap()
}

#[test]
fn both_helms_load_the_plugin() {
    let plugin = plugin();
    assert_eq!(plugin.name, "milvus");
    // Helm 4 takes no `v`.
    assert!(plugin.version.starts_with(|first: char| first.is_ascii_digit()));
    for text in [&plugin.usage, &plugin.description] {
        assert!(!text.trim().is_empty() && text.is_ascii());
    }
}

/// The program is in the folder that was installed: nothing is downloaded.
#[test]
fn the_command_of_each_system_is_in_its_archive() {
    let commands = plugin().platform_command;
    let systems: BTreeSet<&str> = commands.iter().map(|entry| entry.os.as_str()).collect();
    assert_eq!(systems.len(), commands.len(), "a system has two commands");
    for archive in archives::archives() {
        let name = archive.to_str().unwrap();
        let os = ["linux", "darwin", "windows"].into_iter().find(|os| name.contains(os)).unwrap();
        let entry = commands.iter().find(|entry| entry.os == os).unwrap();
        let inside = entry.command.replace('\\', "/");
        let inside = inside.strip_prefix("$HELM_PLUGIN_DIR/").unwrap();
        assert!(
            members(&archive).iter().any(|member| member.name == inside && member.mode == 0o755),
            "{inside}: {name}"
        );
    }
}
