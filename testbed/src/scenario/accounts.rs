//! Every frame is accounted for.

use super::forwarding;
use crate::error::{LabError, Result, check};
use crate::lab::Lab;
use crate::report::Report;
use crate::two_boxes::{NIV_LINKS, TwoBoxes};
use serde_json::Value;
use std::time::{Duration, Instant};

/// A frame that just waits in a ring is one nobody knows of yet; in a quiet lab none waits so long.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);

/// Traffic of every kind, then both ends' accounts.
pub(super) fn conservation(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    forwarding::ping_matrix(boxes, report)?;
    forwarding::broadcast_once(boxes, report)?;
    settle_accounts(boxes, report)
}

/// Prints the switch's table and checks that nobody has an unexplained frame.
pub(crate) fn settle_accounts(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    nothing_unexplained(&mut boxes.lab, "vis", report)?;
    let table = boxes.lab.daemon("vis")?.show(&["conservation"])?;
    report.block(&table);
    for (host, _) in NIV_LINKS {
        nothing_unexplained(&mut boxes.lab, host, report)?;
    }
    Ok(())
}

/// Fails unless the account of a host's daemon has fields `unexplained...`, all 0; its answer.
pub(super) fn nothing_unexplained(lab: &mut Lab, host: &str, report: &Report) -> Result<Value> {
    let words: &[&str] = if host == "vis" {
        &["conservation"]
    } else {
        &[]
    };
    let end = Instant::now() + SETTLED_WITHIN;
    loop {
        let answer = lab.daemon(host)?.show_json(words)?;
        let found = numbers(&answer, "unexplained");
        if found.is_empty() {
            return Err(LabError::Answer {
                program: format!("the daemon of {host}"),
                detail: format!("no field `unexplained` in {answer}"),
            });
        }
        let sum: u64 = found.iter().map(|n| n.unsigned_abs()).sum();
        if sum == 0 {
            report.figure(&format!("frames {host} cannot explain"), sum);
            return Ok(answer);
        }
        check(Instant::now() < end, || {
            format!("{host} cannot explain {sum} frames: {answer}")
        })?;
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Every number below a field whose name begins so, however deep.
pub(crate) fn numbers(value: &Value, name: &str) -> Vec<i64> {
    fn all(value: &Value) -> Vec<i64> {
        match value {
            Value::Number(n) => n.as_i64().into_iter().collect(),
            Value::Array(items) => items.iter().flat_map(all).collect(),
            Value::Object(fields) => fields.values().flat_map(all).collect(),
            _ => Vec::new(),
        }
    }
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| {
                if key.starts_with(name) {
                    all(value)
                } else {
                    numbers(value, name)
                }
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(|item| numbers(item, name)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_at_any_depth() {
        let value = serde_json::json!({
            "ports": [{"unexplained": {"in": 1, "out": -2}}, {"unexplained_copies": 0}],
            "other": 7
        });
        assert_eq!(numbers(&value, "unexplained"), [1, -2, 0]);
        assert!(numbers(&value, "nothing").is_empty());
    }
}
