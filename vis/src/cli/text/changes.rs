//! `show running-config diff`, `show diff`, `show configuration history`.

use crate::control::show::{ShowDiff, ShowHistory};
use std::fmt::{self, Write};

pub(super) fn write_diff(out: &mut String, answer: &ShowDiff) -> fmt::Result {
    for line in &answer.lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

pub(super) fn write_history(out: &mut String, answer: &ShowHistory) -> fmt::Result {
    for change in &answer.changes {
        let at = time(change.at);
        writeln!(
            out,
            "{:>3}  {at}  {} by {}",
            change.number, change.how, change.who
        )?;
        for line in &change.lines {
            writeln!(out, "       {line}")?;
        }
    }
    Ok(())
}

/// `2026-11-22 21:14:07 UTC`
fn time(seconds: u64) -> String {
    let (year, month, day) = date(seconds / 86_400);
    let clock = seconds % 86_400;
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Of the Gregorian calendar, that many days after 1970-01-01.
fn date(mut days: u64) -> (u64, u64, u64) {
    let leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut year = 1970;
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_since_1970_are_a_date() {
        assert_eq!(time(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(time(951_827_696), "2000-02-29 12:34:56 UTC");
        assert_eq!(time(1_795_382_047), "2026-11-22 21:14:07 UTC");
    }
}
