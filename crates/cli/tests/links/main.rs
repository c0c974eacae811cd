//! Checks the links of the Markdown pages: every relative link leads to a file or folder of the repository, every
//! anchor to a heading, and a page's list of contents names each of its sections in order. The module `translations`
//! compares the Chinese pages with the English ones.

mod translations;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The folders whose `*.md` files are checked.
const FOLDERS: [&str; 7] = ["", "charts/ksvc-router", "docs", "docs/zh", "envoyfilter", "kustomize", "testenv"];

/// The heading of a list of contents, in English and in Chinese.
const CONTENTS: [&str; 2] = ["Contents", "目录"];

/// Returns the page with every line of a code block made empty, so that the other lines keep their numbers.
fn without_code_blocks(page: &str) -> String {
    let mut in_block = false;
    let text_or_nothing = |line| {
        let is_fence = str::trim_start(line).starts_with("```");
        in_block ^= is_fence;
        if in_block || is_fence { "" } else { line }
    };
    page.lines().map(text_or_nothing).collect::<Vec<_>>().join("\n")
}

struct Heading<'p> {
    level: usize,
    text: &'p str,
    anchor: String,
}

/// Returns the headings of a text with the anchors that GitHub gives them.
fn headings(text: &str) -> Vec<Heading<'_>> {
    let mut counts = BTreeMap::new();
    text.lines()
        .filter_map(|line| {
            let text = line.trim_start_matches('#');
            let level = line.len() - text.len();
            Some((level, text.strip_prefix(' ')?)).filter(|_| level > 0)
        })
        .map(|(level, text)| {
            let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            let anchor: String = kept.flat_map(|c| if c == ' ' { '-' } else { c }.to_lowercase()).collect();
            let count = counts.entry(anchor.clone()).and_modify(|count| *count += 1).or_insert(0);
            let anchor = if *count == 0 { anchor } else { format!("{anchor}-{count}") };
            Heading { level, text, anchor }
        })
        .collect()
}

struct Link<'p> {
    line: usize,
    target: &'p str,
}

/// Returns the inline links and images of a text: `[name](target)`. The name may continue on a second line.
fn links(text: &str) -> impl Iterator<Item = Link<'_>> {
    text.match_indices("](").filter_map(|(at, bracket)| {
        let (target, _) = text[at + bracket.len()..].split_once(')')?;
        Some(Link { line: text[..at].matches('\n').count() + 1, target })
    })
}

/// Tells whether a line is an entry of a list of contents.
fn is_in_contents(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("- [") && line.contains("](#")
}

/// Returns the first error in the list of contents of a page, which may have none.
fn error_in_contents(name: &str, page: &str) -> String {
    let text = without_code_blocks(page);
    let found: Vec<&str> = text
        .lines()
        .take_while(|line| !line.starts_with("##") || line.strip_prefix("## ").is_some_and(|it| CONTENTS.contains(&it)))
        .filter(|line| is_in_contents(line))
        .map(str::trim_start)
        .collect();
    let expected: Vec<String> = headings(&text)
        .iter()
        .filter(|heading| matches!(heading.level, 2 | 3) && !CONTENTS.contains(&heading.text))
        .map(|heading| format!("- [{}](#{})", heading.text, heading.anchor))
        .collect();
    if found.is_empty() || found == expected {
        return String::new();
    }
    let place = found.iter().zip(&expected).take_while(|(found, expected)| found == expected).count();
    let found = found.get(place).unwrap_or(&"nothing");
    let expected = expected.get(place).map_or("nothing", String::as_str);
    format!("{name}: the contents have {found} where {expected} is expected\n")
}

/// Resolves `..` in a relative path, without looking at the file system.
fn normalized(path: &Path) -> PathBuf {
    let mut parts: Vec<Component> = Vec::new();
    for part in path.components() {
        match (part, parts.last()) {
            (Component::ParentDir, Some(Component::Normal(_))) => drop(parts.pop()),
            (Component::CurDir, _) => {}
            _ => parts.push(part),
        }
    }
    parts.iter().collect()
}

