//! Looks at the path of an element of `match`: parameters, wildcards and regular expressions as other routers have them.
//!
//! A path is split at the slashes that are outside braces, because `{name=projects/*}` of Google's API definitions has
//! slashes inside. Each segment is translated alone; the names of parameters are unique within the path.

use std::collections::BTreeSet;

use super::is_name;
use crate::problem::{PathEdit, ProblemKind, Severity};

/// The longest path that is looked at, in bytes, and how many segments of it have a message. A real path is far shorter.
const LENGTH: usize = 500;
const FINDINGS: usize = 10;

/// What is found in a path.
#[derive(Default)]
pub(crate) struct Findings {
    /// Problems of the path as a whole.
    pub(crate) whole: Vec<ProblemKind>,
    /// Problems of segments, each with the index of its segment. Segments are split at every slash.
    pub(crate) segments: Vec<(usize, ProblemKind)>,
    /// The indexes of the segments that such a problem is about, if it is about several.
    pub(crate) spanned: Vec<usize>,
}

impl Findings {
    /// Takes the problem of a segment.
    pub(crate) fn take(&mut self, index: usize) -> Option<ProblemKind> {
        let at = self.segments.iter().position(|(segment, _)| *segment == index)?;
        Some(self.segments.remove(at).1)
    }
}

