//! Terminals: read on demand, their memory collected, completeness, registers, what was.

use super::*;

#[tokio::test]
async fn a_terminal_is_read_on_demand_and_what_becomes_of_it_is_said() {
    let mut centre = Centre::start().await;
    let console = centre.console();
    let url = format!("{}/api/v1/terminals/T-1/read", centre.url);
    let asking =
        |what: &str| tokio::spawn(read(centre.http.request(Method::POST, format!("{url}{what}")).bearer_auth(TOKEN)));
    let answers = [
        ("", StationRequest::Interrogate(Qoi(20)), StationAnswer::Done, 200, "all values"),
        ("?what=counters", StationRequest::Counters(Qcc(5)), StationAnswer::LinkLost, 503, "the link was lost"),
        (
            "?point=12",
            StationRequest::Read { ioa: 2101 },
            StationAnswer::Refused { cause: 47 },
            409,
            "T-1 refuses to read point 12: unknown information object address (cause 47)",
        ),
        ("", StationRequest::Interrogate(Qoi(20)), StationAnswer::TimedOut, 504, "did not answer"),
        ("", StationRequest::Interrogate(Qoi(20)), StationAnswer::NotSent(NotSent::NoLink), 503, "it has no link"),
    ];
    for (what, wanted, answer, status, words) in answers {
        let asked = asking(what);
        let Some(Ask::Request(request, reply)) = centre.demanded.recv().await else { panic!("{what}") };
        assert_eq!(request, wanted);
        reply.send(answer).unwrap();
        let (code, body) = asked.await.unwrap();
        assert_eq!(code.as_u16(), status, "{body}");
        assert!(body.to_string().contains(words), "{body}");
    }
    // While one lies unread with the link, no other is taken.
    let (mut one, mut other) = (asking("?what=counters"), asking(""));
    let (first, lies) = tokio::select! {
        first = &mut one => (first.unwrap(), other),
        first = &mut other => (first.unwrap(), one),
    };
    assert_eq!(first.0, StatusCode::TOO_MANY_REQUESTS);
    assert!(first.1.to_string().contains("try again in a moment"), "{}", first.1);
    drop(centre.demanded.recv().await);
    assert_eq!(lies.await.unwrap().0, StatusCode::SERVICE_UNAVAILABLE);
    let asked = tokio::spawn(async move { console.read_now(terminal()).await });
    let Some(Ask::Request(_, reply)) = centre.demanded.recv().await else { panic!() };
    reply.send(StationAnswer::Refused { cause: 44 }).unwrap();
    let Message::ReadNow(_, Err(sentence)) = asked.await.unwrap() else { panic!() };
    assert_eq!(sentence, "T-1 refuses to read all values: unknown type identification (cause 44)");
}

#[tokio::test]
async fn what_was_is_looked_up_by_node_terminal_and_time() {
    let centre = Centre::start().await;
    let (_, load) = centre.get("/api/v1/nodes/F-1/load").await;
    let minute = NOW.get() - 600_000;
    assert_eq!(
        load["summary"],
        json!({ "peak": [1_100_000, minute], "known": 60_000, "over": 20_000, "energy": 15_000 })
    );
    assert_eq!((&load["curve"][0]["high"], &load["curve"][0]["limit"]), (&json!(1_100_000), &json!(1_000_000)));
    let (_, calculated) = centre.get("/api/v1/calculated/SUM").await;
    let stretch = json!({
        "start": minute, "low": 1_000, "high": 3_500, "high_at": minute, "mean": 2_000, "last": 3_000, "known": 60_000
    });
    assert_eq!(calculated["curve"], json!([stretch]));
    let before = "/api/v1/nodes/F-1/load?from=1&to=60000";
    assert_eq!(centre.get(before).await.0, StatusCode::NOT_FOUND);
    // Of two hours ago, and not topical: the highest that may decide.
    let (_, peak) = centre.get("/api/v1/terminals/T-1/peak").await;
    assert_eq!(peak["peak"], json!({ "at": NOW.get() - 7_200_000, "value": 1 }));
    let from = NOW.get() - 3_600_000;
    let (_, gaps) = centre.get(&format!("/api/v1/terminals/T-1/gaps?from={from}")).await;
    assert_eq!(gaps["gaps"], json!([{ "after": from, "until": minute }]));
    let (_, energy) = centre.get(&format!("/api/v1/terminals/T-1/energy?from={from}&period_s=1800")).await;
    assert_eq!(energy["periods"][1], json!({ "from": from + 1_800_000, "wh": null, "reset": false }));
    for (path, key, count) in [
        ("orders?about=T-1", "orders", 1),
        ("orders?about=T-2", "orders", 0),
        ("alarms?about=T-1", "alarms", 1),
        ("audit?about=wang", "audit", 1),
        ("audit?about=li", "audit", 0),
        (&format!("events?from={}&about=T-1", NOW.get()), "events", 1),
        (&format!("events?to={}", NOW.get()), "events", 1),
    ] {
        let (_, body) = centre.get(&format!("/api/v1/{path}")).await;
        assert_eq!(body[key].as_array().unwrap().len(), count, "{path}: {body}");
    }
}

