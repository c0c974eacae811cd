//! Which known key an unknown one was meant for.

use crate::limits;

/// The known key that was probably meant: the same letters, or one or two edits away.
pub(crate) fn most_like(key: &str, known: &[&'static str]) -> Option<&'static str> {
    if key.chars().nth(limits::LIKE).is_some() {
        return None;
    }
    let letters = |text: &str| -> Vec<char> {
        text.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
    };
    let key = letters(key);
    let (distance, like) =
        known.iter().map(|candidate| (edits(&key, &letters(candidate)), *candidate)).min_by_key(|(d, _)| *d)?;
    // A long key may be off by more than a short one.
    (distance <= 1 + key.len().min(12) / 6 && distance < key.len()).then_some(like)
}

/// The optimal string alignment distance: insertions, deletions, replacements, and neighbours swapped.
fn edits(a: &[char], b: &[char]) -> usize {
    if a.len().abs_diff(b.len()) > 3 {
        return usize::MAX;
    }
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let mut cost = (at(&above, j) + usize::from(ca != cb)).min(at(&row, j) + 1).min(at(&above, j + 1) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(cb) && b.get(j - 1) == Some(ca);
            if swapped {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut above, row);
    }
    at(&above, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_was_meant_is_found() {
        let known = ["hosts", "basePath", "name", "namespace", "routes"];
        for (written, meant) in [
            ("hsots", Some("hosts")),
            ("host", Some("hosts")),
            ("base_path", Some("basePath")),
            ("BASEPATH", Some("basePath")),
            ("basPath", Some("basePath")),
            ("nmae", Some("name")),
            ("note", None),
            ("timeout", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(most_like(written, &known), meant, "{written}");
        }
    }
}
