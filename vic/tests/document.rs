//! docs/vic.md and docs/vic.lua say what the code does.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::samples;
use vic::frame::{Direction, Received, read};
use vic::message::{Answer, Body, Kind, Message, Request, batch, field::ANY, field::FIELDS};
use vic::{Authenticator, Code, Parameters, timers};

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name)
}

fn hex(frame: &[u8]) -> String {
    let mut text = String::new();
    for (line, octets) in frame.chunks(16).enumerate() {
        let octets: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        text += &format!("{:04x}  {}\n", line * 16, octets.join(" "));
    }
    text
}

fn example(request: Request, transaction: u32, sequence: u64, keyed: bool) -> String {
    let body = Body::Request(request);
    let message = Message { transaction, body };
    let key = samples::key();
    hex(&samples::frame(
        Direction::Up,
        &[message],
        sequence,
        keyed.then_some(&key),
    ))
}

#[test]
fn the_frames_in_the_document_are_those_of_the_code() {
    let text = std::fs::read_to_string(docs("vic.md")).unwrap();
    for frame in [
        example(samples::open(), 0, 0, false),
        example(samples::create(), 1, 2, true),
    ] {
        assert!(
            text.contains(&frame),
            "docs/vic.md lacks this frame:\n{frame}"
        );
    }
}

#[test]
fn every_kind_field_and_code_is_in_the_document_and_the_dissector() {
    let text = std::fs::read_to_string(docs("vic.md")).unwrap();
    let lua = std::fs::read_to_string(docs("vic.lua")).unwrap();
    for field in FIELDS {
        let critical = if field.critical { "yes" } else { "no" };
        let (least, most) = field.size;
        let size = match least == most {
            true => least.to_string(),
            false => format!("{least} to {most}"),
        };
        let range = match field.range {
            ANY => " ".to_owned(),
            (least, most) => format!(" {least} to {most} "),
        };
        let (number, name) = (field.number, field.name);
        let row = format!("| {number} | `{name}` | {critical} | {size} |{range}|");
        assert!(text.contains(&row), "{row}");
        assert!(
            lua.contains(&format!("[{}] = {{ \"{}\"", field.number, field.name)),
            "{row}"
        );
    }
    for kind in Kind::ALL {
        assert!(
            text.contains(&format!("| {} | {kind:?} |", *kind as u8)),
            "{kind:?}"
        );
        assert!(
            lua.contains(&format!("[{}] = \"{kind:?}\"", *kind as u8)),
            "{kind:?}"
        );
    }
    for (code, name) in Code::ALL {
        assert!(
            text.contains(&format!("| {} | `{name}` |", code.0)),
            "{name}"
        );
        assert!(
            lua.contains(&format!("[{}] = \"{name}\"", code.0)),
            "{name}"
        );
    }
    let parameters = Parameters::default();
    assert!(text.contains(&format!(
        "subtype **{}** (acknowledged), **{}**",
        parameters.subtype, parameters.unacknowledged_subtype
    )));
}

/// Names of the fields that a message has, in their order.
fn names(message: &Message) -> Vec<&'static str> {
    let octets = message.to_bytes();
    let mut rest = &octets[8..];
    let mut names = Vec::new();
    while let [a, b, c, d, ..] = *rest {
        let number = u16::from_be_bytes([a, b]) & 0x7FFF;
        let field = FIELDS.iter().find(|field| field.number == number);
        names.push(field.unwrap().name);
        rest = &rest[4 + usize::from(u16::from_be_bytes([c, d]))..];
    }
    names.dedup();
    names
}

#[test]
fn the_fields_of_every_kind_in_the_document_are_those_of_the_code() {
    let text = std::fs::read_to_string(docs("vic.md")).unwrap();
    for (way, message) in samples::messages() {
        let column = match message.body {
            Body::Request(_) => 4,
            Body::Answer(Answer::Done(_)) | Body::Refused(..) => continue,
            Body::Answer(_) => 6,
        };
        let kind = message.kind();
        let start = format!("| {} | {kind:?} |", kind as u8);
        let rows: Vec<Vec<&str>> = text
            .lines()
            .filter(|line| line.starts_with(&start))
            .map(|line| line.split('|').map(str::trim).collect())
            .collect();
        let senders: Vec<&str> = rows.iter().map(|row| row[3]).collect();
        let sender = if way == Direction::Up { "IV" } else { "VIS" };
        assert!(
            column == 6 || senders.contains(&sender) || senders == ["both"],
            "{kind:?}: {senders:?}"
        );
        // Whoever sends it, it is one message: where there are two rows, both have its fields.
        for row in &rows {
            let words = row[column]
                .split([' ', ','])
                .filter(|word| *word != "as" && *word != "asked");
            let has = names(&message);
            // A sample may lack what may be absent.
            let said: Vec<&str> = words
                .filter(|word| {
                    !word.is_empty()
                        && (!word.ends_with('?') || has.contains(&word.trim_end_matches('?')))
                })
                .map(|word| word.trim_end_matches(['?', '.']))
                .collect();
            assert_eq!(said, has, "{kind:?}");
        }
    }
}

