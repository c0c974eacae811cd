//! The requests that are tried for a class of paths: methods, preflights, the conditions of the routes, and captured values.

use std::collections::{BTreeMap, BTreeSet};

use ksvc_routing::{CandidateOutline, ConditionOutline, ConditionPart, ExpectedValue};

use super::classes::{Path, Piece, path_text};
use ksvc_explanation::request::Request;

/// The values that are tried in the requests to two gateways.
#[derive(Debug, Default)]
pub(super) struct TriedValues {
    /// Origins, one for each kind that some policy knows, and one that none knows.
    pub(super) origins: Vec<String>,
    /// Whether some table has a CORS policy.
    pub(super) has_cors: bool,
    /// Values of parameters on which more than the choice of a route may depend.
    pub(super) values: Vec<String>,
    /// Whether two values in one path matter together, because they can make a host.
    pub(super) are_combined: bool,
    /// Whether bytes outside ASCII are also tried as they are. Some table accepts them so, and another one may not.
    pub(super) has_raw_bytes: bool,
    /// Headers that the tables may change or remove.
    pub(super) headers: Vec<(String, String)>,
}

/// The most sets of conditions that are combined in all ways; of more, each two are combined.
const COMBINED: usize = 4;
/// The most sets of conditions at one path that are looked at.
const PAIRED: usize = 60;

/// The requests for one class.
pub(super) struct Requests {
    pub(super) list: Vec<Request>,
    /// True if there would be more.
    pub(super) is_cut: bool,
}

/// A class of paths at one host.
pub(super) struct Class<'a> {
    pub(super) authority: &'a str,
    pub(super) path: &'a Path,
    pub(super) final_slash: bool,
    /// The candidates that can match in one of the gateways.
    pub(super) candidates: &'a [&'a CandidateOutline],
}

/// Returns at most `limit` requests to try for a class, the simple ones first.
pub(super) fn requests(class: &Class<'_>, tried: &TriedValues, limit: usize) -> Requests {
    let Class { authority, path, final_slash, candidates } = *class;
    let methods = methods(candidates);
    let sets: BTreeSet<Vec<&ConditionOutline>> =
        candidates.iter().map(|candidate| candidate.conditions.iter().collect()).collect();
    // For a preflight, conditions on headers and cookies may count as fulfilled, and then those on the query are left.
    let of_preflights: BTreeSet<Vec<&ConditionOutline>> =
        sets.iter().map(of_query).chain(sets.iter().cloned()).collect();
    let (preflight_assignments, some_are_cut) = assignments(of_preflights);
    let (assignments, mut is_cut) = assignments(sets);
    is_cut |= some_are_cut;
    let base_path = path_text(path, final_slash).into_bytes();
    let mut list = Vec::new();
    let mut add = |method: &str, path: &[u8], assignment: &Assignment, headers: &[(&str, &str)]| {
        let is_tried = list.len() < limit;
        if is_tried {
            list.push(request(method, authority, path, assignment, headers));
        } else {
            is_cut = true;
        }
        is_tried
    };
    for assignment in &assignments {
        for method in &methods {
            add(method, &base_path, assignment, &[]);
        }
    }
    let extra: Vec<(&str, &str)> = tried.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for assignment in &assignments {
        for method in &methods {
            if !extra.is_empty() {
                add(method, &base_path, assignment, &extra);
            }
            for origin in tried.origins.iter().filter(|_| tried.has_cors) {
                add(method, &base_path, assignment, &[("origin", origin)]);
            }
        }
    }
    for assignment in &preflight_assignments {
        for method in &methods {
            for origin in &tried.origins {
                let headers = [
                    ("origin", origin.as_str()),
                    ("access-control-request-method", method),
                    ("access-control-request-headers", "x-requested-with"),
                ];
                add("OPTIONS", &base_path, assignment, &headers[..2]);
                if tried.has_cors && assignment.is_empty() {
                    add("OPTIONS", &base_path, assignment, &headers);
                }
            }
        }
    }
    let no_condition = Assignment::default();
    let mut own_requests = own_requests(candidates);
    own_requests.insert((methods[0].clone(), Assignment::default()));
    own_requests.insert((unnamed_method(candidates), Assignment::default()));
    'variants: for path in variants(path, final_slash, tried) {
        for (method, assignment) in &own_requests {
            if !add(method, &path, assignment, &[]) {
                break 'variants;
            }
        }
        for origin in tried.origins.iter().take(1) {
            let headers = [("origin", origin.as_str()), ("access-control-request-method", methods[0].as_str())];
            add("OPTIONS", &path, &no_condition, &headers);
        }
    }
    Requests { list, is_cut }
}

/// Returns at most `limit` requests with captured values, of which each may make another host.
pub(super) fn captured_requests(class: &Class<'_>, tried: &TriedValues, limit: usize) -> Requests {
    let Class { authority, path, final_slash, candidates } = *class;
    let mut list = Vec::new();
    let own_requests = own_requests(candidates);
    let base_path = path_text(path, final_slash).into_bytes();
    for path in std::iter::once(base_path).chain(variants(path, final_slash, tried)) {
        for (method, assignment) in &own_requests {
            if list.len() >= limit {
                return Requests { list, is_cut: true };
            }
            list.push(request(method, authority, &path, assignment, &[]));
        }
    }
    Requests { list, is_cut: false }
}

