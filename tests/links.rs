//! Links between the documents lead somewhere: to a file, and to a heading in it.

use std::fs;
use std::path::Path;

const PAGES: [&str; 8] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/guide.md",
    "docs/refusals.md",
    "sandbox/README.md",
    "sandbox/chart/README.md",
];

#[test]
fn every_link_to_another_page_leads_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in PAGES {
        let text = fs::read_to_string(root.join(page)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root.join(page) } else { root.join(page).parent().unwrap().join(file) };
            let leads = match (anchor, fs::read_to_string(&target)) {
                ("", _) => target.exists(),
                (anchor, Ok(text)) => anchors(&text).iter().any(|known| known == anchor),
                (_, Err(_)) => false,
            };
            if !leads {
                wrong.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 50, "links are written in another way: {seen}");
}

/// What GitHub makes of headings: lower case, no punctuation, hyphens for blanks.
fn anchors(text: &str) -> Vec<String> {
    let headings = text
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    headings
        .map(|heading| {
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        })
        .collect()
}
