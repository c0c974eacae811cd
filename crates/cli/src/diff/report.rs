//! Prints the difference of two gateways: for people, for programs, as workflow commands, and as a comment of a pull
//! request.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::seen::{RouteId, Seen};
use super::{Difference, Entry, Kind, Renamed};
use crate::explanation::by_name;
use crate::formats::{escape_data, escape_property, relative};
use crate::message::{Message, as_json};
use crate::request::Request;
use crate::source::position::Position;
use crate::tables::Tables;
use crate::words::{clean, count};

/// The most entries in Markdown that are not folded.
const UNFOLDED: usize = 10;
/// The most bytes of the tables in Markdown. GitHub refuses a comment of more than 65,536 characters.
const MARKDOWN: usize = 50_000;

/// The most characters of a decision.
const SHOWN: usize = 300;

/// A difference, and the tables in their files.
pub struct Report<'d> {
    difference: &'d Difference,
    old: Shown<'d>,
    new: Shown<'d>,
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

    /// Returns the numbers of routes that are added, removed, moved and changed.
    fn counts(&self) -> [(Kind, usize); 5] {
        let number = |kind: Kind| {
            let entries = self.difference.entries.iter().filter(|entry| entry.kind == kind);
            match kind {
                Kind::Added => entries.map(|entry| entry.new).collect::<BTreeSet<_>>().len(),
                Kind::Removed => entries.map(|entry| entry.old).collect::<BTreeSet<_>>().len(),
                Kind::Moved | Kind::Changed => {
                    entries.map(|entry| entry.new.or(entry.old)).collect::<BTreeSet<_>>().len()
                }
                Kind::Unrouted => entries.count(),
            }
        };
        [Kind::Added, Kind::Removed, Kind::Moved, Kind::Changed, Kind::Unrouted].map(|kind| (kind, number(kind)))
    }

    /// Returns the summary: `2 routes added, 1 removed, 3 moved`.
    pub fn summary(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for (kind, number) in self.counts().into_iter().filter(|(_, number)| *number > 0) {
            parts.push(match kind {
                Kind::Unrouted => "other answers where no route is found".to_owned(),
                _ if parts.is_empty() => format!("{} {}", count(number, "route"), kind.as_str()),
                _ => format!("{number} {}", kind.as_str()),
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
        if !not_compared.matches.is_empty() {
            let names: Vec<String> = not_compared.matches.iter().map(|name| format!("`{}`", clean(name))).collect();
            let _ = write!(text, " (routes: {})", names.join(", "));
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
        for entry in &self.difference.entries {
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
            if entry.classes > 1 {
                let _ = writeln!(text, "  and more: {} kinds of paths in all", entry.classes);
            }
            text.push('\n');
        }
        for renamed in &self.difference.renamed {
            let _ = writeln!(text, "{}", clean(&renamed_line(renamed)));
        }
        if !self.difference.renamed.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{}", self.summary());
        text
    }

    /// Returns what happens to the example of an entry, before or after the change.
    fn describe(&self, entry: &Entry, after: bool) -> String {
        let (seen, other) = if after { (&entry.after, &entry.before) } else { (&entry.before, &entry.after) };
        let mut text = describe(seen, other);
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
            "notCompared": {"places": not_compared.places, "routes": not_compared.matches},
            "compared": {"classes": self.difference.classes, "requests": self.difference.requests},
            "messages": as_json(messages),
        })
    }

    /// Returns the difference as workflow commands of GitHub Actions.
    pub fn to_github(&self) -> String {
        let mut text = String::new();
        for entry in &self.difference.entries {
            text += "::notice ";
            if let Some((side, id)) = self.subject(entry) {
                let (file, at) = side.place(id);
                let file = escape_property(relative(file));
                let _ = write!(text, "file={file},line={},col={},", at.line, at.column);
            }
            let title = match entry.kind {
                Kind::Unrouted => "requests without a route".to_owned(),
                kind => format!("route {}: {}", kind.as_str(), self.title(entry)),
            };
            let words = format!(
                "{}: before {}, after {}",
                request_words(&entry.example),
                self.describe(entry, false),
                self.describe(entry, true)
            );
            let _ = writeln!(text, "title={}::{}", escape_property(&clean(&title)), escape_data(&clean(&words)));
        }
        text + &self.summary() + "\n"
    }

    /// Returns the difference as Markdown, for a comment of a pull request.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("### Routes: {}\n", self.summary());
        let entries = &self.difference.entries;
        if !entries.is_empty() {
            let folded = entries.len() > UNFOLDED;
            text.push('\n');
            if folded {
                let _ = writeln!(text, "<details>\n<summary>{}</summary>\n", count(entries.len(), "row"));
            }
            text += "| | route | request | before | after |\n|---|---|---|---|---|\n";
            for (index, entry) in entries.iter().enumerate() {
                if text.len() > MARKDOWN {
                    let _ = writeln!(text, "\nand {} more", entries.len() - index);
                    break;
                }
                let more = match entry.classes {
                    1 => String::new(),
                    classes => format!("<br>and more: {classes} kinds of paths in all"),
                };
                let headers: String = entry
                    .example
                    .headers
                    .iter()
                    .map(|(name, value)| format!("<br>{}", code(&format!("{}: {}", lossy(name), lossy(value)))))
                    .collect();
                let _ = writeln!(
                    text,
                    "| {} | {} | {}{headers}{more} | {} | {} |",
                    entry.kind.as_str(),
                    match self.subject(entry) {
                        Some((side, id)) => code(side.name(id)),
                        None => "none".to_owned(),
                    },
                    code(&request_line(&entry.example)),
                    code(&self.describe(entry, false)),
                    code(&self.describe(entry, true)),
                );
            }
            if folded {
                text += "\n</details>\n";
            }
        }
        let renamed = &self.difference.renamed;
        if !renamed.is_empty() {
            let _ = writeln!(text, "\n<details>\n<summary>{} in logs</summary>\n", count(renamed.len(), "other name"));
            for Renamed { before, after, .. } in renamed {
                if text.len() > MARKDOWN + 5_000 {
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

fn renamed_line(Renamed { before, after, .. }: &Renamed) -> String {
    format!("renamed  {before} is {after} in logs")
}

/// Describes a decision in a line. Of what a service or a client gets, that is said in which it differs from the other
/// decision.
fn describe(seen: &Seen, other: &Seen) -> String {
    let mut text = match seen.outcome {
        "untouched" => return "left untouched".to_owned(),
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
    } else if seen.outcome != "untouched" {
        set("status", seen.status.into());
        set("responseHeaders", by_name(&seen.answer_headers).into());
    }
    object
}

/// Returns text as code in Markdown. All marks are written as entities, so the text can't end the code or the cell.
fn code(text: &str) -> String {
    format!("<code>{}</code>", escape_html(text))
}

fn escape_html(text: &str) -> String {
    let escape = |c: char| match c {
        '&' | '<' | '>' | '"' | '\'' | '`' | '|' | '*' | '_' | '[' | ']' | '\\' | '~' | '@' | '#' | '!' | '$' | '('
        | ')' | ':' => format!("&#{};", u32::from(c)),
        c => c.to_string(),
    };
    clean(text).chars().map(escape).collect()
}
