//! Two configurations side by side, as the lines that lead to them.

use crate::config::Config;
use std::collections::BTreeMap;

/// A line of the configuration, and those below it.
#[derive(Default)]
struct Block<'a> {
    below: Vec<&'a str>,
}

/// What leads from `before` to `after`: lines with `-` or `+` in front, each below the line it belongs to, which has a
/// blank in front when it stays. Nothing when they are the same.
pub fn diff(before: &Config, after: &Config) -> Vec<String> {
    if before == after {
        return Vec::new();
    }
    let (before, after) = (before.running_config(), after.running_config());
    let (old_order, old) = blocks(&before);
    let (new_order, new) = blocks(&after);
    let mut lines = Vec::new();
    for head in &old_order {
        match (old.get(head), new.get(head)) {
            (Some(block), None) => {
                lines.push(format!("-{head}"));
                lines.extend(block.below.iter().map(|line| format!("-{line}")));
            }
            (Some(old), Some(new)) if old.below != new.below => {
                lines.push(format!(" {head}"));
                let gone = old.below.iter().filter(|line| !new.below.contains(line));
                lines.extend(gone.map(|line| format!("-{line}")));
                let come = new.below.iter().filter(|line| !old.below.contains(line));
                lines.extend(come.map(|line| format!("+{line}")));
            }
            _ => {}
        }
    }
    for head in new_order.iter().filter(|head| !old.contains_key(*head)) {
        lines.push(format!("+{head}"));
        let below = new.get(head).map_or(&[][..], |block| &block.below);
        lines.extend(below.iter().map(|line| format!("+{line}")));
    }
    lines
}

/// By their first lines, which are unique in what [`Config::running_config`] prints; and those in order.
fn blocks(text: &str) -> (Vec<&str>, BTreeMap<&str, Block<'_>>) {
    let mut order = Vec::new();
    let mut blocks: BTreeMap<&str, Block<'_>> = BTreeMap::new();
    for line in text.lines() {
        match order.last().filter(|_| line.starts_with(' ')) {
            Some(head) => {
                if let Some(block) = blocks.get_mut(head) {
                    block.below.push(line);
                }
            }
            None => {
                order.push(line);
                blocks.insert(line, Block::default());
            }
        }
    }
    (order, blocks)
}
