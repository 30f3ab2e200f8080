//! `headroom serve` as a service: how it starts, refuses to start, lets people in, bears bad peers, and ends.

use std::net::TcpListener as StdListener;
use std::os::unix::fs::PermissionsExt as _;

use headroom_rules::model::{Power, Quality, Timestamp};
use headroom_rules::view::{LimitState, Load, NodeView, View};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::centre::{Centre, Site, answer, customer, feeders};
use crate::peer::now;
use crate::program::PATIENCE;
use crate::station::{Sample, Station};

/// Each frame is acknowledged as soon as it may be.
const AT_ONCE: &str = "w = 1\n";

/// Now or a little before or after it.
fn sample(offset_ms: i64, kw: u16) -> Sample {
    Sample { at: Timestamp::new(now().get() + offset_ms), kw, quality: Quality::GOOD }
}

async fn stations(count: u16) -> Vec<Station> {
    let mut stations = Vec::new();
    for common_address in 1..=count {
        stations.push(Station::start(common_address).await);
    }
    stations
}

fn site(stations: &[Station], iec104: &str) -> Site {
    let addresses: Vec<_> = stations.iter().map(Station::address).collect();
    Site::new(&feeders(&addresses), iec104)
}

fn node<'a>(view: &'a View, id: &str) -> &'a NodeView {
    view.nodes.iter().find(|node| node.id.as_str() == id).unwrap()
}

fn lines_with<'a>(said: &'a [String], words: &[&str]) -> Vec<&'a str> {
    said.iter().map(String::as_str).filter(|line| words.iter().all(|word| line.contains(word))).collect()
}

#[tokio::test]
async fn a_signal_ends_it_with_0_all_links_stopped_and_everything_stored() {
    for signal in ["TERM", "INT"] {
        let stations = stations(3).await;
        // With the usual w of 8 the last four of each link are not acknowledged before the end.
        let site = site(&stations, "");
        let centre = site.start().await;
        let start = sample(0, 0).at.get();
        for (n, station) in stations.iter().enumerate() {
            for m in 0..20 {
                let kw = u16::try_from(n).unwrap() * 100 + m;
                station.send(Sample { at: Timestamp::new(start + i64::from(m)), kw, quality: Quality::GOOD });
            }
        }
        centre.stored(60).await;
        let (status, said) = centre.stop(signal).await;
        assert_eq!(status.code(), Some(0), "{signal}: {said:#?}");
        assert_eq!(lines_with(&said, &["stopped, everything is stored", "readings=60 "]).len(), 1, "{said:#?}");
        assert!(lines_with(&said, &["WARN"]).is_empty() && lines_with(&said, &["ERROR"]).is_empty(), "{said:#?}");
        for station in &stations {
            station.acknowledged(20).await;
            station.link_over().await;
            assert_eq!((station.known().links, station.known().stopped), (1, 1), "{signal}: {:?}", station.known());
        }
        let rows = site.readings().await;
        assert_eq!(rows.len(), 60, "{signal}");
        for (n, m) in (0_i64..3).flat_map(|n| (0_i64..20).map(move |m| (n, m))) {
            let wanted = (format!("T-{}", n + 1), Some(start + m), (n * 100 + m) * 1_000);
            let found = rows.iter().filter(|row| (row.terminal.clone(), row.source_time, row.value) == wanted);
            assert_eq!(found.count(), 1, "{signal}: {wanted:?}");
        }
    }
}

#[tokio::test]
async fn an_api_address_in_use_is_one_line_with_the_key_and_the_file_and_nothing_starts() {
    let stations = stations(1).await;
    let site = site(&stations, "");
    let taken = StdListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    site.write("serve.toml", &format!("[api]\nlisten = \"{address}\"\n"));
    let said = site.refusal().await;
    let file = site.file("serve.toml");
    for part in [&address.to_string(), "`listen` under [api]", file.to_str().unwrap()] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!site.data().exists());
    assert_eq!(stations[0].known().links, 0);
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_one_is_named_and_no_terminal_is_dialled() {
    let stations = stations(1).await;
    let site = site(&stations, "");
    site.write("headroom-data", "somebody's file");
    let said = site.refusal().await;
    assert!(said.contains(site.data().to_str().unwrap()), "{said}");
    assert_eq!(std::fs::read_to_string(site.data()).unwrap(), "somebody's file");
    assert_eq!(stations[0].known().links, 0);
}

