//! Texts of others on their way to somebody's terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` in one line that a terminal only shows: whatever would move its cursor, change its colours, hide or turn round
/// what stands beside it is escaped as `\u{1b}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_printable) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_printable(c) {
            escaped.push(c);
        } else {
            // A string takes whatever is written to it.
            write!(escaped, "{}", c.escape_unicode()).ok();
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character is none of Unicode's control (Cc), format (Cf), line (Zl) and paragraph (Zp) characters.
pub(crate) fn is_printable(c: char) -> bool {
    // Unicode 16 has these; the standard library only knows Cc. What is unassigned between them is taken with them.
    let moves = matches!(
        c,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}'..='\u{e007f}'
    );
    !c.is_control() && !moves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_shows_stays_as_it_is() {
        for text in ["", "Steel works 3", "第三钢铁厂 🙂", "µ ½ \u{a0} é e\u{301}"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn what_moves_or_hides_is_escaped() {
        for (text, wanted) in [
            ("a\u{1b}[2Jb", r"a\u{1b}[2Jb"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("two\r\nlines\t\u{7f}", r"two\u{d}\u{a}lines\u{9}\u{7f}"),
            ("\u{202e}gnp\u{2066}", r"\u{202e}gnp\u{2066}"),
            ("a\u{2028}b\u{2029}c\u{200b}\u{feff}\u{ad}", r"a\u{2028}b\u{2029}c\u{200b}\u{feff}\u{ad}"),
            ("\u{e0041}", r"\u{e0041}"),
        ] {
            assert_eq!(printable(text), wanted);
        }
    }
}
