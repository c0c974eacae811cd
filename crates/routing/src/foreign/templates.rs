//! Looks at `rewritePath` and the location of a redirect: references to parts of the path as other tools have them.

use crate::problem::ProblemKind;

/// Looks at a template for references such as `$1`, `\1`, `${id}`, `:id`, `%{id}` and `*`. `names` are the parameters that
/// every `match` of the route captures, in their order.
pub(crate) fn reference(text: &str, names: &[&str]) -> Option<ProblemKind> {
    let mut write = String::new();
    let mut found = None;
    let mut is_certain = true;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let at_start = write.is_empty() || write.ends_with('/');
        let reference = match c {
            '$' | '\\' | '%' => sign(rest, c, names),
            ':' if at_start => colon(rest),
            '*' if at_start || rest.len() == 1 => Some((rest.get(..1)?, Meant::Rest)),
            _ => None,
        };
        match reference {
            Some((reference, meant)) => {
                found.get_or_insert(reference);
                let name = match meant {
                    Meant::Name(name) => names.iter().find(|known| **known == name),
                    Meant::Number(number) => number.checked_sub(1).and_then(|index| names.get(index)),
                    Meant::Rest => names.last(),
                };
                match name {
                    Some(name) => write.push_str(&format!("{{{name}}}")),
                    None => is_certain = false,
                }
                rest = rest.get(reference.len()..)?;
            }
            None => {
                write.push(c);
                rest = rest.get(c.len_utf8()..)?;
            }
        }
    }
    let found = found?.to_owned();
    let write = is_certain.then_some(write);
    Some(ProblemKind::ForeignReference { found, write, known: names.iter().map(|name| (*name).to_owned()).collect() })
}

/// What a reference refers to.
enum Meant<'t> {
    Name(&'t str),
    /// The group of a regular expression, counted from 1.
    Number(usize),
    Rest,
}

/// Reads `$1`, `\1`, `${1}`, `${id}` or `%{id}`, and `$id` if there is a parameter of this name. Names such as `$count`
/// are literal: real APIs have them.
fn sign<'t>(text: &'t str, sign: char, names: &[&str]) -> Option<(&'t str, Meant<'t>)> {
    let after = text.get(1..)?;
    if sign != '\\'
        && let Some((inside, _)) = after.strip_prefix('{').and_then(|after| after.split_once('}'))
        && super::is_name(inside)
    {
        let meant = inside.parse().map_or(Meant::Name(inside), Meant::Number);
        return Some((text.get(..inside.len() + 3)?, meant));
    }
    if sign == '%' {
        return None;
    }
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    if let Ok(number) = after.get(..digits)?.parse() {
        return Some((text.get(..digits + 1)?, Meant::Number(number)));
    }
    let length = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
    let name = after.get(..length)?;
    (sign == '$' && names.contains(&name)).then_some((text.get(..length + 1)?, Meant::Name(name)))
}

/// Reads `:id`, up to the end of the segment.
fn colon(text: &str) -> Option<(&str, Meant<'_>)> {
    let segment = text.split('/').next()?;
    let name = segment.strip_prefix(':')?;
    super::is_name(name).then_some((segment, Meant::Name(name)))
}
