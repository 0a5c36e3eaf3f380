//! Every frame is accounted for.

use super::forwarding;
use crate::error::{LabError, Result, check};
use crate::report::Report;
use crate::two_boxes::{NIV_LINKS, TwoBoxes};
use serde_json::Value;

/// Traffic of every kind, then both ends' accounts.
pub(super) fn conservation(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    forwarding::ping_matrix(boxes, report)?;
    forwarding::broadcast_once(boxes, report)?;
    settle_accounts(boxes, report)
}

/// Prints the switch's table and checks that nobody has an unexplained frame.
pub(crate) fn settle_accounts(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    let table = boxes.lab.daemon("vis")?.show(&["conservation"])?;
    report.block(&table);
    let switch = boxes.lab.daemon("vis")?.show_json(&["conservation"])?;
    nothing_unexplained("vis", &switch, report)?;
    for (host, _) in NIV_LINKS {
        let answer = boxes.lab.daemon(host)?.show_json(&[])?;
        nothing_unexplained(host, &answer, report)?;
    }
    Ok(())
}

/// Fails unless a daemon's answer has fields `unexplained`, all 0.
pub(super) fn nothing_unexplained(name: &str, answer: &Value, report: &Report) -> Result<()> {
    let found = numbers(answer, "unexplained");
    check(!found.is_empty(), || {
        LabError::Answer {
            program: name.to_owned(),
            detail: "no field `unexplained`".to_owned(),
        }
        .to_string()
    })?;
    let sum: i64 = found.iter().map(|n| n.abs()).sum();
    report.figure(&format!("frames {name} cannot explain"), sum);
    check(sum == 0, || {
        format!("{name} cannot explain {sum} frames: {answer}")
    })
}

/// Every number below a field of that name, however deep.
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
                if key == name {
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
            "ports": [{"unexplained": {"in": 1, "out": -2}}, {"unexplained": 0}],
            "other": 7
        });
        assert_eq!(numbers(&value, "unexplained"), [1, -2, 0]);
        assert!(numbers(&value, "nothing").is_empty());
    }
}
