//! Finds the mistake behind an error of the YAML parser.
//!
//! The parser reports the character at which it can't go on. The mistake is often before it: a line that is indented with one
//! space too few continues the value of the line above, and the error is at the next colon.

use ksvc_routing::config::{Config, Route};

use super::{YamlError, YamlProblem};
use crate::source::position::{Position, Span};

/// Returns the mistake behind an error, with its own position; the error itself if the mistake can't be found.
/// `is_readable` returns whether a text is YAML without errors: only such text is proposed.
pub(super) fn behind(text: &str, error: YamlError, is_readable: &dyn Fn(&str) -> bool) -> YamlError {
    let is_about_form = matches!(
        error.what,
        YamlProblem::Syntax { .. }
            | YamlProblem::UnknownAnchor
            | YamlProblem::CompositeKey
            | YamlProblem::NoSpace { .. }
    );
    if !is_about_form {
        return error;
    }
    let lines: Vec<&str> = text.lines().collect();
    let last = error.at.start.line.min(lines.len());
    // The lines up to the error, the nearest first, each with its number.
    let nearest = || (1..=last).rev().filter_map(|number| Some((number, *lines.get(number - 1)?)));
    // Returns whether the text can be read if its line is written as the error says.
    let is_remedy = |found: &YamlError| {
        let (YamlProblem::NoColon { write, .. } | YamlProblem::OpenBracket { write, .. }) = &found.what else {
            return false;
        };
        let index = found.at.start.line - 1;
        let changed = lines[index].replacen(item(lines[index]), write, 1);
        let with = |(at, line): (usize, &&str)| if at == index { changed.clone() } else { (*line).to_owned() };
        is_readable(&lines.iter().enumerate().map(with).collect::<Vec<_>>().join("\n"))
    };
    let found = conflict(&lines)
        .or_else(|| json(text))
        .or_else(|| (1..=last).find_map(|number| unfilled(number, lines[number - 1])))
        .or_else(|| {
            let next = lines.get(last).map(|line| (last + 1, *line));
            nearest().take(2).chain(next).find_map(|(number, line)| tab(number, line))
        })
        .or_else(|| nearest().take(3).find_map(|(number, line)| no_space(number, line)))
        .or_else(|| nearest().take(3).find_map(|(number, line)| no_colon(number, line).filter(is_remedy)))
        .or_else(|| {
            let open = |(number, line)| open_bracket(number, line, lines.get(number)?).filter(is_remedy);
            nearest().take(4).find_map(open)
        })
        .or_else(|| nearest().take(2).find_map(|(number, line)| unquoted(number, line, is_readable)))
        .or_else(|| indentation(&lines[..last]).filter(|found| found.at.start.line + 2 > last))
        .or_else(|| open_quote(&error, nearest()));
    found.unwrap_or(error)
}

fn problem(line: usize, column: usize, width: usize, what: YamlProblem) -> YamlError {
    let start = Position { line, column };
    YamlError { at: Span { start, end: Position { line, column: column + width } }, what }
}

/// Finds the marks that a version control system writes where it can't merge.
fn conflict(lines: &[&str]) -> Option<YamlError> {
    let is_mark = |line: &&str| ["<<<<<<< ", ">>>>>>> ", "||||||| "].iter().any(|mark| line.starts_with(mark));
    let at = lines.iter().position(is_mark)?;
    Some(problem(at + 1, 1, 7, YamlProblem::Conflict))
}

/// Finds a missing comma, colon or bracket in a text that is JSON by its beginning. Other texts that JSON does not allow can
/// be YAML.
fn json(text: &str) -> Option<YamlError> {
    text.trim_start().strip_prefix('{')?.trim_start().strip_prefix('"')?;
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    let message = match error.to_string().split(" at line ").next() {
        Some(message) if message.starts_with("expected `") => message.to_owned(),
        _ if error.is_eof() => "the text ends before its last bracket is closed".to_owned(),
        _ => return None,
    };
    let line = text.lines().nth(error.line().checked_sub(1)?).unwrap_or_default();
    let column =
        String::from_utf8_lossy(line.as_bytes().get(..error.column()).unwrap_or(line.as_bytes())).chars().count();
    Some(problem(error.line(), column.max(1), 1, YamlProblem::Json { message }))
}

