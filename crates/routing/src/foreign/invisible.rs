//! Characters that nobody can see, such as the no-break space, which many programs write when a text is copied.

use crate::problem::ProblemKind;

/// Looks at a text that is one word, such as a host or the name of a service.
pub(crate) fn in_word(text: &str) -> Option<ProblemKind> {
    let (position, character) = find(text)?;
    let write = Some(text.chars().filter(|c| !is_invisible(*c)).collect());
    Some(ProblemKind::Invisible { character, position, write })
}

/// Looks at a text that may have any character, such as the value of a header.
pub(crate) fn in_literal(text: &str) -> Option<ProblemKind> {
    let (position, character) = find(text)?;
    Some(ProblemKind::InvisibleLiteral { character, position, write: Some(visible(text)) })
}

/// Looks at a key. Returns its problem if it is a known key without its invisible characters.
pub(crate) fn in_key(key: &str, known: &[&'static str]) -> Option<ProblemKind> {
    let (position, character) = find(key)?;
    let visible: String = key.chars().filter(|c| !is_invisible(*c)).collect();
    let write = known.iter().find(|known| **known == visible)?;
    Some(ProblemKind::InvisibleInKey { character, position, write })
}

/// Returns the text as it was meant: with plain spaces, and without characters that have no width.
pub(crate) fn visible(text: &str) -> String {
    let shown = text.chars().filter_map(|c| match is_invisible(c) {
        true if is_space(c) => Some(' '),
        true => None,
        false => Some(c),
    });
    shown.collect::<String>().trim().to_owned()
}

/// Returns the first invisible character of a text and its position among the characters, counted from 1.
pub(crate) fn find(text: &str) -> Option<(usize, char)> {
    if text.is_ascii() {
        return None;
    }
    let mut before = ' ';
    for (index, character) in text.chars().enumerate() {
        // In scripts such as Persian, and between emoji, joiners and variation selectors have a meaning.
        let joins = matches!(character, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
        if is_invisible(character) && (!joins || before.is_ascii()) {
            return Some((index + 1, character));
        }
        before = character;
    }
    None
}

/// Returns whether a character looks like a space.
fn is_space(character: char) -> bool {
    matches!(
        character,
        '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{2800}' | '\u{3000}'
    )
}

/// Returns whether a character looks like a space, or like nothing at all.
fn is_invisible(character: char) -> bool {
    is_space(character)
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}
