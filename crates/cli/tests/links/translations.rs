//! The Chinese pages are in step with the English ones: the same code blocks, byte for byte; headings of the same
//! levels; tables of the same number of rows; and in each section and each row of a table the same code and numbers,
//! and links to the same places, in Chinese where there is a Chinese page. Other tests run the blocks of the English
//! pages, so those of the Chinese pages need not be run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{headings, is_in_contents, links, normalized, pages, without_code_blocks};

struct Translation {
    english: &'static str,
    chinese: &'static str,
    /// The last section that is translated, if the page is not translated to its end.
    last: Option<&'static str>,
}

const TRANSLATIONS: [Translation; 3] = [
    Translation { english: "README.md", chinese: "README.zh-CN.md", last: None },
    Translation { english: "docs/install.md", chinese: "docs/zh/install.md", last: None },
    Translation { english: "docs/cookbook.md", chinese: "docs/zh/cookbook.md", last: Some("A timeout and retries") },
];

type Pages = BTreeMap<PathBuf, String>;

/// Returns a page up to the end of this section.
fn up_to<'p>(page: &'p str, last: Option<&str>) -> &'p str {
    let Some(last) = last else { return page };
    let heading = format!("\n## {last}\n");
    let text = page.find(&heading).unwrap_or_else(|| panic!("no section `{last}`")) + heading.len();
    &page[..page[text..].find("\n## ").map_or(page.len(), |end| text + end + 1)]
}

/// A piece of a page: a code block with its fences, a heading, a row of a table, or the other lines of a section.
struct Piece {
    /// The number of its first line, counted from 1.
    line: usize,
    text: String,
}

#[derive(Default)]
struct Parts {
    blocks: Vec<Piece>,
    headings: Vec<Piece>,
    tables: Vec<Vec<Piece>>,
    /// The text of each section, with its heading, without blocks, tables and the entries of the list of contents.
    sections: Vec<Piece>,
}

impl Parts {
    fn of(page: &str) -> Self {
        let mut parts = Self::default();
        let (mut in_block, mut in_table) = (false, false);
        for (line, text) in (1..).zip(page.lines()) {
            let piece = || Piece { line, text: format!("{text}\n") };
            let is_fence = text.trim_start().starts_with("```");
            let is_row = !in_block && text.starts_with('|');
            if is_fence && !in_block {
                parts.blocks.push(piece());
            } else if in_block {
                parts.blocks.last_mut().unwrap().text += &piece().text;
            } else if is_row {
                if !in_table {
                    parts.tables.push(Vec::new());
                }
                parts.tables.last_mut().unwrap().push(piece());
            } else if text.starts_with('#') {
                parts.headings.push(piece());
                parts.sections.push(piece());
            } else if !is_in_contents(text) {
                parts.sections.last_mut().expect("the page starts with a heading").text += &piece().text;
            }
            in_block ^= is_fence;
            in_table = is_row;
        }
        parts
    }

    fn table_shapes(&self) -> Vec<Piece> {
        let shape = |table: &Vec<Piece>| Piece { line: table[0].line, text: format!("{} rows", table.len()) };
        self.tables.iter().map(shape).collect()
    }

    fn heading_levels(&self) -> Vec<Piece> {
        let level = |Piece { line, text }: &Piece| Piece {
            line: *line,
            text: format!("level {}", text.bytes().take_while(|byte| *byte == b'#').count()),
        };
        self.headings.iter().map(level).collect()
    }

    /// The texts whose facts are compared.
    fn texts(&self) -> impl Iterator<Item = &Piece> {
        self.sections.iter().chain(self.tables.iter().flatten())
    }
}

/// Returns the code and the numbers of a text. The targets of its links are left out.
fn code_and_numbers(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            found.insert(format!("`{}`", part.split_whitespace().collect::<Vec<_>>().join(" ")));
            continue;
        }
        let mut parts = part.split("](");
        let first = parts.next().unwrap_or_default();
        let rest = parts.map(|part| part.split_once(')').map_or(part, |(_, after)| after));
        for text in std::iter::once(first).chain(rest) {
            let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.').map(|number| number.trim_matches('.'));
            found.extend(numbers.filter(|number| !number.is_empty()).map(str::to_owned));
        }
    }
    found
}

/// Returns where the links of a text lead, from the folder of its page: to a page and an anchor, or to another site.
fn destinations(path: &str, text: &str) -> BTreeSet<String> {
    let folder = Path::new(path).parent().unwrap();
    let destination = |target: &str| match target.split_once('#') {
        _ if target.contains("://") => target.to_owned(),
        Some(("", anchor)) => format!("{path}#{anchor}"),
        Some((file, anchor)) => format!("{}#{anchor}", normalized(&folder.join(file)).display()),
        None => normalized(&folder.join(target)).display().to_string(),
    };
    links(text).map(|link| destination(link.target)).collect()
}

/// Returns the place in a Chinese page for a place in an English one, or the same place if it is not translated.
fn translated(destination: &str, pages: &Pages) -> String {
    let (path, anchor) = destination.split_once('#').map_or((destination, None), |(path, it)| (path, Some(it)));
    let Some(Translation { english, chinese, .. }) = TRANSLATIONS.iter().find(|it| it.english == path) else {
        return destination.to_owned();
    };
    let Some(anchor) = anchor else { return (*chinese).to_owned() };
    let [english, in_chinese] = [english, chinese].map(|path| without_code_blocks(&pages[Path::new(path)]));
    let place = headings(&english).iter().position(|heading| heading.anchor == anchor);
    let heading = place.and_then(|place| headings(&in_chinese).into_iter().nth(place));
    heading.map_or(destination.to_owned(), |heading| format!("{chinese}#{}", heading.anchor))
}

