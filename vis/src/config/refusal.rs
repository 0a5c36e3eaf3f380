//! The sentence that says what is wrong with a line, and what was expected.

use super::grammar::Mode;
use super::tree::{Fault, Mismatch, is_negated, walk};

/// What is wrong, and what was expected.
pub(crate) fn sentence(text: &str, mismatch: &Mismatch) -> String {
    let expected = one_of(&mismatch.expected);
    let no = if is_negated(text) { " after `no`" } else { "" };
    match &mismatch.fault {
        Fault::Unknown(word) => format!(
            "`{}` is not known here{no}: expected {expected}",
            shown(word)
        ),
        Fault::Ambiguous(word, keywords) => {
            let keywords: Vec<String> = keywords.iter().map(|one| format!("`{one}`")).collect();
            format!(
                "`{}` is short for several words: expected {}",
                shown(word),
                one_of(&keywords)
            )
        }
        Fault::Invalid(word) => format!("`{}` will not do: expected {expected}", shown(word)),
        Fault::Incomplete => format!("the line ends too soon: expected {expected}"),
        Fault::TooMuch(word) => {
            format!(
                "`{}` is one word too many: expected {expected}",
                shown(word)
            )
        }
    }
}

/// The keyword that was probably meant, as a question.
pub(crate) fn nearest(mismatch: &Mismatch) -> Option<String> {
    let nearest = mismatch.nearest?;
    Some(format!("did you mean `{nearest}`?"))
}

/// Where a line belongs that means nothing in `mode`.
pub(crate) fn belongs_elsewhere(mode: Mode, text: &str) -> Option<String> {
    let elsewhere = Mode::CONFIGURATION
        .into_iter()
        .find(|&other| other != mode && walk(other.commands(), text).is_ok())?;
    Some(format!(
        "this line belongs below `{}`",
        elsewhere.entered_by()
    ))
}

/// A word as a message shows it: not longer than it helps.
fn shown(word: &str) -> String {
    const LONGEST: usize = 60;
    if word.len() <= LONGEST {
        return word.to_owned();
    }
    let cut = word.floor_char_boundary(LONGEST);
    format!("{}...", word.get(..cut).unwrap_or_default())
}

fn one_of<T: AsRef<str>>(choices: &[T]) -> String {
    match choices {
        [] => "nothing".to_owned(),
        [only] => only.as_ref().to_owned(),
        [several @ .., last] => {
            let several: Vec<&str> = several.iter().map(AsRef::as_ref).collect();
            format!("{} or {}", several.join(", "), last.as_ref())
        }
    }
}
