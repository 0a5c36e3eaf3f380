//! Where in a file something stands.

use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Something a configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// This key.
    Key(&'a str),
    /// Of the tables of the first name, the one of that number, and this key of it.
    Of(&'a str, usize, &'a str),
}

/// The octets of the text at which it says that; its table's if it does not say it, the text's beginning if it has no
/// such table.
pub(super) fn span(text: &str, item: Item<'_>) -> Range<usize> {
    let Ok(root) = DeTable::parse(text) else {
        return 0..0;
    };
    let root = root.get_ref();
    let found = match item {
        Item::Key(key) => root.get(key).map(|value| value.span()),
        Item::Of(name, number, key) => root
            .get(name)
            .and_then(|tables| tables.get_ref().as_array()?.get(number))
            .map(|table| {
                let said = DeValue::as_table(table.get_ref()).and_then(|table| table.get(key));
                said.map_or_else(|| table.span(), |value| value.span())
            }),
    };
    found.unwrap_or_default()
}

/// Line and column of an octet, both from 1, the column in characters.
pub(super) fn line_and_column(text: &str, octet: usize) -> (usize, usize) {
    let before = text.get(..octet).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}