/// Returns the first place where two lists of pieces differ.
fn first_difference(kind: &str, translation: &Translation, english: &[Piece], chinese: &[Piece]) -> String {
    let Translation { english: en, chinese: zh, .. } = translation;
    let place = english.iter().zip(chinese).take_while(|(english, chinese)| english.text == chinese.text).count();
    match (english.get(place), chinese.get(place)) {
        (None, None) => String::new(),
        (Some(expected), Some(Piece { line, text })) => format!(
            "{zh}:{line}: this {kind} differs from the one at {en}:{}; write it as there:\n{}\nnot\n{text}\n",
            expected.line, expected.text
        ),
        (Some(expected), None) => format!("{zh}: add the {kind} at {en}:{}\n{}\n", expected.line, expected.text),
        (None, Some(Piece { line, .. })) => format!("{zh}:{line}: {en} has no such {kind}; remove it\n"),
    }
}

/// Returns the differences between a Chinese page and its English page.
fn differences(translation: &Translation, pages: &Pages) -> String {
    let Translation { english: en, chinese: zh, last } = translation;
    let english = Parts::of(up_to(&pages[Path::new(en)], *last));
    let chinese = Parts::of(&pages[Path::new(zh)]);
    let mut errors = [
        first_difference("code block", translation, &english.blocks, &chinese.blocks),
        first_difference("heading", translation, &english.heading_levels(), &chinese.heading_levels()),
        first_difference("table", translation, &english.table_shapes(), &chinese.table_shapes()),
    ]
    .concat();
    if !errors.is_empty() {
        return errors;
    }
    for (original, Piece { line, text }) in english.texts().zip(chinese.texts()) {
        let at = format!("{zh}:{line}: this text, from {en}:{},", original.line);
        let [expected, found] = [&original.text, text].map(|text| code_and_numbers(text));
        for missing in expected.difference(&found) {
            let _ = writeln!(errors, "{at} lacks {missing}");
        }
        for added in found.difference(&expected) {
            let _ = writeln!(errors, "{at} has {added}, which is not in the English text");
        }
        let found = destinations(zh, text);
        for destination in destinations(en, &original.text) {
            let is_chinese = TRANSLATIONS.iter().any(|translation| translation.chinese == destination);
            let expected = if is_chinese { (*en).to_owned() } else { translated(&destination, pages) };
            if !found.contains(&expected) {
                let _ = writeln!(errors, "{at} has no link to {expected}");
            }
        }
    }
    errors
}

#[test]
fn every_chinese_page_is_in_step_with_the_english_page() {
    let pages = pages();
    let errors: String = TRANSLATIONS.iter().map(|translation| differences(translation, &pages)).collect();
    assert!(errors.is_empty(), "\n{errors}");
}

#[test]
fn every_chinese_page_is_compared() {
    let chinese = pages().into_keys().filter(|path| path.starts_with("docs/zh") || path.ends_with("README.zh-CN.md"));
    let compared = TRANSLATIONS.iter().map(|translation| PathBuf::from(translation.chinese));
    assert_eq!(chinese.collect::<BTreeSet<_>>(), compared.collect());
}

/// One change of the real Chinese page for each kind of difference: the change, and the error that it must give.
#[test]
fn each_kind_of_difference_is_reported() {
    let cookbook = &TRANSLATIONS[2];
    let changes = [
        (
            "    - match: ANY /{**page}\n      service: website\n",
            "    - match: ANY /{**page}\n      service: site\n",
            "code block",
        ),
        (
            "\n```yaml\npluginConfig:\n  hosts: [run.example.com]",
            "\n```yml\npluginConfig:\n  hosts: [run.example.com]",
            "code block",
        ),
        ("\n## 超时与重试\n", "\n### 超时与重试\n", "heading"),
        ("`/apis` 不在", "它不在", "lacks `/apis`"),
        ("得到 405", "得到 406", "lacks 405"),
        ("得到 405", "得到 405 或 406", "has 406, which is not in the English text"),
        ("../configuration.md#cors", "../configuration.md#conditions", "no link to docs/configuration.md#cors"),
        (
            "请求头](#条件路由前面的缓存)",
            "请求头](../cookbook.md#caches-in-front-of-conditional-routes)",
            "no link to docs/zh/cookbook.md#条件路由前面的缓存",
        ),
        ("[English](../cookbook.md)", "English", "no link to docs/cookbook.md"),
    ];
    for (from, to, expected) in changes {
        let mut pages = pages();
        let page = pages.get_mut(Path::new(cookbook.chinese)).unwrap();
        assert!(page.contains(from), "the page does not have {from}");
        *page = page.replacen(from, to, 1);
        let errors = differences(cookbook, &pages);
        assert!(errors.contains(expected), "{to}: {errors}");
    }
    let mut pages = pages();
    let readme = &TRANSLATIONS[0];
    let page = pages.get_mut(Path::new(readme.chinese)).unwrap();
    *page = page.lines().filter(|line| !line.contains("| 未测量 | 同上")).map(|line| format!("{line}\n")).collect();
    assert!(differences(readme, &pages).contains("this table differs"), "{}", differences(readme, &pages));
}