#[tokio::test]
async fn a_second_centre_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let stations = stations(1).await;
    let site = site(&stations, AT_ONCE);
    let centre = site.start().await;
    let said = site.refusal().await;
    for part in [site.data().to_str().unwrap(), "another headroom process has it open"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    stations[0].send(sample(0, 7));
    stations[0].acknowledged(1).await;
    assert_eq!(stations[0].known().links, 1);
    assert_eq!(centre.stop("TERM").await.0.code(), Some(0));
    assert_eq!(site.readings().await.len(), 1);
}

#[tokio::test]
async fn bad_rules_are_refused_before_anything_is_bound() {
    let stations = stations(1).await;
    let site = site(&stations, "");
    // Had it bound the API's address first, it would complain of that.
    let taken = StdListener::bind("127.0.0.1:0").unwrap();
    site.write("serve.toml", &format!("[api]\nlisten = \"{}\"\n", taken.local_addr().unwrap()));
    for (rules, wanted) in [
        ("[[limit]]\nnode = \"F-1\"\nlimit_kw = -4\n", ["rules.toml:3", "limit_kw"]),
        ("[[limit]]\nnode = \"F-9\"\nlimit_kw = 4\n", ["rules.toml:2", "node"]),
        ("[[limit\n", ["rules.toml:1", "expected"]),
    ] {
        site.write("rules.toml", rules);
        let (status, said) = site.end().await;
        assert_eq!(status.code(), Some(1), "{said:#?}");
        let said = said.join("\n");
        assert!(wanted.iter().all(|part| said.contains(part)), "{wanted:?}: {said}");
    }
    assert!(!site.data().exists());
    assert_eq!(stations[0].known().links, 0);
}

#[tokio::test]
async fn anybody_learns_that_it_lives_and_only_the_token_in_its_folder_opens_the_rest() {
    let stations = stations(1).await;
    let site = site(&stations, "");
    let centre = site.start().await;
    let token = site.data().join("operator.token");
    assert_eq!(std::fs::metadata(&token).unwrap().permissions().mode() & 0o777, 0o600);
    let get = |path| answer(centre.anonymous(Method::GET, path));
    assert_eq!(get("/healthz").await, (StatusCode::OK, json!({ "status": "ok" })));
    assert_eq!(get("/api/v1/view").await.0, StatusCode::UNAUTHORIZED);
    let wrong = centre.anonymous(Method::GET, "/api/v1/view").bearer_auth("0".repeat(64));
    assert_eq!(answer(wrong).await.0, StatusCode::UNAUTHORIZED);
    let view = centre.until("the link", |view| view.terminals[0].link_up.then(|| view.clone())).await;
    assert_eq!((view.nodes.len(), view.terminals.len()), (2, 1));
    assert_eq!(centre.stop("TERM").await.0.code(), Some(0));
}

/// Confirms the start of each connection, says `bytes`, and from then on nothing; counts how often the centre had enough.
fn says(listener: TcpListener, bytes: &'static [u8]) -> (JoinHandle<()>, watch::Receiver<u32>) {
    let (over, count) = watch::channel(0);
    let task = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut start = [0; 6];
            stream.read_exact(&mut start).await.unwrap();
            assert_eq!(start, [0x68, 0x04, 0x07, 0, 0, 0], "STARTDT act");
            stream.write_all(&[0x68, 0x04, 0x0B, 0, 0, 0]).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            // That the centre resets the connection is its good right.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            over.send_modify(|over| *over += 1);
        }
    });
    (task, count)
}