/// Finds an expression of Helm that is not in quotes.
fn unfilled(number: usize, line: &str) -> Option<YamlError> {
    let at = line.find("{{")?;
    let inside = line[at + 2..].trim_start_matches('-').trim_start();
    let word = inside.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let is_function = !word.is_empty() && inside[word.len()..].starts_with(' ');
    let is_field = inside.strip_prefix(['.', '$']).is_some_and(|name| name.starts_with(|c: char| c.is_alphabetic()));
    let end = line[at..].find("}}").map_or(line.len(), |end| at + end + 2);
    let (column, width) = (line[..at].chars().count() + 1, line[at..end].chars().count());
    (is_field || is_function).then(|| problem(number, column, width, YamlProblem::Unfilled))
}

/// Finds a tab in the indentation of a line.
fn tab(number: usize, line: &str) -> Option<YamlError> {
    let indentation = &line[..line.len() - line.trim_start().len()];
    let at = indentation.find('\t')?;
    Some(problem(number, indentation[..at].chars().count() + 1, 1, YamlProblem::Tab))
}

/// Finds `-match:` and `match:GET`, where the space after the dash or the colon is missing.
fn no_space(number: usize, line: &str) -> Option<YamlError> {
    let content = line.trim_start();
    let column = line.chars().count() - content.chars().count() + 1;
    if let Some(rest) = content.strip_prefix('-')
        && let Some((key, _)) = rest.split_once(':')
        && is_key(key)
    {
        let what = YamlProblem::NoSpace { after: '-', write: format!("- {}", rest.trim_end()) };
        return Some(problem(number, column, 1, what));
    }
    let item = content.strip_prefix("- ").map_or(content, str::trim_start);
    let (key, value) = item.split_once(':')?;
    let is_joined = is_key(key) && !value.trim().is_empty() && !value.starts_with([' ', '\t']);
    let what = YamlProblem::NoSpace { after: ':', write: format!("{key}: {}", value.trim()) };
    is_joined.then(|| problem(number, column + content.len() - item.len() + key.len(), 1, what))
}

/// Finds `match GET /a`, where the colon is missing.
fn no_colon(number: usize, line: &str) -> Option<YamlError> {
    let item = item(line);
    let (key, value) = item.split_once(' ')?;
    let is_value = is_key(key) && !item.contains(':');
    let column = line.chars().count() - item.chars().count() + 1;
    let what = YamlProblem::NoColon { key: key.to_owned(), write: format!("{key}: {}", value.trim()) };
    is_value.then(|| problem(number, column, key.len(), what))
}

/// Finds a list or an object in brackets that is not closed, before a line that begins a key or an element of its own.
fn open_bracket(number: usize, line: &str, next: &str) -> Option<YamlError> {
    let begin = |line: &str| line.len() - line.trim_start().len();
    let after = next.trim_start();
    let is_next = after.starts_with("- ") || after.split_once(':').is_some_and(|(word, _)| !word.contains([' ', ',']));
    let open = open_brackets(line);
    let (at, _) = *open.first().filter(|_| is_next && begin(next) <= begin(line))?;
    let close: String = open.iter().rev().map(|(_, close)| *close).collect();
    let write = format!("{}{close}", item(line).trim_end_matches(','));
    Some(problem(number, line[..at].chars().count() + 1, 1, YamlProblem::OpenBracket { close, write }))
}

/// Returns where the brackets are that a line does not close, each with the bracket that closes it.
fn open_brackets(line: &str) -> Vec<(usize, char)> {
    let (mut open, mut quote) = (Vec::new(), None);
    for (at, c) in line.char_indices() {
        match c {
            _ if quote == Some(c) => quote = None,
            _ if quote.is_some() => {}
            '"' | '\'' => quote = Some(c),
            '#' if line[..at].ends_with(' ') => break,
            '[' => open.push((at, ']')),
            '{' => open.push((at, '}')),
            ']' | '}' => drop(open.pop()),
            _ => {}
        }
    }
    open
}

