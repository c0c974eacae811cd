//! Translates a path template of OpenAPI into the language of a table.
//!
//! A path such as `/files/{id}#copy` or `/files/{id}?copy` is not one that a request can have, but real documents use
//! such paths to tell operations apart. What stands there becomes a condition if a parameter of the operation says so.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::operation::Operation;

/// A path template.
#[derive(Debug, Clone, Default)]
pub(super) struct PathTemplate {
    pub(super) parts: Vec<Part>,
    pub(super) conditions: Vec<Condition>,
    /// What is different from what the document says, for warnings.
    pub(super) changes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Text, as it stands in a `match`.
    Literal(String),
    /// A parameter: its name in the document, and that in the table.
    Parameter { written: String, name: String, is_rest: bool },
}

/// A condition on the query or on a header.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Condition {
    /// `query` or `headers`.
    pub(super) place: &'static str,
    pub(super) name: String,
    /// The value as it stands in `when`: `*` if the name has to be present.
    pub(super) value: String,
}

impl PathTemplate {
    /// Returns the path as it stands in a `match`.
    pub(super) fn to_match(&self) -> String {
        self.to_text(|name, is_rest| format!("{{{}{name}}}", if is_rest { "*" } else { "" }))
    }

    /// Returns a template that makes the same path of the parameters.
    pub(super) fn to_rewrite(&self) -> String {
        self.to_text(|name, _| format!("{{{name}}}"))
    }

    /// Returns what two templates have in common if they match the same paths.
    pub(super) fn shape(&self) -> String {
        self.to_text(|_, is_rest| if is_rest { "{*}".to_owned() } else { "{}".to_owned() })
    }

    fn to_text(&self, parameter: impl Fn(&str, bool) -> String) -> String {
        let part = |part: &Part| match part {
            Part::Literal(text) => text.clone(),
            Part::Parameter { name, is_rest, .. } => parameter(name, *is_rest),
        };
        self.parts.iter().map(part).collect()
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Parameter { written, name, .. } => Some((&**written, &**name)),
            Part::Literal(_) => None,
        })
    }

    /// Puts a literal path in front.
    pub(super) fn add_prefix(&mut self, prefix: &str) {
        if !prefix.is_empty() {
            self.parts.insert(0, Part::Literal(escaped(prefix)));
        }
    }

    /// Makes a prefix of the path: everything below it matches too.
    pub(super) fn make_prefix(&mut self) {
        if let Some(Part::Literal(last)) = self.parts.last_mut() {
            last.truncate(last.trim_end_matches('/').len());
        }
        self.parts.push(Part::Literal("/".to_owned()));
        let name = self.unused("rest");
        // The name `*rest` makes `{**rest}`, which matches the prefix itself too.
        self.parts.push(Part::Parameter { written: "*rest".to_owned(), name: format!("*{name}"), is_rest: true });
    }

    /// Returns a name that no parameter has.
    fn unused(&self, name: &str) -> String {
        let is_used = |name: &str| self.parameters().any(|(_, known)| known == name);
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        std::iter::once(name.to_owned()).chain(numbered).find(|name| !is_used(name)).unwrap_or_default()
    }

    fn push_literal(&mut self, text: &str) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Literal(last)) => last.push_str(text),
            _ => self.parts.push(Part::Literal(text.to_owned())),
        }
    }
}

/// What stands between braces.
enum Inside<'t> {
    Segment(&'t str),
    Rest(&'t str),
    /// Parameters of the query, which take no part in the path.
    Query,
}

/// Translates the path of an operation. Returns why it can't be translated.
pub(super) fn read(operation: &Operation) -> Result<PathTemplate, String> {
    let (path, query, fragment) = split(&operation.path)?;
    if !path.starts_with('/') {
        return Err(format!("the path \"{path}\" does not begin with `/`; write \"/{path}\""));
    }
    let mut template = PathTemplate::default();
    let mut rest = path;
    while let Some(open) = rest.find(['{', '}']) {
        let (literal, braces) = rest.split_at(open);
        template.push_literal(&escaped(literal));
        let end = braces.find('}').filter(|_| braces.starts_with('{')).ok_or_else(|| unbalanced(braces))?;
        let (inside, after) = (&braces[1..end], &braces[end + 1..]);
        if inside.contains('{') {
            return Err(unbalanced(braces));
        }
        add_parameter(&mut template, inside, rest.starts_with('{'), after, operation)?;
        rest = after;
    }
    template.push_literal(&escaped(rest));
    if let Some(query) = query {
        // A table compares decoded texts.
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = condition_value(&value)?;
            template.conditions.push(Condition { place: "query", name: name.into_owned(), value });
        }
    }
    if let Some(fragment) = fragment {
        for part in fragment.split('&') {
            match condition_of(part, operation) {
                Some(condition) => template.conditions.push(condition?),
                None => template.changes.push(format!(
                    "no request has `#{part}` in its path, and the operation has no parameter of the query and no header of \
                     that name, so it is left out"
                )),
            }
        }
    }
    // Of several values of one name, a table looks at the first.
    let mut names = HashSet::new();
    template.conditions.retain(|condition| {
        let is_first = names.insert((condition.place, condition.name.clone()));
        if !is_first {
            let name = &condition.name;
            template
                .changes
                .push(format!("`{name}` has several values, and a table compares the first of a request alone"));
        }
        is_first
    });
    template.conditions.sort();
    Ok(template)
}

fn unbalanced(braces: &str) -> String {
    match braces.starts_with('{') {
        true => "a `{` of the path is not closed; write `}` after the name of the parameter".to_owned(),
        false => "a `}` of the path has no `{` before it; write a parameter as `{name}`".to_owned(),
    }
}