/// What a segment is in the language of another router, and what to write instead.
enum Meaning {
    /// A parameter, such as `:id`. It is literal text here.
    Parameter(String),
    /// A wildcard. It is literal text here. The second text matches the path without the segment too.
    Wildcard(String, Option<String>),
    /// A parameter in braces that can't be read, and why it can't.
    Braces(String, &'static str),
    /// A parameter in braces that can't be read, and why nothing can be proposed.
    NoParameter(&'static str),
    /// A parameter with a regular expression.
    Limited(String),
    /// A regular expression. It is literal text here.
    Regex(String),
    /// A `%` that is followed by no two hex digits.
    Percent(String),
    /// The rest of the path, with segments behind it, or beside other text.
    RestNotLast,
    /// A parameter that spans several segments.
    Spanning(String),
}

impl Meaning {
    /// Returns the text that it proposes, if it proposes one.
    fn written(&self) -> Option<&str> {
        match self {
            Meaning::Parameter(write)
            | Meaning::Wildcard(write, _)
            | Meaning::Braces(write, _)
            | Meaning::Limited(write)
            | Meaning::Regex(write)
            | Meaning::Percent(write)
            | Meaning::Spanning(write) => Some(write),
            Meaning::NoParameter(_) | Meaning::RestNotLast => None,
        }
    }

    /// Returns the meaning if what it proposes is good. Without the proposal, an error stays an error.
    fn checked(self, is_good: impl Fn(&str) -> bool) -> Option<Self> {
        let is_good = self.written().is_none_or(is_good);
        match self {
            _ if is_good => Some(self),
            Meaning::Braces(..) | Meaning::Limited(_) | Meaning::Spanning(_) => Some(Meaning::NoParameter(
                "has more than a name; write only letters, digits, `_` and `-` between the braces",
            )),
            _ => None,
        }
    }
}

/// Returns whether a text means nothing elsewhere.
fn is_clean(write: &str, is_last: bool) -> bool {
    let texts: Vec<&str> = write.split('/').collect();
    let is_end = |index: usize| is_last && index + 1 == texts.len();
    texts.iter().enumerate().all(|(index, text)| meaning(text, is_end(index), "", &mut Names::of(write)).is_none())
}

/// Looks at a path that begins with a slash. `is_segment` returns whether a text is a segment without errors: only such are
/// proposed.
pub(crate) fn problems(path: &str, is_segment: &dyn Fn(&str) -> bool) -> Findings {
    let mut findings = Findings::default();
    if is_usual(path) || path.len() > LENGTH {
        return findings;
    }
    let (before, after) = path.split_at_checked(end(path)).unwrap_or((path, ""));
    let texts = split(before);
    let cut = || texts.iter().all(|text| is_segment(text)).then(|| PathEdit::new(path, before.trim_end()));
    match after.chars().next() {
        Some('?') => findings.whole.push(ProblemKind::QueryInPath { edit: cut() }),
        Some(_) => findings.whole.push(ProblemKind::FragmentInPath { edit: cut() }),
        None => {}
    }
    let mut names = Names::of(path);
    let mut index = 0;
    for (position, text) in texts.iter().enumerate() {
        if findings.segments.len() == FINDINGS {
            break;
        }
        let previous = position.checked_sub(1).and_then(|at| texts.get(at)).copied().unwrap_or_default();
        let is_last = position + 1 == texts.len() && after.is_empty();
        let is_good = |write: &str| is_clean(write, is_last) && write.split('/').all(is_segment);
        let meaning = meaning(text, is_last, previous, &mut names);
        if let Some(meaning) = meaning.and_then(|meaning| meaning.checked(is_good)) {
            let edit = |write: &str| {
                let mut all = texts.clone();
                all.get_mut(position).into_iter().for_each(|text| *text = write);
                PathEdit::new(path, &format!("/{}{after}", all.join("/")))
            };
            let problem = problem(text, meaning, edit);
            let is_error = problem.severity() == Severity::Error;
            findings.segments.push((index, problem));
            if is_error && text.contains('/') {
                findings.spanned.extend(index..=index + text.matches('/').count());
            }
        }
        index += text.matches('/').count() + 1;
    }
    findings
}

/// Returns whether a path has only plain text and parameters as they are written here. Nearly all paths are like this, and
/// reading them must be fast.
pub(super) fn is_usual(path: &str) -> bool {
    let (mut is_inside, mut before) = (false, b'/');
    for byte in path.bytes() {
        let is_usual = match byte {
            b'-' | b'_' => true,
            b'.' | b'~' | b'/' => !is_inside,
            b'*' => is_inside && matches!(before, b'{' | b'*'),
            b'{' => !std::mem::replace(&mut is_inside, true),
            b'}' => !matches!(before, b'{' | b'*') && std::mem::replace(&mut is_inside, false),
            _ => byte.is_ascii_alphanumeric(),
        };
        if !is_usual {
            return false;
        }
        before = byte;
    }
    !is_inside
}

fn problem(text: &str, meaning: Meaning, edit: impl Fn(&str) -> PathEdit) -> ProblemKind {
    let segment = text.to_owned();
    match meaning {
        Meaning::Parameter(write) => ProblemKind::ForeignSyntax { segment, edit: edit(&write), write },
        Meaning::Wildcard(write, also) => ProblemKind::LiteralStar { segment, edit: edit(&write), write, also },
        Meaning::Braces(write, why) => {
            ProblemKind::CaptureName { segment, edit: Some(edit(&write)), write: Some(write), why }
        }
        Meaning::NoParameter(why) => ProblemKind::CaptureName { segment, edit: None, write: None, why },
        Meaning::Limited(write) => ProblemKind::LimitedCapture { segment, edit: edit(&write), write },
        Meaning::Regex(write) => ProblemKind::LiteralRegex { segment, edit: edit(&write), write },
        Meaning::Percent(write) => ProblemKind::PercentInPath { segment, edit: edit(&write), write },
        Meaning::RestNotLast => ProblemKind::RestNotLast { segment },
        Meaning::Spanning(write) => ProblemKind::SpanningCapture { segment, edit: edit(&write), write },
    }
}

/// Returns the problem of a path that does not begin with a slash. Its message proposes only paths that are good.
pub(crate) fn start(path: &str, is_good: &dyn Fn(&str) -> bool) -> ProblemKind {
    let found = path.to_owned();
    let inner = path.trim_start_matches(['^', '~', ' ', '=']);
    if path.starts_with(['^', '~']) && inner.starts_with(['/', '\\', '(']) {
        let inner = inner.strip_suffix('$').unwrap_or(inner).replace("\\/", "/");
        let write = translated(&without_group_names(&inner)).filter(|write| write.len() > 1 || inner == "/");
        return ProblemKind::RegexPath { found, write: write.filter(|write| is_good(write)) };
    }
    if let Some((host, write)) = url(path) {
        return ProblemKind::UrlAsPath { found, host, write: write.filter(|write| is_good(write)) };
    }
    ProblemKind::PathStart { found, write: translated(path).filter(|write| is_good(write)) }
}

/// Splits a URL, or a host with a path, into the host and the path as it is written here, if that can be known.
fn url(text: &str) -> Option<(String, Option<String>)> {
    let rest = text.split_once("://").map(|(_, rest)| rest);
    let (host, path) = rest.unwrap_or(text).split_once('/').or(rest.map(|rest| (rest, "")))?;
    let name = host.split(':').next().unwrap_or_default();
    let top = name.rsplit('.').next().unwrap_or_default();
    let is_host = name.contains('.') && top.len() > 1 && top.bytes().all(|b| b.is_ascii_alphabetic())
        || name == "localhost"
        || name.parse::<std::net::Ipv4Addr>().is_ok();
    let is_clean = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    let is_url = is_clean && !name.is_empty() && (is_host || rest.is_some());
    is_url.then(|| (name.to_ascii_lowercase(), translated(&format!("/{path}"))))
}

/// Returns the warning about a path that has `basePath` in front, although that is put in front of every path.
pub(crate) fn repeated_base(path: &str, base: &str) -> Option<ProblemKind> {
    let below = path.strip_prefix(base).filter(|_| !base.is_empty())?;
    let write = if below.is_empty() { "/" } else { below };
    write
        .starts_with('/')
        .then(|| ProblemKind::RepeatedBase { base: base.to_owned(), edit: PathEdit::new(path, write) })
}

/// Translates a path of another router. Returns `None` if it can't be known what to write.
pub(crate) fn translated(path: &str) -> Option<String> {
    let path = path.trim();
    if path.len() > LENGTH {
        return None;
    }
    let path = match path.strip_prefix('/') {
        Some(_) => path.to_owned(),
        None if path.starts_with(['^', '~']) || path.contains("://") => return None,
        None => format!("/{path}"),
    };
    if end(&path) < path.len() || path.contains(' ') {
        return None;
    }
    let texts = split(&path);
    let mut names = Names::of(&path);
    let mut segments = Vec::new();
    for (position, text) in texts.iter().enumerate() {
        let previous = position.checked_sub(1).and_then(|at| texts.get(at)).copied().unwrap_or_default();
        segments.push(match meaning(text, position + 1 == texts.len(), previous, &mut names) {
            None if text.matches('{').count() != text.matches('}').count() => return None,
            None => (*text).to_owned(),
            Some(meaning) => meaning.written()?.to_owned(),
        });
    }
    Some(format!("/{}", segments.join("/")))
}

/// Returns where a path ends: at its query or its fragment. A `?` at a group of a regular expression, or after an optional
/// parameter such as `:id?`, begins no query.
fn end(path: &str) -> usize {
    let (mut before, mut first) = (' ', ' ');
    for (at, c) in outside_braces(path) {
        if before == '/' {
            first = c;
        }
        let is_optional =
            || first == ':' && path.get(at + 1..).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if c == '#' || c == '?' && !matches!(before, '(' | ')' | ']' | '*' | '+') && !is_optional() {
            return at;
        }
        before = c;
    }
    path.len()
}

/// Returns whether a path has a regular expression, as in `/orders/\d+`.
pub(crate) fn has_regex(path: &str) -> bool {
    !is_usual(path) && is_regex(&outside_braces(path).map(|(_, c)| c).collect::<String>())
}

/// Returns a regular expression with plain groups: `(a)` for `(?P<name>a)` and `(?:a)`.
fn without_group_names(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("(?") {
        let named = after.trim_start_matches('P').strip_prefix('<').and_then(|after| after.split_once('>'));
        rest = named.map_or(after.trim_start_matches(':'), |(_, after)| after);
        plain.push_str(before);
        plain.push('(');
    }
    plain + rest
}

/// Returns the characters of a text that are outside braces, with their positions.
fn outside_braces(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut depth = 0usize;
    text.char_indices().filter(move |(_, c)| {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    })
}

/// Returns the segments of a path. A slash inside braces does not end a segment, unless the brace is not closed.
fn split(path: &str) -> Vec<&str> {
    let below = path.strip_prefix('/').unwrap_or(path);
    if below.matches('{').count() != below.matches('}').count() {
        return below.split('/').collect();
    }
    let mut segments = Vec::new();
    let mut start = 0;
    for (at, _) in outside_braces(below).filter(|(_, c)| *c == '/') {
        segments.push(below.get(start..at).unwrap_or_default());
        start = at + 1;
    }
    segments.push(below.get(start..).unwrap_or_default());
    segments
}

/// The names of the parameters in a path.
struct Names {
    /// Everything that may be a name.
    possible: BTreeSet<String>,
    /// The names of parameters as they are written here, and those that were given to others.
    given: BTreeSet<String>,
}

impl Names {
    fn of(path: &str) -> Self {
        let inside = path.split(['{', '<', ':', '[', '*']).skip(1);
        let word = |text: &str| text.split(|c: char| !is_name(c.encode_utf8(&mut [0; 4]))).next().map(str::to_owned);
        let groups = path.split('{').skip(1).filter_map(|after| after.split_once('}'));
        let given = groups
            .filter(|(inside, _)| is_parameter(inside))
            .map(|(inside, _)| inside.trim_start_matches('*').to_owned());
        Names { possible: inside.filter_map(word).collect(), given: given.collect() }
    }

    /// Gives a parameter its own name, or a similar one if another parameter has that name.
    fn keep(&mut self, name: &str) -> String {
        if self.given.insert(name.to_owned()) { name.to_owned() } else { self.unique(name.to_owned()) }
    }

    /// Returns a new name: the singular of the segment before the parameter, such as `order` after `orders`.
    fn after(&mut self, segment: &str) -> String {
        let word = match segment {
            _ if !is_name(segment) || segment.contains('-') => "name".to_owned(),
            _ if segment.ends_with("ies") => format!("{}y", segment.trim_end_matches("ies")),
            _ if segment.ends_with("sses") => segment.trim_end_matches("es").to_owned(),
            _ if segment.ends_with('s') && !segment.ends_with("ss") && segment.len() > 2 => {
                segment.trim_end_matches('s').to_owned()
            }
            _ => segment.to_owned(),
        };
        let word = if word.is_empty() { "name".to_owned() } else { word };
        self.unique(word)
    }

    fn unique(&mut self, word: String) -> String {
        let mut name = word.clone();
        let mut number = 2;
        while self.given.contains(&name) || !self.possible.insert(name.clone()) {
            name = format!("{word}{number}");
            number += 1;
        }
        self.given.insert(name.clone());
        name
    }
}

/// Returns what a segment means elsewhere; `None` if it is nothing from elsewhere.
fn meaning(text: &str, is_last: bool, previous: &str, names: &mut Names) -> Option<Meaning> {
    let starts_regex = text.starts_with('^');
    if let Some(meaning) = wildcard(text, is_last, previous, names) {
        return Some(meaning);
    }
    if let Some(name) = text.strip_prefix("[[...").and_then(|text| text.strip_suffix("]]")).filter(|name| is_name(name))
    {
        return Some(if is_last {
            Meaning::Parameter(format!("{{**{}}}", names.keep(name)))
        } else {
            Meaning::Parameter(format!("{{{}}}", names.keep(name)))
        });
    }
    if let Some(inside) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        match inside.strip_prefix("...") {
            Some(name) if is_name(name) && is_last => {
                return Some(Meaning::Parameter(format!("{{*{}}}", names.keep(name))));
            }
            None if is_word(inside) && !is_class(inside) => {
                return Some(Meaning::Parameter(format!("{{{}}}", names.keep(inside))));
            }
            _ => {}
        }
    }
    if let Some(meaning) = braces(text, is_last, previous, names) {
        return Some(meaning);
    }
    if let Some(write) = colons(text, is_last, names).or_else(|| angles(text, is_last, names)) {
        return Some(Meaning::Parameter(write));
    }
    let literal: String = outside_braces(text).map(|(_, c)| c).collect();
    if starts_regex || is_regex(&literal) {
        return Some(Meaning::Regex(without_regex(text, is_last, previous, names)));
    }
    let escaped = with_percents_escaped(text);
    (escaped != text).then_some(Meaning::Percent(escaped))
}

fn wildcard(text: &str, is_last: bool, previous: &str, names: &mut Names) -> Option<Meaning> {
    let also = |name: &str| Some(format!("{{**{name}}}"));
    if matches!(text, "*" | ".*" | "(.*)" | "**" | ".+" | "(.+)" | "+") && text != "+" {
        if !text.contains('*') {
            let write = if is_last {
                format!("{{*{}}}", names.unique("rest".to_owned()))
            } else {
                format!("{{{}}}", names.after(previous))
            };
            return Some(Meaning::Regex(write));
        }
        if !is_last {
            return Some(Meaning::Wildcard(format!("{{{}}}", names.after(previous)), None));
        }
        let name = names.unique("rest".to_owned());
        return Some(match text {
            "**" => Meaning::Wildcard(format!("{{**{name}}}"), None),
            _ => Meaning::Wildcard(format!("{{*{name}}}"), also(&name)),
        });
    }
    if let Some(name) = text.strip_prefix('*').filter(|name| is_word(name)) {
        let name = names.keep(name);
        return Some(match is_last {
            true => Meaning::Wildcard(format!("{{*{name}}}"), also(&name)),
            false => Meaning::Wildcard(format!("{{{name}}}"), None),
        });
    }
    // A star at one end, as in `a*` and `*.json`. A star between other text may be literal.
    let prefix = text
        .strip_suffix(".*")
        .or(text.strip_suffix('*'))
        .filter(|prefix| is_plain(prefix) && !prefix.is_empty() && !prefix.starts_with(':'));
    if let Some(prefix) = prefix {
        let name = names.unique("rest".to_owned());
        return Some(match is_last {
            true => Meaning::Wildcard(format!("{prefix}/{{**{name}}}"), Some(format!("{prefix}{{{name}}}"))),
            false => Meaning::Wildcard(format!("{prefix}{{{name}}}"), None),
        });
    }
    let suffix =
        text.strip_prefix('*').filter(|suffix| is_plain(suffix) && suffix.starts_with(['.', '-', '_', ':']))?;
    Some(Meaning::Wildcard(format!("{{{}}}{suffix}", names.after(previous)), None))
}

/// Translates a segment that has parameters in braces, at least one of which can't be read here.
fn braces(text: &str, is_last: bool, previous: &str, names: &mut Names) -> Option<Meaning> {
    if text.replace("{{", "").replace("}}", "").matches('{').count() == 0 {
        return None;
    }
    let mut write = String::new();
    let mut rest = text;
    let mut why = None;
    let mut is_limited = false;
    let mut spans = false;
    while let Some((before, after)) = rest.split_once('{') {
        write.push_str(before);
        if let Some(after) = after.strip_prefix('{') {
            write.push_str("{{");
            rest = after;
            continue;
        }
        let inside = inside_braces(after)?;
        let is_alone = before.is_empty() && write.is_empty() && after.len() == inside.len() + 1;
        rest = after.get(inside.len() + 1..)?;
        if is_parameter(inside) {
            write.push_str(&format!("{{{inside}}}"));
            continue;
        }
        match parameter(inside, previous, names) {
            Parameter::One(name, reason) => {
                why = why.or(Some(reason));
                write.push_str(&format!("{{{name}}}"));
            }
            Parameter::Limited(name) => {
                is_limited = true;
                write.push_str(&format!("{{{name}}}"));
            }
            Parameter::Rest(name) if is_last && is_alone => {
                return Some(Meaning::Braces(name, "is written differently here"));
            }
            Parameter::Rest(_) => return Some(Meaning::RestNotLast),
            Parameter::Segments(segments) => {
                spans = true;
                let is_end = is_last && rest.is_empty();
                if segments.contains("{**")
                    && (!is_end || segments.split('/').rev().skip(1).any(|text| text.contains("{**")))
                {
                    return Some(Meaning::RestNotLast);
                }
                write.push_str(&segments);
            }
            Parameter::Unknown(reason) => return Some(Meaning::NoParameter(reason)),
        }
    }
    write.push_str(rest);
    match () {
        () if spans => Some(Meaning::Spanning(write)),
        () if is_limited => Some(Meaning::Limited(write)),
        () => why.map(|why| Meaning::Braces(write, why)),
    }
}

/// Returns the text up to the brace that closes. Braces inside, as in `{id:[0-9]{3}}`, are in pairs.
fn inside_braces(after: &str) -> Option<&str> {
    let mut depth = 1usize;
    for (at, c) in after.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return after.get(..at);
        }
    }
    None
}