/// Returns a line without its indentation and the dashes of its elements.
fn item(line: &str) -> &str {
    line.trim().trim_start_matches("- ").trim_start()
}

fn is_key(word: &str) -> bool {
    Config::KEYS.contains(&word) || Route::KEYS.contains(&word)
}

/// Finds a value that has to be in quotes, and writes it so.
fn unquoted(number: usize, line: &str, is_readable: &dyn Fn(&str) -> bool) -> Option<YamlError> {
    let content = line.trim_start();
    let dashes = content.len() - content.trim_start_matches(['-', ' ']).len();
    let item = &content[dashes..];
    let (key, value) = match item.split_once(": ") {
        Some((key, value)) if !key.contains([' ', '"', '\'', '[', '{']) => (format!("{key}: "), value.trim()),
        _ if dashes > 0 => (String::new(), item.trim()),
        _ => return None,
    };
    if value.starts_with('"') && value.matches('"').count() == 1 {
        let column = line.trim_end().chars().count() - value.chars().count() + 1;
        return Some(problem(number, column, 1, YamlProblem::OpenQuote));
    }
    let quoted = in_quotes(value)?;
    let is_list =
        matches!(&*key, "hosts: " | "allowOrigins: " | "allowMethods: " | "allowHeaders: " | "exposeHeaders: ");
    let write = if is_list && !quoted.starts_with('[') { format!("{key}[{quoted}]") } else { format!("{key}{quoted}") };
    is_readable(&write).then_some(())?;
    let before = &line[..line.trim_end().len() - value.len()];
    let what = YamlProblem::Unquoted { write };
    Some(problem(number, before.chars().count() + 1, value.chars().count(), what))
}

/// Writes a value with quotes where it needs them. Returns `None` if it needs none.
fn in_quotes(value: &str) -> Option<String> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let needs_quotes = |text: &str| {
        text.starts_with(['*', '&', '!', '@', '`', '%', '?', '|', '>', '{', '}', ']', ','])
            || text.contains(": ")
            || text.starts_with('"') && !text.ends_with('"')
            || text.ends_with(':')
    };
    let bracketed = value.strip_prefix('[').and_then(|inside| inside.strip_suffix(']'));
    let braced =
        value.strip_prefix('{').and_then(|inside| inside.strip_suffix('}')).filter(|inside| inside.contains(": "));
    if let Some(inside) = bracketed {
        let elements: Vec<String> = parts(inside).iter().map(|part| in_flow(part)).collect();
        let write = format!("[{}]", elements.join(", "));
        return (write != value).then_some(write);
    }
    if let Some(inside) = braced {
        let entry = |part: &&str| match part.split_once(": ") {
            Some((key, value)) => format!("{key}: {}", in_flow(value.trim())),
            None => (*part).to_owned(),
        };
        let write = format!("{{{}}}", parts(inside).iter().map(entry).collect::<Vec<_>>().join(", "));
        return (write != value).then_some(write);
    }
    if value.starts_with(['[', '{']) && is_open(value) {
        return None;
    }
    let is_quoted =
        value.len() > 1 && ['"', '\''].iter().any(|quote| value.starts_with(*quote) && value.ends_with(*quote));
    (needs_quotes(value) && !is_quoted).then(|| quoted(&value.replace('"', "")))
}

/// Writes a value inside `[ ]` or `{ }`.
fn in_flow(value: &str) -> String {
    if value.starts_with(['"', '\'', '[']) || value.starts_with('{') && value.contains(": ") {
        return in_quotes(value).unwrap_or_else(|| value.to_owned());
    }
    match value.contains(['{', '}', '[', ']', '*', '&', '@', '`', '%', '#']) || value.contains(": ") {
        true => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
        false => value.to_owned(),
    }
}

/// Returns whether a list or an object goes on in the next line.
fn is_open(value: &str) -> bool {
    value.matches(['[', '{']).count() > value.matches([']', '}']).count()
}

