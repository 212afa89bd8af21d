//! One archive serves krew, a Helm plugin folder, and people.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use flate2::read::GzDecoder;
use tar::{Archive, EntryType};

use crate::archives::{self, ROOT, TARGETS};

#[test]
fn archives_hold_what_krew_and_helm_need_and_nothing_else() {
    for archive in archives::archives() {
        let name = archive.file_name().unwrap().to_str().unwrap();
        let program = if name.contains("windows") { "bin/kubectl-milvus.exe" } else { "bin/kubectl-milvus" };
        let members = members(&archive);
        let listed: Vec<(&str, u32)> = members.iter().map(|member| (member.name.as_str(), member.mode)).collect();
        assert_eq!(
            listed,
            [
                ("LICENSE", 0o644),
                ("README.md", 0o644),
                ("plugin.yaml", 0o644),
                ("plugin.complete", 0o755),
                // Helm 3 makes no folder that has no entry before its files.
                ("bin/", 0o755),
                (program, 0o755),
                ("share/", 0o755),
                ("share/kubectl_complete-milvus", 0o755),
                ("share/third-party-licenses.txt", 0o644),
            ],
            "{name}"
        );
        for Member { name: member, kind, owner, time, content, .. } in members.iter() {
            // krew takes neither links nor anything else.
            let wanted = if member.ends_with('/') { EntryType::Directory } else { EntryType::Regular };
            assert_eq!(*kind, wanted, "{member} of {name}");
            assert_eq!(*owner, (0, 0), "{member} of {name}");
            assert_eq!(*time, members[0].time, "{member} of {name}");
            let made = member.starts_with("bin/") || member.ends_with("licenses.txt");
            if !made && !member.ends_with('/') {
                assert!(*content == fs::read(Path::new(ROOT).join(member)).unwrap(), "{member} of {name} is another");
            }
        }
    }
}

/// Every crate that is linked in is named with its licence's text.
#[test]
fn the_licences_of_others_are_in_the_archive() {
    let archive = &archives::archives()[0];
    let members = members(archive);
    let file = members.iter().find(|member| member.name == "share/third-party-licenses.txt").unwrap();
    let text = String::from_utf8_lossy(&file.content);
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    let own = manifest.split_once("[dependencies]").unwrap().1.split_once("\n[").unwrap().0;
    let crates: Vec<&str> = own
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .collect();
    assert!(crates.contains(&"clap"), "{crates:?}");
    for name in crates {
        assert!(text.lines().any(|line| line.starts_with(&format!("  {name} "))), "{name} is not named");
    }
    assert!(text.contains("Permission is hereby granted") && text.contains("Apache License"));
}

/// Whoever packs, with whatever umask, at whatever time.
#[test]
fn the_same_files_give_the_same_archive() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let pack = |shell: &str, to: &str| {
        let to = folder.path().join(to);
        let words = [TARGETS[0], program.to_str().unwrap(), to.to_str().unwrap()];
        let package = format!("{shell}; exec {ROOT}/scripts/package \"$@\"");
        let output = Command::new("sh").args(["-c", &package, "sh"]).args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(String::from_utf8(output.stdout).unwrap().trim()).unwrap()
    };
    fs::write(&program, "one").unwrap();
    let first = pack("umask 022", "a");
    fs::write(&program, "one").unwrap();
    let time = "export TZ=Pacific/Auckland LC_ALL=C.UTF-8";
    assert!(pack(&format!("umask 077; {time}; touch -d @86400 \"$2\"; chmod 600 \"$2\""), "b") == first);
    fs::write(&program, "two").unwrap();
    assert!(pack("umask 022", "c") != first);
}

/// Linux programs run on any distribution: no dynamic loader is asked for.
#[test]
fn linux_programs_are_static() {
    if archives::released().is_none() {
        // Nothing else is known of a program of `cargo test`.
        return;
    }
    for archive in archives::archives().iter().filter(|path| path.to_str().unwrap().contains("linux")) {
        let members = members(archive);
        let program = &members.iter().find(|member| member.name == "bin/kubectl-milvus").unwrap().content;
        assert!(program.starts_with(b"\x7fELF\x02\x01"), "{} holds no 64-bit program", archive.display());
        assert!(!asks_for_a_loader(program), "{} is not static", archive.display());
    }
}

/// Whether a 64-bit little-endian ELF file has a segment of type `PT_INTERP`.
fn asks_for_a_loader(elf: &[u8]) -> bool {
    let number = |at: usize, size: usize| {
        elf[at..at + size].iter().rev().fold(0, |sum: usize, byte| sum << 8 | usize::from(*byte))
    };
    let (table, size, count) = (number(0x20, 8), number(0x36, 2), number(0x38, 2));
    (0..count).any(|segment| number(table + segment * size, 4) == 3)
}

#[test]
fn a_dynamic_program_is_told_from_a_static_one() {
    // The tests themselves are linked dynamically where glibc is the standard.
    let this = fs::read(std::env::current_exe().unwrap()).unwrap();
    assert_eq!(asks_for_a_loader(&this), cfg!(target_env = "gnu"));
}

/// One entry of an archive, in its order.
pub struct Member {
    pub name: String,
    pub kind: EntryType,
    pub mode: u32,
    pub owner: (u64, u64),
    pub time: u64,
    pub content: Vec<u8>,
}

/// What is in an archive; each is read once.
pub fn members(archive: &Path) -> Arc<Vec<Member>> {
    static READ: Mutex<BTreeMap<PathBuf, Arc<Vec<Member>>>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap();
    Arc::clone(read.entry(archive.to_owned()).or_insert_with(|| Arc::new(read_members(archive))))
}

fn read_members(archive: &Path) -> Vec<Member> {
    let mut archive = Archive::new(GzDecoder::new(fs::File::open(archive).unwrap()));
    let read = |entry: std::io::Result<tar::Entry<'_, GzDecoder<fs::File>>>| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        Member {
            name: String::from_utf8(entry.path_bytes().into_owned()).unwrap(),
            kind: header.entry_type(),
            mode: header.mode().unwrap(),
            owner: (header.uid().unwrap(), header.gid().unwrap()),
            time: header.mtime().unwrap(),
            content,
        }
    };
    archive.entries().unwrap().map(read).collect()
}