/// Returns whether a text between braces is a parameter here.
fn is_parameter(inside: &str) -> bool {
    let name = inside.strip_prefix("**").or(inside.strip_prefix('*')).unwrap_or(inside);
    is_name(name)
}

/// What a text between braces means elsewhere.
enum Parameter {
    /// One segment or a part of it, and why it is not written like this here.
    One(String, &'static str),
    /// The same, limited by a regular expression.
    Limited(String),
    /// The rest of the path: the parameter as it is written here.
    Rest(String),
    /// Several segments.
    Segments(String),
    /// Nothing can be proposed.
    Unknown(&'static str),
}

fn parameter(inside: &str, previous: &str, names: &mut Names) -> Parameter {
    const TYPED: &str = "has a type, which no parameter here has";
    const NAME: &str = "is not a name; a name has letters, digits, `_` and `-`";
    if matches!(inside, "*" | "**") {
        return Parameter::Rest(format!("{{{inside}{}}}", names.unique("rest".to_owned())));
    }
    if inside.starts_with(['?', '&']) {
        return Parameter::Unknown(
            "is a query parameter, and the query is not a part of the path; take it out, and use `when: {query: …}`",
        );
    }
    if let Some(name) = inside.strip_prefix('+').or(inside.strip_suffix('+')).filter(|name| is_name(name)) {
        return Parameter::Rest(format!("{{*{}}}", names.keep(name)));
    }
    if let Some(name) = inside.strip_suffix("...").or(inside.strip_suffix('*')).filter(|name| is_name(name)) {
        return Parameter::Rest(format!("{{**{}}}", names.keep(name)));
    }
    if let Some(name) = inside.strip_suffix('?').filter(|name| is_name(name)) {
        return Parameter::One(
            names.keep(name),
            "is optional elsewhere; a path without it needs an element of its own",
        );
    }
    let stars = inside.strip_prefix("**").or(inside.strip_prefix('*'));
    if let Some((name, limit)) = inside.split_once(':').filter(|(name, _)| is_name(name.trim_start_matches('*'))) {
        if stars.is_some() {
            return Parameter::Rest(format!("{{**{}}}", names.keep(name.trim_start_matches('*'))));
        }
        return match limit.trim_matches(['^', '$', '(', ')']) {
            ".*" | ".*?" | "path" | "*" | "**" => Parameter::Rest(format!("{{**{}}}", names.keep(name))),
            ".+" | "+" | ".+?" => Parameter::Rest(format!("{{*{}}}", names.keep(name))),
            _ if is_type(limit) => Parameter::One(names.keep(name), TYPED),
            _ => Parameter::Limited(names.keep(name)),
        };
    }
    if let Some((name, template)) = inside.split_once('=') {
        return match template {
            "**" if is_name(name) => Parameter::Rest(format!("{{**{}}}", names.keep(name))),
            _ if template.contains('/') => segments(template, names),
            _ if is_name(name) => Parameter::One(names.keep(name), "has a pattern, which no parameter here has"),
            _ => Parameter::One(names.after(previous), NAME),
        };
    }
    if inside.contains('/') {
        return Parameter::Unknown(
            "has a slash, and a parameter is one segment or a part of it; write each segment on its own",
        );
    }
    if is_regex(inside) {
        return Parameter::Limited(names.after(previous));
    }
    let name: String =
        inside.trim().chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let name = name.trim_matches('_').to_owned();
    if name.is_empty() { Parameter::One(names.after(previous), NAME) } else { Parameter::One(names.keep(&name), NAME) }
}

/// Returns whether a text after a colon is a type or a constraint without a regular expression.
fn is_type(text: &str) -> bool {
    let word = text.split('(').next().unwrap_or_default();
    !word.is_empty()
        && word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_')
        && !text.contains(['[', '\\', '|', '*', '+'])
}

/// Translates a template of Google's API definitions, such as `projects/*/locations/*`.
fn segments(template: &str, names: &mut Names) -> Parameter {
    let mut previous = "";
    let mut segments = Vec::new();
    for segment in template.split('/') {
        segments.push(match segment {
            "*" => format!("{{{}}}", names.after(previous)),
            "**" => format!("{{**{}}}", names.after(previous)),
            literal if is_plain(literal) => literal.to_owned(),
            _ => return Parameter::Unknown("spans several segments; write each segment on its own"),
        });
        previous = segment;
    }
    Parameter::Segments(segments.join("/"))
}

/// Translates a segment that begins with `:name`, as Express and Rails have it. Text such as `v1:cancel` is not one.
fn colons(text: &str, is_last: bool, names: &mut Names) -> Option<String> {
    let mut write = String::new();
    let mut rest = text;
    if !text.starts_with(':') {
        return None;
    }
    while let Some((before, after)) = rest.split_once(':') {
        write.push_str(before);
        let length = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
        let (name, tail) = after.split_at_checked(length)?;
        if !is_word(name) {
            return None;
        }
        let tail = match tail.strip_prefix('(').and_then(|limit| limit.split_once(')')) {
            Some((_, tail)) => tail,
            None => tail,
        };
        let (stars, tail) = match tail {
            "*" if write.is_empty() && is_last => ("**", ""),
            "+" if write.is_empty() && is_last => ("*", ""),
            "?" => ("", ""),
            _ => ("", tail),
        };
        if !write.is_empty() && write.ends_with('}') {
            return None;
        }
        write.push_str(&format!("{{{stars}{}}}", names.keep(name)));
        rest = tail;
    }
    write.push_str(rest);
    is_plain(rest).then_some(write)
}

/// Translates `<name>` and `<type:name>`, as Flask and Django have them.
fn angles(text: &str, is_last: bool, names: &mut Names) -> Option<String> {
    let (before, after) = text.split_once('<')?;
    let (inside, rest) = after.split_once('>')?;
    let (kind, name) = inside.rsplit_once(':').unwrap_or(("", inside));
    if !is_name(name) || !is_plain(before) || !(is_plain(rest) || rest.is_empty()) {
        return None;
    }
    let stars = if kind == "path" && is_last && before.is_empty() && rest.is_empty() { "*" } else { "" };
    Some(format!("{before}{{{stars}{}}}{rest}", names.keep(name)))
}

/// Returns whether a text begins like the name of a variable.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && is_name(text)
}

/// Returns whether a text has only characters that are no syntax anywhere.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '@' | ':' | ',' | '='))
}

