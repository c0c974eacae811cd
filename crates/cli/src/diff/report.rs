//! Prints the difference of two gateways: for people, for programs, as workflow commands, and as a comment of a pull
//! request.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::seen::{RouteId, Seen};
use super::{Difference, Entry, Kind};
use crate::formats::{escape_data, escape_property, relative};
use crate::message::{Message, as_json};
use crate::source::position::Position;
use crate::tables::Tables;
use crate::words::{clean, count};
use ksvc_explanation::decision::by_name;
use ksvc_explanation::request::Request;

/// The most rows in Markdown that are not folded.
const UNFOLDED: usize = 10;
/// The most bytes of the rows, in all formats but JSON. GitHub refuses a comment of more than 65,536 characters.
const ROWS: usize = 50_000;
/// The most bytes of the lines about other names.
const RENAMED: usize = 5_000;
/// The most names in a list of routes.
const NAMED: usize = 5;

/// The most characters of a decision.
const SHOWN: usize = 300;

/// A difference, and the tables in their files.
pub struct Report<'d> {
    difference: &'d Difference,
    old: Shown<'d>,
    new: Shown<'d>,
}

/// Entries that are printed together, the first of them with its example.
struct Row<'d> {
    first: &'d Entry,
    others: Vec<&'d Entry>,
    /// What the others have in common with the first one.
    common: Common,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Common {
    /// The route after the change.
    New,
    /// The route before the change.
    Old,
    /// What changes.
    Change,
}

impl Row<'_> {
    fn classes(&self) -> usize {
        self.first.classes + self.others.iter().map(|entry| entry.classes).sum::<usize>()
    }
}

/// The tables of one gateway.
struct Shown<'d> {
    tables: &'d Tables,
    /// The names of routes.
    names: HashMap<RouteId, String>,
}

impl<'d> Shown<'d> {
    fn new(tables: &'d Tables) -> Self {
        let mut names = HashMap::new();
        for (table, shown) in tables.as_slice().iter().enumerate() {
            for line in shown.compiled.table.routes() {
                names.entry(RouteId { table, route: line.index }).or_insert_with(|| line.route.to_owned());
            }
        }
        Self { tables, names }
    }

    fn name(&self, id: RouteId) -> &str {
        self.names.get(&id).map_or("", |name| name)
    }

    /// Returns the file and the position of a route.
    fn place(&self, id: RouteId) -> (&str, Position) {
        let configuration = &self.tables.as_slice()[id.table].configuration;
        let at = configuration.routes().get(id.route).map_or(configuration.at, |route| route.span);
        (&configuration.source.name, at.start)
    }

    fn to_json(&self, id: RouteId) -> Value {
        let (file, at) = self.place(id);
        json!({
            "route": self.name(id),
            "table": self.tables.as_slice()[id.table].name(),
            "index": id.route,
            "file": file,
            "line": at.line,
            "column": at.column,
        })
    }
}

impl<'d> Report<'d> {
    pub fn new(difference: &'d Difference, old: &'d Tables, new: &'d Tables) -> Self {
        Self { difference, old: Shown::new(old), new: Shown::new(new) }
    }

