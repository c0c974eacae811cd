//! How wide text is, without a font: in Helvetica, whose widths Arial and Liberation Sans share.

/// Asked for by name in this order, since their widths are the same.
pub(super) const FONTS: &str = "Helvetica, Arial, Liberation Sans, sans-serif";

/// Thousandths of the font's size, for the characters from space to tilde.
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, // space to /
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, // 0 to ?
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, // @ to O
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, // P to _
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, // ` to o
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584, // p to ~
];

/// A text's size and weight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Font {
    pub(super) size: f64,
    pub(super) is_bold: bool,
}

impl Font {
    pub(super) const fn plain(size: f64) -> Self {
        Self { size, is_bold: false }
    }

    pub(super) const fn bold(size: f64) -> Self {
        Self { size, is_bold: true }
    }

    pub(super) fn width(self, text: &str) -> f64 {
        let bold = if self.is_bold { 1.08 } else { 1.0 };
        text.chars().map(thousandths).sum::<f64>() * self.size * bold / 1000.0
    }

    /// From one line of text to the next.
    pub(super) fn line_height(self) -> f64 {
        (self.size * 1.25).round()
    }

    /// Lines no wider than a width: broken at spaces, and within what is wider than a line by itself.
    pub(super) fn wrap(self, text: &str, width: f64) -> Vec<String> {
        let mut lines = vec![String::new()];
        for word in text.split_whitespace() {
            let line = lines.last().map_or("", String::as_str);
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.width(&longer) <= width {
                lines.pop();
                lines.push(longer);
                continue;
            }
            if line.is_empty() {
                lines.pop();
            }
            lines.extend(self.pieces(word, width));
        }
        lines
    }

    fn pieces(self, word: &str, width: f64) -> Vec<String> {
        let mut pieces = vec![String::new()];
        for character in word.chars() {
            let piece = pieces.last().map_or("", String::as_str);
            let longer = format!("{piece}{character}");
            if self.width(&longer) <= width || piece.is_empty() {
                pieces.pop();
                pieces.push(longer);
            } else {
                pieces.push(character.into());
            }
        }
        pieces
    }
}

fn thousandths(character: char) -> f64 {
    match (character as usize).checked_sub(' ' as usize).and_then(|index| WIDTHS.get(index)) {
        Some(width) => f64::from(*width),
        None if character < '\u{2e80}' => 600.0,
        None => 1000.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_breaks_at_spaces_and_within_words_that_are_too_long() {
        let font = Font::plain(10.0);
        let width = font.width("0000000000");
        assert_eq!(font.wrap("", width), [""]);
        assert_eq!(font.wrap("1234 5678 9012", width), ["1234 5678", "9012"]);
        assert_eq!(font.wrap("1 1234567890123", width), ["1", "1234567890", "123"]);
        assert_eq!(font.wrap("12345678901234 5", width), ["1234567890", "1234 5"]);
    }
}