/// Splits a path at its query and its fragment, which begin outside braces.
fn split(path: &str) -> Result<(&str, Option<&str>, Option<&str>), String> {
    let outside = |text: &str, wanted: &[char]| {
        let mut depth = 0_i32;
        text.char_indices().find_map(|(at, c)| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            (depth <= 0 && wanted.contains(&c)).then_some(at)
        })
    };
    let (before, fragment) = match outside(path, &['#']) {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    };
    Ok(match outside(before, &['?']) {
        Some(at) => (&before[..at], Some(&before[at + 1..]), fragment),
        None => (before, None, fragment),
    })
}

fn add_parameter(
    template: &mut PathTemplate,
    inside: &str,
    follows_parameter: bool,
    after: &str,
    operation: &Operation,
) -> Result<(), String> {
    let (written, is_rest) = match meaning(inside)? {
        Inside::Query => {
            let text = format!("`{{{inside}}}` stands for parameters of the query, so it takes no part in the path");
            template.changes.push(text);
            return Ok(());
        }
        Inside::Rest(name) => (name, true),
        Inside::Segment(name) => {
            let is_marked = operation.parameter("path", name).is_some_and(|parameter| parameter.is_rest);
            (name, is_marked)
        }
    };
    if inside.contains(':') && !is_rest {
        template.changes.push(format!("`{{{inside}}}` has a regular expression, and `{{{written}}}` takes any text"));
    }
    let ends_literal = match template.parts.last() {
        Some(Part::Literal(text)) => text.ends_with('/'),
        _ => false,
    };
    if is_rest && (!after.is_empty() || !ends_literal) {
        return Err(format!(
            "`{{{inside}}}` stands for several segments, which only the last segment of a path can; write the path out, \
             such as `/projects/{{project}}`, once for each form that it can have"
        ));
    }
    if follows_parameter && let Some(Part::Parameter { written: before, .. }) = template.parts.last() {
        template.changes.push(format!(
            "nothing stands between `{{{before}}}` and `{{{inside}}}`, so one parameter takes the text of both"
        ));
        return Ok(());
    }
    if template.parameters().any(|(known, _)| known == written) {
        template
            .changes
            .push(format!("the parameter `{written}` stands in the path twice, so the second one has another name"));
    }
    let name = template.unused(&accepted_name(written));
    template.parts.push(Part::Parameter { written: written.to_owned(), name, is_rest });
    Ok(())
}

/// Returns what stands between braces. Many generators use more than OpenAPI's `{name}`: URI templates (RFC 6570),
/// Amazon's `{proxy+}`, and the patterns of web frameworks.
fn meaning(inside: &str) -> Result<Inside<'_>, String> {
    let inside = inside.trim();
    let (inside, is_rest) = match inside.split_once(':') {
        Some((name, pattern)) => (name.trim(), matches!(pattern.trim(), ".*" | ".+" | "path")),
        None => (inside, false),
    };
    if inside.is_empty() {
        return Err("a parameter of the path has no name; write it between the braces, such as `{id}`".to_owned());
    }
    if let Some((name, _)) = inside.split_once('=') {
        return match inside.strip_suffix("=**") {
            Some(name) => Ok(Inside::Rest(name)),
            None => Err(format!(
                "`{{{inside}}}` has a pattern of segments; write it out, such as `projects/{{project}}` for \
                 `{{{name}=projects/*}}`"
            )),
        };
    }
    if inside.starts_with(['?', '&']) {
        return Ok(Inside::Query);
    }
    if inside.ends_with('?') || inside.starts_with('/') {
        return Err(format!("`{{{inside}}}` may be absent; write two paths, with the parameter and without it"));
    }
    if is_rest || inside.starts_with(['+', '*']) || inside.ends_with(['+', '*']) {
        return Ok(Inside::Rest(inside.trim_matches(['+', '*'])));
    }
    Ok(Inside::Segment(inside.trim_start_matches([';', '.', '#'])))
}

/// Returns a name for a parameter that a table accepts: letters, digits, `_` and `-`.
fn accepted_name(written: &str) -> String {
    let is_accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let name: String = written.chars().map(|c| if is_accepted(c) { c } else { '-' }).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "p".to_owned() } else { name.to_owned() }
}

/// Returns literal text of a path as it stands in a `match`: what would mean something else there is percent-encoded.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let is_escape = || {
            let digits = text.get(at + 1..at + 3).unwrap_or_default();
            digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        };
        let stays = match c {
            '%' => is_escape(),
            c if c.is_ascii() => !c.is_ascii_control() && !matches!(c, ' ' | '{' | '}' | '?' | '#'),
            c => c.is_alphanumeric(),
        };
        match stays {
            true => escaped.push(c),
            false => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| {
                // Writing to a string can't fail.
                let _ = write!(escaped, "%{byte:02X}");
            }),
        }
    }
    escaped
}

/// Returns the value of a condition: a parameter in braces, or nothing, means that the name has to be present.
fn condition_value(value: &str) -> Result<String, String> {
    match value {
        "" => Ok("*".to_owned()),
        value if value.contains('{') => Ok("*".to_owned()),
        value if value.ends_with('*') => {
            Err(format!("the condition on `{value}` can't be written, because a final `*` means a prefix"))
        }
        value => Ok(value.to_owned()),
    }
}

/// Returns the condition that a part of a fragment such as `Action=Copy` or `uploads` stands for, if the operation has a
/// parameter of the query or a header of that name.
fn condition_of(part: &str, operation: &Operation) -> Option<Result<Condition, String>> {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    let place = ["query", "header"].into_iter().find(|place| operation.parameter(place, name).is_some())?;
    let (place, name) = match place {
        "header" => ("headers", name.to_ascii_lowercase()),
        _ => ("query", name.to_owned()),
    };
    Some(condition_value(value).map(|value| Condition { place, name, value }))
}