    /// Returns the entries, those together that are about the same route, or about the same change of several routes.
    fn rows(&self) -> Vec<Row<'d>> {
        let mut rows: Vec<Row<'d>> = Vec::new();
        let mut by_key = HashMap::new();
        for (index, entry) in self.difference.entries.iter().enumerate() {
            let Entry { kind, old, new, before, after, .. } = entry;
            let (common, key) = match (kind, old, new) {
                (Kind::Changed | Kind::More | Kind::Fewer, ..) => {
                    let words = [describe(before, after, false), describe(after, before, false)];
                    (Common::Change, format!("{words:?} {:?}", entry.differences))
                }
                // Where there was no route, it matters what was there.
                (Kind::Unrouted, ..) | (_, None, _) | (_, _, None) => (Common::New, format!("alone {index}")),
                (Kind::Removed, Some(old), _) => (Common::Old, format!("{old:?}")),
                (_, _, Some(new)) => (Common::New, format!("{new:?}")),
            };
            let at = *by_key.entry((*kind, common, key)).or_insert(rows.len());
            match rows.get_mut(at) {
                Some(row) => row.others.push(entry),
                None => rows.push(Row { first: entry, others: Vec::new(), common }),
            }
        }
        rows
    }

    /// Returns what the other entries of a row are, as words for people; `None` if there are none.
    fn others(&self, row: &Row<'_>) -> Option<String> {
        let subjects: Vec<&str> = match row.common {
            Common::New => row.others.iter().filter_map(|entry| entry.old).map(|id| self.old.name(id)).collect(),
            Common::Old => row.others.iter().filter_map(|entry| entry.new).map(|id| self.new.name(id)).collect(),
            Common::Change => {
                let own = self.subject(row.first).map(|(_, id)| id);
                let others = row.others.iter().filter_map(|entry| self.subject(entry));
                let others: BTreeMap<RouteId, &str> = others.map(|(side, id)| (id, side.name(id))).collect();
                others.into_iter().filter(|(id, _)| Some(*id) != own).map(|(_, name)| name).collect()
            }
        };
        if subjects.is_empty() {
            return None;
        }
        let number = count(subjects.len(), "other route");
        let text = match row.common {
            Common::New => format!("and from {number}"),
            Common::Old => format!("and to {number}"),
            Common::Change => format!("and the same for {number}"),
        };
        Some(format!("{text}: {}", listed(&subjects)))
    }

    /// Returns the numbers of routes that are added, removed, moved and changed.
    fn counts(&self) -> [(Kind, usize); 7] {
        let number = |kind: Kind| {
            let entries = self.difference.entries.iter().filter(|entry| entry.kind == kind);
            match kind {
                Kind::Added => entries.map(|entry| entry.new).collect::<BTreeSet<_>>().len(),
                Kind::Removed => entries.map(|entry| entry.old).collect::<BTreeSet<_>>().len(),
                Kind::Moved | Kind::Changed | Kind::More | Kind::Fewer => {
                    entries.map(|entry| entry.new.or(entry.old)).collect::<BTreeSet<_>>().len()
                }
                Kind::Unrouted => entries.count(),
            }
        };
        [Kind::Added, Kind::Removed, Kind::Moved, Kind::Changed, Kind::More, Kind::Fewer, Kind::Unrouted]
            .map(|kind| (kind, number(kind)))
    }

    /// Returns the summary: `2 routes added, 1 removed, 3 moved`.
    pub fn summary(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for (kind, number) in self.counts().into_iter().filter(|(_, number)| *number > 0) {
            parts.push(match kind {
                Kind::Unrouted => "other answers where no route is found".to_owned(),
                _ if parts.is_empty() => format!("{} {}", count(number, "route"), in_summary(kind)),
                _ => format!("{number} {}", in_summary(kind)),
            });
        }
        match parts.is_empty() {
            true => "no request is treated differently".to_owned(),
            false => parts.join(", "),
        }
    }

    /// Returns what was not compared, as a sentence; `None` if everything was.
    pub fn not_compared(&self) -> Option<String> {
        let not_compared = &self.difference.not_compared;
        if not_compared.places == 0 {
            return None;
        }
        let mut text = format!(
            "not all requests were compared: at {} of the tables there are more kinds of requests than are tried",
            count(not_compared.places, "place")
        );
        if !not_compared.routes.is_empty() {
            let names: Vec<&str> = not_compared.routes.iter().map(String::as_str).collect();
            let _ = write!(text, ", for {}: {}", count(names.len(), "route"), clean(&listed(&names)));
        }
        Some(text)
    }

    /// Returns the route that an entry is about, with the side that has it.
    fn subject(&self, entry: &Entry) -> Option<(&Shown<'d>, RouteId)> {
        let (old, new) = (entry.old.map(|id| (&self.old, id)), entry.new.map(|id| (&self.new, id)));
        if entry.kind == Kind::Removed { old.or(new) } else { new.or(old) }
    }

    fn title(&self, entry: &Entry) -> String {
        self.subject(entry).map_or("no route is found".to_owned(), |(side, id)| side.name(id).to_owned())
    }

    /// Returns the difference as text for people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let rows = self.rows();
        for (index, row) in rows.iter().enumerate() {
            if text.len() > ROWS {
                let _ = writeln!(text, "and {} more; `--format json` prints all\n", rows.len() - index);
                break;
            }
            let entry = row.first;
            let _ = write!(text, "{:<8} {}", entry.kind.as_str(), clean(&self.title(entry)));
            if let Some((side, id)) = self.subject(entry) {
                let (file, at) = side.place(id);
                let _ = write!(text, "  ({}:{}:{})", clean(file), at.line, at.column);
            }
            text.push('\n');
            let _ = writeln!(text, "  request  {}", clean(&request_line(&entry.example)));
            for (name, value) in &entry.example.headers {
                let _ = writeln!(text, "           {}: {}", clean(&lossy(name)), clean(&lossy(value)));
            }
            let _ = writeln!(text, "  before   {}", clean(&self.describe(entry, false)));
            let _ = writeln!(text, "  after    {}", clean(&self.describe(entry, true)));
            if let Some(others) = self.others(row) {
                let _ = writeln!(text, "  {}", clean(&others));
            }
            if row.classes() > 1 {
                let _ = writeln!(text, "  and more: {} kinds of paths in all", row.classes());
            }
            text.push('\n');
        }
        let renamed = self.renamed();
        let length = text.len();
        for (index, (before, after)) in renamed.iter().enumerate() {
            if text.len() - length > RENAMED {
                let _ = writeln!(text, "and {} more with another name", renamed.len() - index);
                break;
            }
            let _ = writeln!(text, "renamed  {} is {} in logs", clean(before), clean(after));
        }
        if !renamed.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{}", self.summary());
        text
    }

    /// Returns the names of renamed routes before and after, each pair once.
    fn renamed(&self) -> BTreeSet<(&str, &str)> {
        self.difference.renamed.iter().map(|renamed| (&*renamed.before, &*renamed.after)).collect()
    }

    /// Returns what happens to the example of an entry, before or after the change.
    fn describe(&self, entry: &Entry, after: bool) -> String {
        let (seen, other) = if after { (&entry.after, &entry.before) } else { (&entry.before, &entry.after) };
        let mut text = describe(seen, other, true);
        if seen.route.is_some() && entry.before.name != entry.after.name {
            let _ = write!(text, " by {}", seen.name);
        }
        text
    }

    /// Returns the difference as one JSON object.
    pub fn to_json(&self, messages: &[Message]) -> Value {
        let entries = self.difference.entries.iter().map(|entry| {
            json!({
                "kind": entry.kind.as_str(),
                "old": entry.old.map(|id| self.old.to_json(id)),
                "new": entry.new.map(|id| self.new.to_json(id)),
                "differences": entry.differences,
                "classes": entry.classes,
                "example": request_json(&entry.example),
                "before": seen_json(&entry.before),
                "after": seen_json(&entry.after),
            })
        });
        let renamed = self.difference.renamed.iter().map(|renamed| {
            json!({
                "old": self.old.to_json(renamed.old),
                "new": self.new.to_json(renamed.new),
            })
        });
        let counts: Map<String, Value> =
            self.counts().into_iter().map(|(kind, number)| (kind.as_str().to_owned(), number.into())).collect();
        let not_compared = &self.difference.not_compared;
        json!({
            "isDifferent": !self.difference.is_empty(),
            "summary": counts,
            "entries": entries.collect::<Value>(),
            "renamed": renamed.collect::<Value>(),
            "notCompared": {"places": not_compared.places, "routes": not_compared.routes},
            "compared": {"classes": self.difference.classes, "requests": self.difference.requests},
            "messages": as_json(messages),
        })
    }

    /// Returns the difference as workflow commands of GitHub Actions.
    pub fn to_github(&self) -> String {
        let mut text = String::new();
        let rows = self.rows();
        for (index, row) in rows.iter().enumerate() {
            if text.len() > ROWS {
                let _ = writeln!(text, "and {} more; `--format json` prints all", rows.len() - index);
                break;
            }
            let entry = row.first;
            text += "::notice ";
            if let Some((side, id)) = self.subject(entry) {
                let (file, at) = side.place(id);
                let file = escape_property(relative(file));
                let _ = write!(text, "file={file},line={},col={},", at.line, at.column);
            }
            let title = match entry.kind {
                Kind::Unrouted => "requests without a route".to_owned(),
                kind => format!("route {}: {}", in_summary(kind), self.title(entry)),
            };
            let others = self.others(row).map(|others| format!("; {others}"));
            let words = format!(
                "{}: before {}, after {}{}",
                request_words(&entry.example),
                self.describe(entry, false),
                self.describe(entry, true),
                others.unwrap_or_default()
            );
            let _ = writeln!(text, "title={}::{}", escape_property(&clean(&title)), escape_data(&clean(&words)));
        }
        text + &self.summary() + "\n"
    }

    /// Returns the difference as Markdown, for a comment of a pull request.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("### Routes: {}\n", self.summary());
        let rows = self.rows();
        if !rows.is_empty() {
            let folded = rows.len() > UNFOLDED;
            text.push('\n');
            if folded {
                let _ = writeln!(text, "<details>\n<summary>{}</summary>\n", count(rows.len(), "row"));
            }
            text += "| | route | request | before | after |\n|---|---|---|---|---|\n";
            for (index, row) in rows.iter().enumerate() {
                if text.len() > ROWS {
                    let _ = writeln!(text, "\nand {} more", rows.len() - index);
                    break;
                }
                let entry = row.first;
                let more = match row.classes() {
                    1 => String::new(),
                    classes => format!("<br>and more: {classes} kinds of paths in all"),
                };
                let headers: String = entry
                    .example
                    .headers
                    .iter()
                    .map(|(name, value)| format!("<br>{}", code(&format!("{}: {}", lossy(name), lossy(value)))))
                    .collect();
                let route = match self.subject(entry) {
                    Some((side, id)) => code(side.name(id)),
                    None => "none".to_owned(),
                };
                let others = self.others(row).map(|others| format!("<br>{}", escape_html(&others))).unwrap_or_default();
                let _ = writeln!(
                    text,
                    "| {} | {route}{others} | {}{headers}{more} | {} | {} |",
                    entry.kind.as_str(),
                    code(&request_line(&entry.example)),
                    code(&self.describe(entry, false)),
                    code(&self.describe(entry, true)),
                );
            }
            if folded {
                text += "\n</details>\n";
            }
        }
        let renamed = self.renamed();
        if !renamed.is_empty() {
            let _ = writeln!(text, "\n<details>\n<summary>{} in logs</summary>\n", count(renamed.len(), "other name"));
            let length = text.len();
            for (before, after) in renamed {
                if text.len() - length > RENAMED {
                    text += "- …\n";
                    break;
                }
                let _ = writeln!(text, "- {} is now {}", code(before), code(after));
            }
            text += "\n</details>\n";
        }
        if let Some(sentence) = self.not_compared() {
            let _ = writeln!(text, "\n{}", escape_html(&sentence));
        }
        text
    }
}

