//! Suggests the known key that an unknown key was probably meant to be.

use crate::limits;

/// Returns the known key that is most similar to an unknown one. Case and everything that is not a letter or a digit do
/// not count. Beyond that, a key may differ by one edit, and a long key by two or three. A key that is far longer than
/// all known ones is not compared.
pub(crate) fn similar_key(key: &str, known: &[&'static str]) -> Option<&'static str> {
    if key.chars().nth(limits::LIKE).is_some() {
        return None;
    }
    let letters = |text: &str| -> Vec<char> {
        text.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
    };
    let key = letters(key);
    let (distance, similar) = known
        .iter()
        .map(|candidate| (edit_distance(&key, &letters(candidate)), *candidate))
        .min_by_key(|(distance, _)| *distance)?;
    let most = 1 + key.len().min(12) / 6;
    (distance <= most && distance < key.len()).then_some(similar)
}

/// Returns the word that differs from another one by one edit, or by the swap of two neighbours.
pub(crate) fn similar_word(word: &str, known: &[&'static str]) -> Option<&'static str> {
    let word: Vec<char> = word.chars().take(limits::LIKE).collect();
    let distance = |candidate: &&'static str| edit_distance(&word, &candidate.chars().collect::<Vec<_>>());
    // One edit leaves all characters but one in place. A table may have very many words that are similar to none.
    let shares_most = |candidate: &&'static str| word.iter().filter(|c| !candidate.contains(**c)).count() < 2;
    let is_near = |candidate: &&'static str| {
        candidate.len().abs_diff(word.len()) < 2 && shares_most(candidate) && distance(candidate) == 1
    };
    known.iter().copied().find(|candidate| word.len() > 2 && is_near(candidate))
}

/// Returns the optimal string alignment distance: the number of insertions, deletions, replacements and swaps of two
/// neighbours that turn one text into the other. Texts whose lengths differ by more than 3 are never similar.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    if a.len().abs_diff(b.len()) > 3 {
        return usize::MAX;
    }
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
    // The rows of the distance matrix: the last two that are complete, and the current one.
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
    fn the_intended_key_is_found() {
        let known = ["hosts", "basePath", "name", "namespace", "routes"];
        for (written, intended) in [
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
            assert_eq!(similar_key(written, &known), intended, "{written}");
        }
    }
}