/// Returns for each candidate a method that it has, and the fewest values that fulfil its conditions.
fn own_requests(candidates: &[&CandidateOutline]) -> BTreeSet<(String, Assignment)> {
    let own = |candidate: &&CandidateOutline| {
        let conditions: Vec<&ConditionOutline> = candidate.conditions.iter().collect();
        let method = candidate.method.clone().unwrap_or_else(|| "GET".to_owned());
        Some((method, fulfil(&conditions, &conditions, true)?))
    };
    candidates.iter().filter_map(own).collect()
}

/// Returns the methods on which the choice of a candidate can depend, and one that no candidate names. `GET` comes first.
fn methods(candidates: &[&CandidateOutline]) -> Vec<String> {
    let named = candidates.iter().filter_map(|candidate| candidate.method.clone());
    let more = [unnamed_method(candidates), "OPTIONS".to_owned(), "HEAD".to_owned()];
    let methods: BTreeSet<String> = named.chain(more).collect();
    let mut methods: Vec<String> = methods.into_iter().collect();
    methods.sort_by_key(|method| (method != "GET", method == "OPTIONS" || method == "HEAD", method.clone()));
    methods
}

/// Returns a method that no candidate names.
fn unnamed_method(candidates: &[&CandidateOutline]) -> String {
    let is_named = |method: &str| candidates.iter().any(|candidate| candidate.method.as_deref() == Some(method));
    let usual = ["GET", "POST", "PUT", "DELETE", "PATCH", "PROPFIND", "REPORT", "LOCK"];
    usual.into_iter().find(|method| !is_named(method)).unwrap_or("MKACTIVITY").to_owned()
}

/// Returns the conditions on the query.
fn of_query<'c>(set: &Vec<&'c ConditionOutline>) -> Vec<&'c ConditionOutline> {
    set.iter().copied().filter(|condition| condition.part == ConditionPart::Query).collect()
}

/// Values by the part of the request and the name.
type Assignment = BTreeMap<(ConditionPart, String), String>;

/// Returns the values to try: none, and those that fulfil the conditions of one candidate, of two, or of more. Conditions
/// ask for values and never for their absence, so the fewest values that fulfil the conditions of two candidates are
/// the request for which these two are first in their tables, if there is such a request. The second value is false if
/// these are all.
fn assignments(sets: BTreeSet<Vec<&ConditionOutline>>) -> (Vec<Assignment>, bool) {
    let mut sets: Vec<Vec<&ConditionOutline>> = sets.into_iter().filter(|set| !set.is_empty()).collect();
    sets.sort_by_key(|set| set.len());
    let is_cut = sets.len() > PAIRED;
    sets.truncate(PAIRED);
    let all: Vec<&ConditionOutline> = sets.iter().flatten().copied().collect();
    let mut assignments = vec![Assignment::new()];
    let mut seen: BTreeSet<Assignment> = assignments.iter().cloned().collect();
    let mut add = |conditions: Vec<&ConditionOutline>| {
        for longer in [true, false] {
            if let Some(assignment) = fulfil(&conditions, &all, longer)
                && seen.insert(assignment.clone())
            {
                assignments.push(assignment);
            }
        }
    };
    for set in &sets {
        add(set.clone());
    }
    if sets.len() <= COMBINED {
        for chosen in 1_u32..1 << sets.len() {
            let together = sets.iter().enumerate().filter(|(index, _)| chosen >> index & 1 == 1);
            add(together.flat_map(|(_, set)| set.iter().copied()).collect());
        }
    } else {
        for (index, one) in sets.iter().enumerate() {
            for other in &sets[index + 1..] {
                add(one.iter().chain(other).copied().collect());
            }
        }
    }
    (assignments, is_cut)
}

/// Returns the fewest values that fulfil all conditions; `None` if there are none. A free choice is made so that no other
/// condition is fulfilled by chance. `longer` says whether the value for a prefix has more than the prefix.
fn fulfil(conditions: &[&ConditionOutline], all: &[&ConditionOutline], longer: bool) -> Option<Assignment> {
    let mut by_name: BTreeMap<(ConditionPart, &str), Vec<&ExpectedValue>> = BTreeMap::new();
    for condition in conditions {
        by_name.entry((condition.part, &condition.name)).or_default().push(&condition.expected);
    }
    let mut assignment = Assignment::new();
    for ((part, name), expected) in by_name {
        let others: Vec<&ExpectedValue> = all
            .iter()
            .filter(|condition| condition.part == part && condition.name == name)
            .map(|condition| &condition.expected)
            .collect();
        let exact = expected.iter().find_map(|expected| match expected {
            ExpectedValue::Equal(value) => Some(value.clone()),
            _ => None,
        });
        let prefix = expected.iter().filter_map(|expected| match expected {
            ExpectedValue::Prefix(prefix) => Some(prefix.as_str()),
            _ => None,
        });
        let prefix = prefix.max_by_key(|prefix| prefix.len()).unwrap_or_default();
        let value = exact.unwrap_or_else(|| {
            if !longer && !prefix.is_empty() {
                return prefix.to_owned();
            }
            let fulfilled = |text: &str| others.iter().filter(|expected| is_met(expected, text)).count();
            let endings = ('a'..='z').rev().cycle().skip(2).take(26).map(|letter| format!("{prefix}{letter}1"));
            endings.min_by_key(|text| fulfilled(text)).unwrap_or_default()
        });
        if !expected.iter().all(|expected| is_met(expected, &value)) {
            return None;
        }
        assignment.insert((part, name.to_owned()), value);
    }
    Some(assignment)
}