#[tokio::test]
async fn a_terminals_memory_is_collected_on_demand_and_what_becomes_of_it_is_said() {
    let mut centre = Centre::start().await;
    let url = format!("{}/api/v1/terminals/T-1/collect", centre.url);
    let asking =
        |what: &str| tokio::spawn(read(centre.http.request(Method::POST, format!("{url}{what}")).bearer_auth(TOKEN)));
    let now = NOW.get();
    let answers = [
        (String::new(), now - 86_400_000, now, Ok(FileAnswer::Read(Vec::new())), 200, "\"values\":0"),
        (
            format!("?from={}", now - 900_000),
            now - 900_000,
            now,
            Err(Failure::Refused),
            409,
            "the peer refused the file",
        ),
        (format!("?to={}", now - 5), now - 86_400_005, now - 5, Err(Failure::LinkLost), 503, "the link was lost"),
    ];
    for (what, from, to, answer, status, words) in answers {
        let asked = asking(&what);
        let Some(Ask::Files(FileRequest::QueryLog(CURVE_FILE, times), reply)) = centre.demanded.recv().await else {
            panic!("{what}")
        };
        assert_eq!(times.map(Timestamp::get), [from + 1, to]);
        reply.send(answer).unwrap();
        let (code, body) = asked.await.unwrap();
        assert_eq!(code.as_u16(), status, "{body}");
        assert!(body.to_string().contains(words), "{body}");
    }
    for bad in [format!("?from={now}&to=0"), format!("?from=0&to={now}"), "?day=1".to_owned()] {
        assert_eq!(asking(&bad).await.unwrap().0, StatusCode::BAD_REQUEST, "{bad}");
    }
    let (code, health) = centre.get("/api/v1/health").await;
    assert_eq!(code, StatusCode::OK);
    assert_eq!(health["collecting"]["given_up"], 0, "{health}");
}

#[tokio::test]
async fn completeness_is_told_by_terminal_for_a_day_of_the_supplys_zone() {
    let centre = Centre::start().await;
    // NOW is 2027-01-15, 08:00 UTC, 16:00 there; the terminal's own midnight is that of UTC. What has just ended
    // may still be on its way.
    let nothing = |expected: u16| {
        json!({ "terminal": "T-1", "expected": expected, "read": 0, "late": 0, "filled": 0, "invalid": 0,
            "missing": expected, "rate_e4": 0, "registers": if expected == 0 { "not_yet" } else { "missing" } })
    };
    for (day, begin, expected) in [("2027-01-15", 57_600, 63), ("2027-01-14", 144_000, 96), ("2027-01-16", -28_800, 0)]
    {
        let (code, body) = centre.get(&format!("/api/v1/completeness?day={day}")).await;
        let rate = (expected > 0).then_some(0);
        let begin = NOW.get() - begin * 1_000;
        let wanted = json!({ "day": day, "begin": begin, "rate_e4": rate, "terminals": [nothing(expected)] });
        assert_eq!((code, body), (StatusCode::OK, wanted), "{day}");
    }
    let (_, today) = centre.get("/api/v1/completeness").await;
    assert_eq!(today["terminals"][0]["expected"], 63);
}

#[tokio::test]
async fn frozen_registers_are_of_midnights_of_the_terminals_zone() {
    let centre = Centre::start().await;
    for (query, from, to) in
        [("", NOW.get() - 31 * 86_400_000, NOW.get()), ("?of=month&from=0&to=86400000", 0, 86_400_000)]
    {
        let (code, body) = centre.get(&format!("/api/v1/terminals/T-1/registers{query}")).await;
        assert_eq!((code, body), (StatusCode::OK, json!({ "from": from, "to": to, "registers": [] })), "{query}");
    }
}