/// Returns whether the text between `[` and `]` is a class of a regular expression, such as `a-z`.
fn is_class(inside: &str) -> bool {
    let bytes = inside.as_bytes();
    inside.starts_with('^')
        || inside.contains('\\')
        || bytes.windows(3).any(|w| {
            matches!(w, [a, b'-', b] if a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric() && a < b)
                && inside.len() <= 12
        })
}

/// Returns whether a literal text is a part of a regular expression. Parentheses alone are not: APIs have paths such as
/// `delta(token='{token}')`.
fn is_regex(text: &str) -> bool {
    let escapes = text
        .split('\\')
        .skip(1)
        .any(|after| after.starts_with(|c: char| c.is_ascii_punctuation() || "dDwWsSbB".contains(c)));
    let classes = text.split('[').skip(1).filter_map(|after| after.split_once(']'));
    let has_class =
        classes.into_iter().any(|(inside, after)| is_class(inside) || after.starts_with(['+', '*', '?', '{']));
    let groups = text.split('(').skip(1).filter_map(|after| after.split_once(')'));
    let has_group = groups
        .into_iter()
        .any(|(inside, after)| inside.contains('|') || inside.starts_with('?') || after.starts_with(['+', '*', '?']));
    let ends = text.len() > 1 && text.ends_with('$') && !text.starts_with('$');
    escapes || has_class || has_group || ends || text.contains(".*") || text.contains(".+")
}

/// Returns a segment with a parameter in place of its regular expression: the literal text before it stays.
fn without_regex(text: &str, is_last: bool, previous: &str, names: &mut Names) -> String {
    let text = text.trim_start_matches('^');
    let text = text.strip_suffix('$').unwrap_or(text);
    let literal = text.replace("\\.", ".").replace("\\-", "-");
    if is_plain(&literal) && !literal.contains(".*") && !literal.is_empty() {
        return literal;
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))).unwrap_or(text.len());
    let prefix = text.get(..end).unwrap_or_default();
    if is_last && prefix.is_empty() && matches!(text, ".*" | "(.*)" | ".*?" | "(?:.*)" | "(.*)?" | "(/.*)?") {
        return format!("{{**{}}}", names.unique("rest".to_owned()));
    }
    format!("{prefix}{{{}}}", names.after(previous))
}

/// Returns a text with `%25` in place of each `%` that two hex digits do not follow.
fn with_percents_escaped(text: &str) -> String {
    let mut parts = text.split('%');
    let mut escaped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_escape = matches!(part.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
        escaped.push_str(if is_escape { "%" } else { "%25" });
        escaped.push_str(part);
    }
    escaped
}
