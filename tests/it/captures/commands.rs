//! The commands as a person runs them.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::writer::{CLIENT, SERVER, Talk, float, i, s};

fn headroom(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_headroom")).args(arguments).output().unwrap()
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let file = folder.join(name);
    std::fs::write(&file, bytes).unwrap();
    file.to_str().unwrap().to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn talk(count: u16) -> Talk {
    let mut talk = Talk::started(CLIENT, SERVER, (1, 1));
    for n in 0..count {
        talk.say(false, &i(n, 0, &float(1, 2001, f32::from(n))));
        talk.say(true, &s(n + 1));
    }
    talk
}

#[test]
fn lines_go_to_stdout_and_the_summary_to_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "a.pcap", &talk(3).file());
    let output = headroom(&["capture", &file]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout).lines().count(), 8);
    let summary = text(&output.stderr);
    assert!(summary.starts_with("11 packets, 1 links, 8 APDUs, 3 objects\n"), "{summary}");

    let output = headroom(&["capture", "--json", &file]);
    for line in text(&output.stdout).lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["link"], 1);
    }
    let output = headroom(&["capture", "--summary", "--json", &file]);
    let object: serde_json::Value = serde_json::from_str(text(&output.stdout).trim()).unwrap();
    assert_eq!((&object["packets"], &object["links"][0]["objects"]), (&11.into(), &3.into()));
    assert!(output.stderr.is_empty());

    let output = headroom(&["capture", "--port", "2404", &file]);
    assert_eq!(text(&output.stdout).lines().count(), 8);
}

#[test]
fn a_capture_of_serve_and_terminal_by_tcpdump_reads_as_what_they_said() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures/serve-and-terminal.pcap");
    let output = headroom(&["capture", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn what_is_no_capture_or_has_nothing_of_this_protocol_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = written(folder.path(), "a.toml", b"[api]\nlisten = 1\n");
    let other = written(folder.path(), "b.pcap", &talk(3).file());
    let none = folder.path().join("none.pcap");
    for (arguments, said) in [
        (vec!["capture", &foreign], "a.toml: no capture"),
        (vec!["capture", none.to_str().unwrap()], "none.pcap: cannot be read"),
        (vec!["capture", "--port", "2405", &other], "b.pcap: no IEC 60870-5-104 in 11 packets"),
    ] {
        let output = headroom(&arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).lines().last().unwrap().contains(said), "{}", text(&output.stderr));
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let folder = tempfile::tempdir().unwrap();
    // More than fits into a pipe.
    let file = written(folder.path(), "a.pcap", &talk(3_000).file());
    let mut child = Command::new(env!("CARGO_BIN_EXE_headroom"))
        .args(["capture", &file])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
}
