//! Which C library a program needs.

/// The newest version of the C library that a program's symbols name: `GLIBC_2.34` is (2, 34).
pub(crate) fn newest_libc(program: &[u8]) -> Option<(u32, u32)> {
    const MARK: &[u8] = b"GLIBC_";
    let mut newest = None;
    for (at, _) in program
        .windows(MARK.len())
        .enumerate()
        .filter(|(_, w)| *w == MARK)
    {
        let rest = program.get(at + MARK.len()..).unwrap_or_default();
        let text: String = rest
            .iter()
            .take(8)
            .map(|&octet| char::from(octet))
            .take_while(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        let mut numbers = text.split('.').map(str::parse::<u32>);
        if let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) {
            newest = newest.max(Some((major, minor)));
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let program = b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0GLIBC_PRIVATE\0GLIBC_";
        assert_eq!(newest_libc(program), Some((2, 34)));
        assert_eq!(newest_libc(b"static"), None);
    }
}