#[tokio::test]
async fn a_hostile_peer_is_named_once_and_disturbs_nobody_else() {
    // T-1 behaves. T-2 talks garbage; T-3 breaks off within a frame; T-4 sends a type that does not exist, T-5 a time that
    // does not: these two are at least frames.
    let (good, strange, untimely) = (Station::start(1).await, Station::start(4).await, Station::start(5).await);
    let (garbage, truncated) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let addresses = [
        good.address(),
        garbage.local_addr().unwrap(),
        truncated.local_addr().unwrap(),
        strange.address(),
        untimely.address(),
    ];
    let hostile =
        [says(garbage, b"GET / HTTP/1.1\r\nhost: terminal\r\n\r\n"), says(truncated, &[0x68, 0x20, 0x00, 0x00, 0x00])];
    let site = Site::new(&feeders(&addresses), &format!("{AT_ONCE}t1_s = 4\nt2_s = 1\nt3_s = 2\n"));
    let centre = site.start().await;

    // Type 200, spontaneous, common address 4, one object; and twice so.
    let unknown = vec![200, 1, 3, 0, 4, 0, 0xD1, 0x07, 0, 1, 2, 3];
    strange.send_raw(unknown.clone());
    strange.send_raw(unknown);
    strange.send(sample(0, 44));
    // M_ME_TF_1 of address 2001 with 1.5 kW, at minute 75 of hour 30 on day 0 of month 13.
    let bad_time = [&[36, 1, 3, 0, 5, 0, 0xD1, 0x07, 0][..], &1.5_f32.to_le_bytes(), &[0, 0, 0, 0x3F, 30, 0, 13, 26]];
    untimely.send_raw(bad_time.concat());
    untimely.send(sample(0, 55));
    let mut last = 0;
    for kw in 1..=50 {
        good.send(sample(kw, u16::try_from(kw).unwrap()));
        last = kw;
    }
    // Each had its say, and those who break the protocol had it on one link after the other.
    for ((_, over), times) in hostile.iter().zip([3, 1]) {
        let mut over = over.clone();
        let had_enough = timeout(PATIENCE, over.wait_for(|over| *over >= times)).await.is_ok_and(|seen| seen.is_ok());
        assert!(had_enough, "not {times} times but {}", *over.borrow());
    }
    for station in [&strange, &untimely] {
        station.acknowledged(1).await;
    }
    for kw in 51..=60 {
        good.send(sample(kw, u16::try_from(kw).unwrap()));
        last = kw;
    }
    good.acknowledged(60).await;
    let power = Power::from_kw(i32::try_from(last).unwrap());
    let shown = |view: &View| (node(view, "F-1").load == Load::Measured { power }).then(|| view.terminals.clone());
    let terminals = centre.until("the last good value", shown).await;
    assert_eq!(terminals[0].power, Some(power));
    assert_eq!((terminals[0].link_up, terminals[3].link_up, terminals[4].link_up), (true, true, true));

    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");
    for (terminal, what, why) in
        [("T-2", "link closed", "wanted 0x68"), ("T-4", "skipped", "type identification not supported")]
    {
        let lines = lines_with(&said, &[&format!("malformed message, {what}"), &format!("terminal={terminal} ")]);
        assert_eq!(lines.len(), 1, "{said:#?}");
        assert!(lines[0].contains(why), "{}", lines[0]);
    }
    assert_eq!(lines_with(&said, &["malformed message"]).len(), 2, "{said:#?}");
    assert!(!lines_with(&said, &["terminal=T-3 ", "up=false", "within t1"]).is_empty(), "{said:#?}");
    for station in [&good, &strange, &untimely] {
        assert_eq!(station.known().links, 1, "{:?}", station.known());
    }
    let rows = site.readings().await;
    let of = |terminal: &str| rows.iter().filter(|row| row.terminal == terminal).cloned().collect::<Vec<_>>();
    assert_eq!(
        of("T-1").iter().map(|row| row.value).collect::<Vec<_>>(),
        (1..=60).map(|kw| kw * 1_000).collect::<Vec<_>>()
    );
    assert_eq!((of("T-2").len(), of("T-3").len(), of("T-4").len()), (0, 0, 1));
    // The value holds, and it has no time of its own.
    let untimely = of("T-5");
    assert_eq!((untimely[0].value, untimely[0].source_time), (1_500, None));
    assert_eq!(untimely[1].value, 55_000);
    for (peer, _) in hostile {
        peer.abort();
    }
}

fn limits(view: &View) -> (Option<Power>, Option<Power>) {
    (node(view, "F-1").limit, node(view, "F-1").rated)
}