/// Returns how the summary says what happened to routes: `2 routes added`.
fn in_summary(kind: Kind) -> &'static str {
    match kind {
        Kind::More => "with more requests",
        Kind::Fewer => "with fewer requests",
        kind => kind.as_str(),
    }
}

/// Returns the first names of a list of routes.
fn listed(names: &[&str]) -> String {
    let mut text = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        let _ = write!(text, " and {} more", names.len() - NAMED);
    }
    text
}

/// Describes a decision in a line. Of what a service or a client gets, that is said in which it differs from the other
/// decision. The host of the service is left out if not `with_host`.
fn describe(seen: &Seen, other: &Seen, with_host: bool) -> String {
    let mut text = match seen.outcome {
        outcome if seen.is_untouched() => return format!("left untouched ({outcome})"),
        "route" if !with_host => "route".to_owned(),
        "route" => lossy(&seen.authority),
        "redirect" => format!("redirect {} {}", seen.status, lossy(seen.header("location").unwrap_or_default())),
        outcome => format!("{} ({outcome})", seen.status),
    };
    if seen.outcome != other.outcome {
        return text;
    }
    if seen.path != other.path {
        let _ = write!(text, " path {}", lossy(&seen.path));
    }
    if seen.timeout() != other.timeout() {
        match seen.timeout() {
            Some(milliseconds) => _ = write!(text, ", timeout {} ms", lossy(milliseconds)),
            None => text += ", no timeout",
        }
    }
    let mut add = |word: &str, own: &[(Vec<u8>, Vec<u8>)], others: &[(Vec<u8>, Vec<u8>)]| {
        // They follow from the path, the timeout and the location, which are shown.
        let is_shown = |name: &[u8]| {
            let derived: [&[u8]; 4] =
                [b"x-envoy-original-path", b"x-envoy-upstream-rq-timeout-ms", b"location", b"content-type"];
            !derived.contains(&name)
        };
        for (name, value) in own.iter().filter(|header| !others.contains(header) && is_shown(&header.0)) {
            let _ = write!(text, ", {word}{}: {}", lossy(name), lossy(value));
        }
        for (name, _) in others.iter().filter(|(name, _)| !own.iter().any(|(own, _)| own == name) && is_shown(name)) {
            let _ = write!(text, ", no {word}{}", lossy(name));
        }
    };
    match seen.outcome {
        // Headers are details where the request goes elsewhere.
        "route" if seen.authority != other.authority => {}
        "route" => {
            add("request header ", seen.request_headers(), other.request_headers());
            match (seen.sample_response(), other.sample_response()) {
                (own, others) if own == others => {}
                ([], _) => text += ", the response as it comes",
                (_, []) => text += ", the response with changed headers",
                (own, others) => add("response header ", own, others),
            }
        }
        _ => add("", &seen.answer_headers, &other.answer_headers),
    }
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the URL of a request.
fn url(request: &Request) -> String {
    let scheme = request.scheme.as_deref().unwrap_or(b"https");
    let parts = [request.authority.as_deref(), request.path.as_deref()].map(|part| lossy(part.unwrap_or_default()));
    format!("{}://{}", lossy(scheme), parts.concat())
}

fn request_line(request: &Request) -> String {
    format!("{} {}", lossy(&request.method), url(request))
}

/// Returns a request with its headers in a line.
fn request_words(request: &Request) -> String {
    let headers = request.headers.iter().map(|(name, value)| format!(" {}: {}", lossy(name), lossy(value)));
    request_line(request) + &headers.collect::<Vec<_>>().join(",")
}

fn request_json(request: &Request) -> Value {
    json!({"method": lossy(&request.method), "url": url(request), "headers": by_name(&request.headers)})
}

/// Returns a decision with the names that `explain` has for its fields.
fn seen_json(seen: &Seen) -> Value {
    let mut object = json!({"outcome": seen.outcome});
    let mut set = |key: &str, value: Value| object[key] = value;
    if seen.route.is_some() {
        set("route", seen.name.clone().into());
        set("match", seen.matched.clone().into());
    }
    if seen.outcome == "route" {
        set("authority", lossy(&seen.authority).into());
        set("path", lossy(&seen.path).into());
        set("requestHeaders", by_name(seen.request_headers()).into());
        if !seen.sample_response().is_empty() {
            set("responseHeaders", by_name(seen.sample_response()).into());
        }
    } else if !seen.is_untouched() {
        set("status", seen.status.into());
        set("responseHeaders", by_name(&seen.answer_headers).into());
    }
    object
}

/// Returns text as code in Markdown. In backticks, text stands as it is. Where a character of it could end the code or the
/// cell of the table, all marks are written as entities.
fn code(text: &str) -> String {
    let text = clean(text);
    let is_plain = !text.contains(['`', '|', '\\']) && !text.is_empty() && text.trim() == text;
    if is_plain { format!("`{text}`") } else { format!("<code>{}</code>", escape_html(&text)) }
}

fn escape_html(text: &str) -> String {
    let escape = |c: char| match c {
        '&' | '<' | '>' | '"' | '\'' | '`' | '|' | '*' | '_' | '[' | ']' | '\\' | '~' | '@' | '#' | '!' | '$' | '('
        | ')' | ':' => format!("&#{};", u32::from(c)),
        c => c.to_string(),
    };
    clean(text).chars().map(escape).collect()
}