fn is_met(expected: &ExpectedValue, value: &str) -> bool {
    match expected {
        ExpectedValue::Present => true,
        ExpectedValue::Equal(expected) => expected == value,
        ExpectedValue::Prefix(prefix) => value.starts_with(prefix.as_str()),
    }
}

/// Returns other paths of the same class, with values that matter for more than the choice of a route. They are made one
/// by one, since there may be very many.
fn variants<'v>(path: &'v Path, final_slash: bool, tried: &'v TriedValues) -> impl Iterator<Item = Vec<u8>> + 'v {
    let fills: Vec<(usize, usize)> = path
        .iter()
        .enumerate()
        .flat_map(|(at, segment)| segment.iter().enumerate().map(move |(index, piece)| (at, index, piece)))
        .filter(|(.., piece)| matches!(piece, Piece::Fill(_)))
        .map(|(at, index, _)| (at, index))
        .collect();
    let with = move |replaced: &[((usize, usize), &str)]| {
        let mut path = path.clone();
        for ((at, index), value) in replaced {
            path[*at][*index] = Piece::Fill((*value).to_owned());
        }
        path_text(&path, final_slash)
    };
    let values = &tried.values;
    // The rest of a path may have several segments.
    let longer = match (path.last().map(|segment| &segment[..]), final_slash) {
        (Some([Piece::Fill(last)]), false) => Some(format!("{}/{last}2", path_text(path, false))),
        _ => None,
    };
    let places = fills.clone();
    let single = places.into_iter().flat_map(move |fill| values.iter().map(move |value| with(&[(fill, value)])));
    let pairs = (0..if tried.are_combined { fills.len() } else { 0 })
        .flat_map(|one| (0..one).map(move |two| (two, one)))
        .map(move |(one, two)| (fills[one], fills[two]));
    let double = pairs.flat_map(move |(one, two)| {
        let both = values.iter().flat_map(move |a| values.iter().map(move |b| (a, b)));
        both.map(move |(a, b)| with(&[(one, a), (two, b)]))
    });
    let base_path = path_text(path, final_slash);
    let raw = tried.has_raw_bytes.then(|| raw_bytes(&base_path)).filter(|raw| raw != base_path.as_bytes());
    raw.into_iter().chain(longer.into_iter().chain(single).chain(double).map(String::into_bytes))
}

/// Returns a path with its bytes outside ASCII as they are, and not encoded. Libraries decode all bytes or none.
fn raw_bytes(path: &str) -> Vec<u8> {
    let decoded = |text: &str| u8::from_str_radix(text.get(..2)?, 16).ok().filter(|byte| !byte.is_ascii());
    let mut parts = path.split('%');
    let mut raw = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match decoded(part) {
            Some(byte) => raw.extend([&[byte], &part.as_bytes()[2..]].concat()),
            None => raw.extend([b"%", part.as_bytes()].concat()),
        }
    }
    raw
}

/// Returns a request to a host that is not looked at for routes.
pub(super) fn bare(method: &str, authority: &str, path: &str, headers: &[(&str, &str)]) -> Request {
    request(method, authority, path.as_bytes(), &Assignment::default(), headers)
}

fn request(method: &str, authority: &str, path: &[u8], assignment: &Assignment, headers: &[(&str, &str)]) -> Request {
    let mut request = Request::new(method, b"");
    request.scheme = Some(b"https".to_vec());
    request.authority = Some(authority.as_bytes().to_vec());
    let mut query = Vec::new();
    let mut cookies = Vec::new();
    for ((part, name), value) in assignment {
        match part {
            ConditionPart::Header => request.headers.push((name.clone().into(), value.clone().into())),
            ConditionPart::Cookie => cookies.push(format!("{name}={value}")),
            ConditionPart::Query => query.push(format!("{}={}", form_encode(name), form_encode(value))),
        }
    }
    if !cookies.is_empty() {
        request.headers.push((b"cookie".to_vec(), cookies.join("; ").into()));
    }
    for (name, value) in headers {
        if !request.headers.iter().any(|(known, _)| known == name.as_bytes()) {
            request.headers.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
    }
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    request.path = Some([path, query.as_bytes()].concat());
    request
}

/// Encodes a name or a value of a query.
fn form_encode(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'*' | b'/' | b':' => {
            char::from(byte).to_string()
        }
        b' ' => "+".to_owned(),
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}
