//! Words of a neighbour, made safe to print.

/// Octets of a TLV that holds text, at most (IEEE 802.1AB, 8.5.5 to 8.5.7).
pub(crate) const MOST: usize = 255;

/// What a neighbour wrote: UTF-8 as far as it is, without control characters, without characters that turn the
/// direction of writing round, and without spaces at its ends.
pub(crate) fn cleaned(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let text: String = text.chars().map(harmless).collect();
    clipped(text.trim()).trim_end().to_owned()
}

fn harmless(c: char) -> char {
    let turns = matches!(
        c,
        '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
    );
    match c.is_control() || turns {
        true => ' ',
        false => c,
    }
}

/// As much as a TLV holds.
pub(crate) fn clipped(text: &str) -> &str {
    let end = text.floor_char_boundary(MOST.min(text.len()));
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_neighbour_can_harm_a_terminal() {
        assert_eq!(cleaned(b"sw1\x1b[2J\n"), "sw1 [2J");
        assert_eq!(cleaned("a\u{202E}b\u{0085}c".as_bytes()), "a b c");
        assert_eq!(cleaned(&[b'x', 0xFF, 0xFE]), "x\u{FFFD}\u{FFFD}");
        let long = cleaned(&[0xFF; 300]);
        assert!(long.len() <= MOST && long.chars().all(|c| c == '\u{FFFD}'));
    }

    #[test]
    fn what_is_cut_at_a_space_ends_before_it() {
        let text = format!("{} {}", "a".repeat(MOST - 1), "b".repeat(9));
        assert_eq!(cleaned(text.as_bytes()), "a".repeat(MOST - 1));
    }
}