/// The table of numbers alone does not say when a code is to be expected.
#[test]
fn every_code_is_explained_outside_the_table_of_numbers() {
    let text = std::fs::read_to_string(docs("vic.md")).unwrap();
    let (before, section) = text.split_once("| number | name | number |").unwrap();
    let (_, after) = section.split_once("\n\n").unwrap();
    for (_, name) in Code::ALL {
        let quoted = format!("`{name}`");
        assert!(
            before.contains(&quoted) || after.contains(&quoted),
            "{name}"
        );
    }
}

#[test]
fn the_timers_in_the_document_are_those_of_the_code() {
    let text = std::fs::read_to_string(docs("vic.md")).unwrap();
    let parameters = Parameters::default();
    let ack = parameters.ack_timer().as_micros();
    let (hold, keepalive) = (parameters.hold, parameters.keepalive_every());
    let mut rows = vec![
        format!(
            "| ECP acknowledgement | {}.{} ms, {} repetitions |",
            ack / 1000,
            ack % 1000 / 10,
            parameters.retries
        ),
        format!(
            "| Keepalive | seventh of the smaller hold time, {} ms |",
            keepalive.as_millis()
        ),
        format!("| hold | {} ms |", hold.as_millis()),
        format!("| rest of an id | {} s |", parameters.rest.as_secs()),
        format!(
            "{},{:03} PDUs a second",
            parameters.rate / 1000,
            parameters.rate % 1000
        ),
    ];
    let ms = |timer: std::time::Duration| timer.as_millis();
    let s = |timer: std::time::Duration| timer.as_secs_f32();
    let (answer, open, slowly) = (
        ms(timers::ANSWER),
        ms(timers::OPEN),
        ms(timers::OPEN_SLOWLY),
    );
    rows.extend([
        format!(
            "| request repeated | {answer}, {0}, {1}, {1}, ... ms |",
            2 * answer,
            4 * answer
        ),
        format!("| Open repeated | {open} ms, after 20 times {slowly} ms |"),
        format!("| after a refusal or Close | {} s;", s(timers::REFUSED)),
        format!(
            "| VifCreate again after no | {} s |",
            s(timers::CREATE_AGAIN)
        ),
        format!(
            "| pending Open keeps its place | {} ms |",
            ms(timers::PENDING)
        ),
        format!(
            "again after `unknown_vif` | {} ms |",
            ms(timers::TELL_AGAIN)
        ),
        format!(
            "| Probe | {} ms, 5 tries a size; the search anew after {} s |",
            ms(timers::PROBE),
            s(timers::PROBE_AGAIN)
        ),
    ]);
    for row in rows {
        assert!(text.contains(&row), "{row}");
    }
}

#[test]
fn every_message_survives_the_wire() {
    let mut kinds = std::collections::BTreeSet::new();
    for (way, message) in samples::messages() {
        for key in [None, Some(&samples::key())] {
            let frame = samples::frame(way, std::slice::from_ref(&message), 3, key);
            let own = vic::Mac(frame[..6].try_into().unwrap());
            let Received::Pdu(pdu) = read(&Parameters::default(), own, &frame).unwrap() else {
                unreachable!()
            };
            let octets = pdu.verify(&Authenticator::of(key)).unwrap();
            let read = batch(octets).unwrap();
            assert_eq!(read.len(), 1);
            assert_eq!(read[0].read().unwrap(), message);
            for cut in 0..octets.len() {
                let batch = batch(&octets[..cut]);
                assert!(cut == 0 || batch.is_err(), "{message:?} cut to {cut}");
            }
        }
        kinds.insert(message.kind());
    }
    assert_eq!(kinds.len(), Kind::ALL.len(), "a message of every kind");
}

fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xA1B2_C3D4u32, 0x0002_0004, 0, 0, 65535, 1] {
        file.extend_from_slice(&word.to_be_bytes());
    }
    for frame in frames {
        let length = frame.len() as u32;
        for word in [0, 0, length, length] {
            file.extend_from_slice(&word.to_be_bytes());
        }
        file.extend_from_slice(frame);
    }
    file
}

/// What tshark says of every field of every frame, one line each.
fn tshark(frames: &[Vec<u8>]) -> Option<Vec<String>> {
    let name = format!("vic-{}.pcap", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, pcap(frames)).unwrap();
    let fields = [
        "vic.kind",
        "vic.role",
        "vic.transaction",
        "vic.vif",
        "vic.list",
        "vic.uuid",
        "vic.code",
        "vic.sentence",
        "vic.veth",
        "vic.members",
        "vic.profile_entry.name",
        "vic.counters.to_octets",
        "vic.mtu",
        "vic.sequence",
        "vic.authenticator_kind",
        "ecp.seqno",
        "vic.owner_name",
        "vic.size",
        "vic.term",
        "_ws.malformed",
    ];
    let mut command = Command::new("tshark");
    command
        .arg("-X")
        .arg(format!("lua_script:{}", docs("vic.lua").display()));
    command
        .arg("-r")
        .arg(&path)
        .args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=a"]);
    fields.iter().for_each(|field| {
        command.args(["-e", field]);
    });
    let output = command.output();
    std::fs::remove_file(&path).unwrap();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: tshark cannot be run ({error})");
            return None;
        }
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("Lua"), "{said}");
    Some(
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect(),
    )
}

#[test]
fn tshark_reads_every_message_as_it_is_meant() {
    let frames = samples::frames();
    let Some(lines) = tshark(&frames) else { return };
    assert_eq!(lines.len(), frames.len());
    for ((way, message), line) in samples::messages().into_iter().zip(&lines) {
        let columns: Vec<&str> = line.split('|').collect();
        let role = match message.body {
            Body::Request(_) => "0",
            Body::Answer(_) => "1",
            Body::Refused(..) => "2",
        };
        assert_eq!(
            columns[0],
            (message.kind() as u8).to_string(),
            "{way:?} {message:?}: {line}"
        );
        assert_eq!(
            (columns[1], columns[2]),
            (role, message.transaction.to_string().as_str()),
            "{line}"
        );
        assert_eq!(columns[19], "", "{line}");
    }
    let find = |kind: Kind, role: &str| {
        let start = format!("{}|{role}|", kind as u8);
        let line = lines.iter().find(|line| line.starts_with(&start)).unwrap();
        line.split('|').map(str::to_owned).collect::<Vec<_>>()
    };
    let create = find(Kind::VifCreate, "0");
    assert_eq!(
        (create[3].as_str(), create[12].as_str(), create[16].as_str()),
        ("5", "1500", "vm one")
    );
    assert_eq!(
        create[5].replace('-', ""),
        "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a001"
    );
    let answer = find(Kind::VifCreate, "1");
    assert_eq!((answer[3].as_str(), answer[8].as_str()), ("5", "77"));
    let refused = find(Kind::VifCreate, "2");
    assert_eq!(
        (refused[6].as_str(), refused[7].as_str()),
        ("11", "elsewhere")
    );
    let list = find(Kind::ListSet, "0");
    assert_eq!((list[4].as_str(), list[9].as_str()), ("9", "1,5,4095"));
    assert_eq!(find(Kind::ProfileCatalogue, "0")[10], "profile1,profile2");
    assert_eq!(find(Kind::Counters, "0")[11], "60");
    assert_eq!(find(Kind::Probe, "0")[17], "200");
    assert_eq!(find(Kind::Open, "1")[18], "4");
    let batch: Vec<&str> = lines[frames.len() - 2].split('|').collect();
    assert_eq!(
        batch[0], "17,18,20,21,32,33,48,16,16",
        "a batch is read to its end"
    );
    assert_eq!((batch[13], batch[14]), ("99", "1"));
    let acknowledgement: Vec<&str> = lines[frames.len() - 1].split('|').collect();
    assert_eq!((acknowledgement[0], acknowledgement[15]), ("", "1"));
}
