//! `headroom replay`: what a centre would have done on a capture.

use std::process::{Command, Output};

use headroom_terminals::iec104::apci::Control;
use insta::assert_snapshot;
use serde_json::Value;

use super::writer::{CLIENT, Format, SERVER, START_NS, Talk, float, i, s, timed_file, u};
use crate::centre::{Site, customer};

/// One customer with one round on a feeder that may carry 1000 kW for a minute.
fn site() -> Site {
    let site = Site::new(&customer(SERVER.parse().unwrap(), 7), "");
    let general = "[general]\nreading_age_max_s = 300\n";
    site.write("rules.toml", &format!("{general}[[limit]]\nnode = \"F-1\"\nlimit_kw = 1000\ndelay_s = 60\n"));
    site
}

/// Its terminal reports 1200 kW for three minutes, and what lies in no map or is not of the fleet.
fn capture() -> Vec<u8> {
    let mut talk = Talk::started(CLIENT, SERVER, (1, 1));
    let closed = [3, 1, 20, 0, 7, 0, 0xE9, 3, 0, 2];
    talk.say(false, &i(0, 0, &closed));
    talk.say(false, &i(1, 0, &float(7, 2011, 500.0)));
    talk.say(false, &i(2, 0, &float(7, 9999, 1.0)));
    talk.say(false, &i(3, 0, &float(8, 2001, 1.0)));
    let opening = talk.segments.len() as u64;
    for n in 4..10 {
        talk.say(false, &i(n, 0, &float(7, 2001, 1_200.0)));
        talk.say(true, &s(n + 1));
    }
    talk.say(true, &u(Control::StopAct));
    talk.say(false, &u(Control::StopCon));
    let at = |n: u64| START_NS + n * 1_000_000 + n.saturating_sub(opening) / 2 * 30_000_000_000;
    let packets: Vec<_> = (0..).map(at).zip(talk.packets()).collect();
    timed_file(Format::USUAL, 1, &packets)
}

fn replay(site: &Site, arguments: &[&str]) -> Output {
    std::fs::write(site.file("a.pcap"), capture()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
    command.arg("replay").arg(site.file("a.pcap")).arg("--config").arg(site.file("serve.toml"));
    command.args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_capture_over_a_limit_shows_the_plan_its_reasons_and_the_orders_that_are_not_sent() {
    let site = site();
    let output = replay(&site, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_snapshot!(text(&output.stdout));
    let summary = text(&output.stderr);
    for part in [
        "1 plans,",
        "T-1 object 9999, 1 times: not in its point map",
        "1 messages of 10.0.0.2:2404, common address 8: no terminal of the fleet; name one with --map 10.0.0.2:2404=",
        "left out: 2 objects in all",
    ] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    assert!(!site.data().exists(), "nothing is kept");
}

#[test]
fn two_replays_print_the_same_bytes() {
    let site = site();
    for arguments in [&[][..], &["--json"]] {
        let (first, second) = (replay(&site, arguments), replay(&site, arguments));
        assert!(!first.stdout.is_empty());
        assert_eq!(first, second);
    }
    let lines = text(&replay(&site, &["--json"]).stdout);
    let objects: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let commands: Vec<_> = objects.iter().filter(|object| object["kind"] == "command").collect();
    assert!(!commands.is_empty() && commands.iter().all(|command| command["sent"] == false), "{lines}");
}

#[test]
fn a_station_is_the_terminal_that_map_says_and_a_terminal_that_is_none_is_refused() {
    let site = site();
    let fleet = std::fs::read_to_string(site.file("fleet.toml")).unwrap();
    site.write(
        "fleet.toml",
        &fleet.replace(SERVER, "192.0.2.9:2404").replace("common_address = 7", "common_address = 9"),
    );
    let output = replay(&site, &[]);
    assert!(text(&output.stderr).contains("0 readings and"), "{}", text(&output.stderr));
    let output = replay(&site, &["--map", "10.0.0.2:2404=T-1"]);
    assert!(text(&output.stderr).contains("9 readings and"), "{}", text(&output.stderr));
    let output = replay(&site, &["--map", "10.0.0.2:2404=T-2"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the fleet has no terminal T-2"), "{}", text(&output.stderr));
}
