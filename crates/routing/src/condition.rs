//! Conditions of a route beside method and path: header values and query parameters.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::head::Head;
use crate::path::decoded;
use crate::texts::{Text, Texts};

/// What all must hold. Sorted, so that equal conditions are equal values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Conditions {
    pub(crate) headers: Vec<(Text, Expected)>,
    pub(crate) query: Vec<(Text, Expected)>,
}

/// Texts are shared ones: equal strings have equal handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub(crate) enum Expected {
    Present,
    Equal(Text),
}

impl Conditions {
    pub(crate) fn len(&self) -> usize {
        self.headers.len() + self.query.len()
    }

    /// The first condition that does not hold. Without a head, those on headers count as held: a preflight can't
    /// have the headers of the request that it asks for.
    pub(crate) fn failing(&self, texts: &Texts, head: Option<&Head<'_>>, query: Option<&[u8]>) -> Option<Failing> {
        let header = head.and_then(|head| {
            self.headers.iter().find(|(name, expected)| !match expected {
                Expected::Present => head.has(texts.get(*name)),
                Expected::Equal(value) => head.equals(texts.get(*name), texts.get(*value).as_bytes()),
            })
        });
        if let Some(&(name, expected)) = header {
            return Some(Failing { part: "header", name, expected });
        }
        let parameter = self.query.iter().find(|(name, expected)| {
            let found = first_parameter(query.unwrap_or_default(), texts.get(*name).as_bytes());
            !match (expected, found) {
                (_, None) => false,
                (Expected::Present, Some(_)) => true,
                (Expected::Equal(value), Some(found)) => decoded(found).eq(texts.get(*value).bytes()),
            }
        });
        parameter.map(|&(name, expected)| Failing { part: "query parameter", name, expected })
    }

    /// Whether some condition asks for presence alone.
    pub(crate) fn has_presence(&self) -> bool {
        self.headers.iter().chain(&self.query).any(|(_, expected)| *expected == Expected::Present)
    }

    /// What is asked about, header or parameter.
    pub(crate) fn names(&self) -> Vec<Text> {
        self.headers.iter().chain(&self.query).map(|(name, _)| *name).collect()
    }

    /// Whether these conditions hold wherever the others do.
    pub(crate) fn follow_from(&self, others: &Conditions) -> bool {
        let follow = |these: &[(Text, Expected)], those: &[(Text, Expected)]| {
            these.len() == those.len()
                && these.iter().zip(those).all(|((name, expected), (other_name, other))| {
                    name == other_name && (expected == other || *expected == Expected::Present)
                })
        };
        follow(&self.headers, &others.headers) && follow(&self.query, &others.query)
    }
}

/// A condition that does not hold.
pub(crate) struct Failing {
    part: &'static str,
    name: Text,
    expected: Expected,
}

impl Failing {
    /// In the user's words.
    pub(crate) fn described(&self, texts: &Texts) -> String {
        let (part, name) = (self.part, texts.get(self.name));
        match self.expected {
            Expected::Present => format!("{part} `{name}` is not present"),
            Expected::Equal(value) => format!("{part} `{name}` is not \"{}\"", texts.get(value)),
        }
    }
}

/// The value of the first query parameter of a name, still encoded, as Envoy's own matcher takes it.
fn first_parameter<'q>(query: &'q [u8], name: &[u8]) -> Option<&'q [u8]> {
    query.split(|&b| b == b'&').find_map(|parameter| {
        let mut halves = parameter.splitn(2, |&b| b == b'=');
        let key = halves.next().unwrap_or_default();
        let same = decoded(key).eq(name.iter().copied());
        (same && !key.is_empty()).then(|| halves.next().unwrap_or_default())
    })
}