/// Returns the links that lead nowhere. The pages are given by their path, and `exists` tells whether the repository has
/// a file or folder.
fn dead_links(pages: &BTreeMap<PathBuf, String>, exists: &dyn Fn(&Path) -> bool) -> String {
    let texts: BTreeMap<&Path, String> =
        pages.iter().map(|(path, page)| (path.as_path(), without_code_blocks(page))).collect();
    let has_anchor = |file: &Path, anchor: &str| {
        texts.get(file).is_some_and(|text| headings(text).iter().any(|heading| heading.anchor == anchor))
    };
    let mut errors = String::new();
    for (path, text) in &texts {
        for Link { line, target } in links(text) {
            if target.starts_with("https://") || target.starts_with("http://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
            let file = match file {
                "" => path.to_path_buf(),
                file => normalized(&path.parent().unwrap_or(Path::new("")).join(file)),
            };
            if !exists(&file) || anchor.is_some_and(|anchor| !has_anchor(&file, anchor)) {
                let _ = writeln!(errors, "{}:{line}: {target} leads nowhere", path.display());
            }
        }
    }
    errors
}

fn repository() -> PathBuf {
    normalized(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

/// Returns the Markdown pages of the repository by their paths in it.
fn pages() -> BTreeMap<PathBuf, String> {
    let mut pages = BTreeMap::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(repository().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(repository()).unwrap().to_owned();
                pages.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    pages
}

#[test]
fn every_link_leads_somewhere() {
    let errors = dead_links(&pages(), &|path| repository().join(path).exists());
    assert!(errors.is_empty(), "\n{errors}");
}

#[test]
fn every_list_of_contents_is_complete() {
    let errors: String =
        pages().iter().map(|(path, page)| error_in_contents(&path.display().to_string(), page)).collect();
    assert!(errors.is_empty(), "\n{errors}");
}

#[test]
fn dead_links_are_reported_with_their_line() {
    let page = "# A\n\n[b](b.md#one), [c](c.md), [here](#a-1)\n\n## A\n\n```\n[no](link)\n```\n[d\ne](../d)\n";
    let pages = BTreeMap::from([
        (PathBuf::from("docs/a.md"), page.to_owned()),
        (PathBuf::from("docs/b.md"), "# `One`, \"two\"\n## One\n".to_owned()),
    ]);
    let all = ["docs/a.md", "docs/b.md", "docs/c.md", "d"];
    for (missing, expected) in
        [("", ""), ("docs/c.md", "docs/a.md:3: c.md leads nowhere\n"), ("d", "docs/a.md:11: ../d leads nowhere\n")]
    {
        let exists = |path: &Path| all.iter().any(|known| Path::new(known) == path && *known != missing);
        assert_eq!(dead_links(&pages, &exists), expected);
    }
    let pages = BTreeMap::from([(PathBuf::from("docs/a.md"), page.replace("#a-1", "#a-2"))]);
    assert_eq!(dead_links(&pages, &|_| true), "docs/a.md:3: b.md#one leads nowhere\ndocs/a.md:3: #a-2 leads nowhere\n");
}

/// GitHub keeps letters of every script and removes all punctuation, that of Chinese included.
#[test]
fn chinese_headings_have_the_anchors_of_github() {
    let anchors = |text| headings(text).into_iter().map(|heading| heading.anchor).collect::<Vec<_>>();
    assert_eq!(
        anchors("# 使用一张证书的 HTTPS\n## 4. 准备 Gateway（`net-istio`）：DNS、《A_B》\n# 使用一张证书的 HTTPS\n"),
        ["使用一张证书的-https", "4-准备-gatewaynet-istiodnsa_b", "使用一张证书的-https-1"]
    );
    let page = "# 安装\n\n## 目录\n\n- [版本](#版本)\n\n## 版本\n";
    assert_eq!(error_in_contents("a.md", page), "");
    assert_eq!(
        error_in_contents("a.md", &page.replace("(#版本)", "(#安装)")),
        "a.md: the contents have - [版本](#安装) where - [版本](#版本) is expected\n"
    );
}

#[test]
fn an_incomplete_list_of_contents_is_reported() {
    let page = |list: &str| format!("# A\n\n{list}\n## One\n### One and a `half`\n#### Deeper\n## Two\n");
    let complete = "## Contents\n\n- [One](#one)\n  - [One and a `half`](#one-and-a-half)\n- [Two](#two)\n";
    assert_eq!(error_in_contents("a.md", &page(complete)), "");
    assert_eq!(error_in_contents("a.md", &page(complete.trim_start_matches("## Contents\n\n"))), "");
    assert_eq!(error_in_contents("a.md", &page("")), "");
    assert_eq!(
        error_in_contents("a.md", &page("- [One](#one)\n- [Two](#two)\n")),
        "a.md: the contents have - [Two](#two) where - [One and a `half`](#one-and-a-half) is expected\n"
    );
    assert_eq!(
        error_in_contents("a.md", &page(&complete.replace("- [Two](#two)\n", ""))),
        "a.md: the contents have nothing where - [Two](#two) is expected\n"
    );
    assert_eq!(
        error_in_contents("a.md", &page(&(complete.to_owned() + "- [Three](#three)\n"))),
        "a.md: the contents have - [Three](#three) where nothing is expected\n"
    );
}