/// Splits a text at its commas, but not inside quotes, brackets and braces.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut quote, mut start) = (0usize, None, 0);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            _ if quote == Some(c) => quote = None,
            '"' | '\'' if quote.is_none() && text[start..at].trim().is_empty() => quote = Some(c),
            '[' | '{' if quote.is_none() => depth += 1,
            ']' | '}' if quote.is_none() => depth = depth.saturating_sub(1),
            ',' if quote.is_none() && depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// A list or an object that is open, and the column at which its elements or keys begin, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Level {
    column: usize,
    is_list: bool,
}

/// Finds the first line that begins at no column at which a list or an object is open.
fn indentation(lines: &[&str]) -> Option<YamlError> {
    let mut levels: Vec<Level> = Vec::new();
    // Whether the line before opens something that is indented more.
    let mut opens = true;
    // The text of a block (`|`) is indented more than this.
    let mut block: Option<usize> = None;
    for (index, line) in lines.iter().enumerate() {
        let content = line.trim_start_matches(' ');
        let column = line.len() - content.len();
        if content.trim().is_empty() || content.starts_with('#') || block.is_some_and(|block| column > block) {
            continue;
        }
        block = None;
        if content.starts_with("---") {
            levels.clear();
            opens = true;
            continue;
        }
        let is_item = content.starts_with("- ") || content.trim_end() == "-";
        let mut closed = None;
        while let Some(level) = levels.last().copied().filter(|level| level.column > column) {
            closed = Some(level);
            levels.pop();
        }
        // A list can begin at the column of its key. The next key at that column ends it.
        if !is_item
            && let [.., above, level] = levels[..]
            && level.is_list
            && level.column == column
            && above == (Level { column, is_list: false })
        {
            levels.pop();
        }
        let beside = levels.last().copied();
        let fits = match beside {
            None => opens || levels.is_empty() && closed.is_none(),
            Some(level) if level.column == column => level.is_list == is_item || is_item && opens,
            Some(_) => opens && closed.is_none(),
        };
        if !fits {
            let candidates = closed.into_iter().chain(levels.iter().rev().copied());
            let expected = candidates
                .filter(|level| level.is_list == is_item)
                .min_by_key(|level| level.column.abs_diff(column))?;
            let what = YamlProblem::Indentation { found: column, expected: expected.column };
            return Some(problem(index + 1, 1, column.max(1), what));
        }
        let mut rest = content;
        let mut at = column;
        while let Some(after) = rest.strip_prefix("- ") {
            push(&mut levels, Level { column: at, is_list: true });
            let inside = after.trim_start();
            at += rest.len() - inside.len();
            rest = inside;
        }
        let rest = rest.split(" #").next().unwrap_or_default().trim_end();
        if rest.ends_with(':') || rest.contains(": ") {
            push(&mut levels, Level { column: at, is_list: false });
        }
        let value = rest.rsplit(": ").next().unwrap_or_default();
        let is_block = value.starts_with(['|', '>']) && value.len() < 4;
        if is_block {
            block = Some(levels.last().map_or(0, |level| level.column));
        }
        if is_open(rest) {
            // The lines of a flow list or object have no columns.
            return None;
        }
        opens = rest.ends_with(':') || rest == "-";
    }
    None
}

fn push(levels: &mut Vec<Level>, level: Level) {
    if levels.last() != Some(&level) {
        levels.push(level);
    }
}

/// Finds the quote that is not closed, if the parser came to the end of the text.
fn open_quote<'t>(error: &YamlError, mut nearest: impl Iterator<Item = (usize, &'t str)>) -> Option<YamlError> {
    let YamlProblem::Syntax { message, .. } = &error.what else { return None };
    if !message.contains("quote") {
        return None;
    }
    nearest.find_map(|(number, line)| {
        let is_odd = line.matches('"').count() % 2 == 1;
        let at = line.rfind('"').filter(|_| is_odd)?;
        Some(problem(number, line[..at].chars().count() + 1, 1, YamlProblem::OpenQuote))
    })
}