#[tokio::test]
async fn a_limit_that_was_set_is_in_force_after_a_stop_and_after_a_kill() {
    let kw = |kw| Some(Power::from_kw(kw));
    let rules = |limit_kw| format!("[[limit]]\nnode = \"F-1\"\nlimit_kw = {limit_kw}\n");
    let station = Station::start(1).await;
    let site = Site::new(&customer(station.address(), 1), AT_ONCE);
    site.write("rules.toml", &rules(500));
    let set =
        |watts: i64| json!({ "request": "set_limit", "node": "F-1", "limit": watts, "reason": "dispatch wants it" });
    let mut centre = site.start().await;
    assert_eq!(centre.post(&set(400_000)).await.0, StatusCode::OK);
    // TERM leaves a snapshot behind.
    for signal in ["KILL", "TERM", "KILL"] {
        centre.stop(signal).await;
        centre = site.start().await;
        let (limit, rated) = centre.until("the supply tree", |view| view.nodes.first().map(|_| limits(view))).await;
        assert_eq!((limit, rated), (kw(400), kw(500)), "{signal}");
    }
    let (status, refused) = centre.post(&set(600_000)).await;
    assert_eq!((status, &refused["refusal"]["rated"]), (StatusCode::CONFLICT, &json!(500_000)), "{refused}");
    assert_eq!(centre.stop("TERM").await.0.code(), Some(0));
    site.write("rules.toml", &rules(300));
    let centre = site.start().await;
    let audit = centre.get("/api/v1/audit").await.1;
    let newest = &audit["audit"][0];
    assert!(newest["after"].as_str().unwrap().starts_with("refused: F-1: a limit of"), "{audit}");
    let granted = &audit["audit"][1];
    assert_eq!((&granted["before"], &granted["after"]), (&json!("500.0 kW"), &json!("400.0 kW")), "{audit}");
    assert_eq!(granted["action"], "set limit to 400.0 kW: dispatch wants it");
    centre.until("the rules' own limit", |view| (limits(view) == (kw(300), kw(300))).then_some(())).await;
    let event = "F-1: the limit of 400.0 kW that was set is dropped, the rules give 300.0 kW";
    centre.until(event, |view| view.events.iter().find(|e| e.what.to_string() == event).map(|_| ())).await;
}

async fn seen(centre: &Centre, power: Option<i32>, last_kw: i32, quality: Quality) -> NodeView {
    let load = power.map_or(Load::Unknown, |kw| Load::Summed { power: Power::from_kw(kw) });
    let there = |view: &View| {
        let terminal = &view.terminals[0];
        let here = terminal.power == Some(Power::from_kw(last_kw)) && node(view, "F-1").load == load;
        here.then(|| (terminal.quality, node(view, "F-1").clone()))
    };
    let (shown, node) = centre.until("the value", there).await;
    assert_eq!(shown, quality);
    node
}

#[tokio::test]
async fn an_invalid_value_is_stored_and_shown_as_such_and_decides_nothing() {
    let station = Station::start(1).await;
    let site = Site::new(&customer(station.address(), 1), AT_ONCE);
    site.write("rules.toml", "[[limit]]\nnode = \"F-1\"\nlimit_kw = 500\ndelay_s = 0\n");
    let centre = site.start().await;
    let good = sample(0, 100);
    station.send(good);
    assert_eq!(seen(&centre, Some(100), 100, Quality::GOOD).await.state, LimitState::Normal);
    // Nearly twice the limit, if it were true.
    let invalid = Sample { quality: Quality::INVALID, ..sample(1, 999) };
    station.send(invalid);
    let node = seen(&centre, None, 999, Quality::INVALID).await;
    assert!(!matches!(node.state, LimitState::Over | LimitState::Shedding), "{node:?}");
    let again = sample(2, 200);
    station.send(again);
    assert_eq!(seen(&centre, Some(200), 200, Quality::GOOD).await.state, LimitState::Normal);
    let events = centre.get("/api/v1/events").await.1;
    assert!(!events["events"].as_array().unwrap().iter().any(|event| event["kind"] == "breach"), "{events}");
    assert_eq!(centre.stop("TERM").await.0.code(), Some(0));
    let rows = site.readings().await;
    let kept: Vec<_> = rows.iter().map(|row| (row.source_time, row.value, row.quality)).collect();
    let wanted = [good, invalid, again];
    let wanted = wanted.map(|sample| (Some(sample.at.get()), i64::from(sample.kw) * 1_000, sample.quality.bits()));
    assert_eq!(kept, wanted);
}
