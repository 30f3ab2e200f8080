//! The view, what is stored, and what customers were told.

use std::path::Path;

use headroom_rules::engine::Engine;
use headroom_rules::model::PointKind;
use headroom_rules::notices::Telling;

use super::*;
use crate::config::{Fleet, rules};

#[tokio::test]
async fn the_console_understands_the_centre() {
    let centre = Centre::start().await;
    let console = centre.console();
    let software = format!("headroom {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        console.about().await.unwrap(),
        About { software, operator: "wang".into(), supervisor: true, time_factor: 60.0 }
    );
    assert_eq!(console.view().await.unwrap(), a_view());
    let Message::Detail(detail) = console.detail(terminal()).await else { panic!("a detail is wanted") };
    assert_eq!(*detail, a_detail());
    let Message::DetailLost(_, sentence) = console.detail("T-9".parse().unwrap()).await else { panic!() };
    assert!(sentence.contains("terminal T-9 is not in the inventory"), "{sentence}");
    let Message::Trend(_, points) = console.trend(terminal()).await else { panic!("a trend is wanted") };
    // Not the one of two hours ago, but the one of this very millisecond; quality as it came (quality-kept).
    let points: Vec<_> = points.iter().map(|point| (point.t, point.v, point.q)).collect();
    assert_eq!(points, [(NOW.get() - 600_000, 310_000.0, 0x40), (NOW.get(), -5.0, 0)]);
    for (order, wanted) in [
        (1, Answer::Granted(Reply::Order { order: OrderId(1) })),
        (2, Answer::Refused("order #2 does not exist".into())),
    ] {
        let order = OrderId(order);
        let Message::Answer(_, answer) = console.ask(Asked::Execute(order), Request::Execute { order }).await else {
            panic!("an answer is wanted")
        };
        assert_eq!(answer, wanted);
    }
    let order = OrderId(4);
    let Message::Answer(_, answer) = console.ask(Asked::Cancel(order), Request::Execute { order }).await else {
        panic!("an answer is wanted")
    };
    assert!(matches!(answer, Answer::Unanswered(_)), "{answer:?}");
    let stranger = Client::new(&centre.url, WRONG.into()).unwrap();
    assert!(matches!(stranger.view().await, Err(ClientError::Unauthorized)));
}

#[tokio::test]
async fn a_renewed_view_is_what_is_served() {
    let centre = Centre::start().await;
    let console = centre.console();
    assert_eq!(console.view().await.unwrap(), a_view());
    let next = View { now: NOW.after(Span::from_s(1)), ..a_view() };
    centre.view.send_replace(Arc::new(next.clone()));
    assert_eq!(console.view().await.unwrap(), next);
}

#[tokio::test]
async fn what_is_stored_comes_newest_first_and_within_the_limit() {
    let centre = Centre::start().await;
    let (_, orders) = centre.get("/api/v1/orders").await;
    assert_eq!(serde_json::from_value::<Vec<Order>>(orders["orders"].clone()).unwrap(), [an_order()]);
    let (_, alarms) = centre.get("/api/v1/alarms").await;
    assert_eq!(serde_json::from_value::<Vec<Alarm>>(alarms["alarms"].clone()).unwrap(), [an_alarm()]);
    let (_, audit) = centre.get("/api/v1/audit").await;
    assert_eq!((&audit["audit"][0]["who"], &audit["audit"][0]["object"]), (&json!("wang"), &json!("#7")));
    let times = |events: &Value| -> Vec<i64> {
        events["events"].as_array().unwrap().iter().map(|event| event["at"].as_i64().unwrap()).collect()
    };
    let (now, before) = (NOW.get(), NOW.get() - 60_000);
    assert_eq!(times(&centre.get("/api/v1/events").await.1), [now, before]);
    assert_eq!(times(&centre.get("/api/v1/events?limit=1").await.1), [now]);
    assert_eq!(times(&centre.get(&format!("/api/v1/events?from={now}&limit=9")).await.1), [now]);
}

/// Five minutes of an engine whose feeder is over its limit, with two customers: one display shows the text, one does not.
fn an_engine_that_announced() -> Engine {
    let fleet = r#"
        node = [{ id = "R", kind = "region", name = "x" }, { id = "S1", kind = "substation", name = "x", parent = "R" },
            { id = "F1", kind = "feeder", name = "x", parent = "S1" }]
        customer = [{ id = "C1", name = "Works", supplied_by = "F1", contract_kw = 200, priority = 5 },
            { id = "C2", name = "Mill", supplied_by = "F1", contract_kw = 200, priority = 5 }]
        terminal = [{ id = "T1", customer = "C1", address = "127.0.0.1:2404", common_address = 1, rounds = [{ no = 1, name = "x" }] },
            { id = "T2", customer = "C2", address = "127.0.0.1:2405", common_address = 2, rounds = [{ no = 1, name = "x" }] }]
    "#;
    let fleet = Fleet::parse(Path::new("fleet.toml"), fleet).unwrap();
    let limit = "[[limit]]\nnode = \"F1\"\nlimit_kw = 100\ndelay_s = 10\nnotice_min = 5\nurgent_percent = 200\n";
    let policy = rules::parse(Path::new("rules.toml"), limit, Some(&fleet.inventory)).unwrap();
    let (mut engine, mut out) = (Engine::new(), Vec::new());
    let terminals: [TerminalId; 2] = ["T1", "T2"].map(|id| id.parse().unwrap());
    engine.apply(&Input::Started { at: NOW }, &mut out);
    engine.apply(&Input::Inventory { at: NOW, inventory: Box::new(fleet.inventory) }, &mut out);
    engine.apply(&Input::Policy { at: NOW, policy: Box::new(policy) }, &mut out);
    for terminal in terminals {
        engine.apply(&Input::Link { at: NOW, terminal, up: true }, &mut out);
    }
    for second in 0..30 {
        let at = NOW.after(Span::from_s(second));
        for terminal in terminals {
            let reading = |point, value| Reading { point, value, quality: Quality::GOOD, source_time: None, cause: 3 };
            let readings = vec![
                reading(PointKind::RoundPosition(RoundNo::ALL[0]), 2),
                reading(PointKind::RoundPower(RoundNo::ALL[0]), 60_000),
                reading(PointKind::ActivePower, 90_000),
            ];
            engine.apply(&Input::Readings { at, terminal, readings }, &mut out);
        }
        engine.apply(&Input::Tick { at }, &mut out);
        for output in std::mem::take(&mut out) {
            let Output::Tell(Telling { notice, terminal, .. }) = output else { continue };
            let failed = (terminal == terminals[1]).then(|| "the link was lost".to_owned());
            engine.apply(&Input::Told { at, notice, failed }, &mut out);
        }
    }
    engine
}

#[tokio::test]
async fn what_customers_were_told_is_read_with_whom_it_did_not_reach() {
    let centre = Centre::start().await;
    let none = json!({ "at": NOW.get(), "announcements": [] });
    assert_eq!(centre.get("/api/v1/notices").await, (StatusCode::OK, none));
    let engine = an_engine_that_announced();
    centre.view.send_replace(Arc::new(engine.view()));
    let (status, body) = centre.get("/api/v1/notices?about=F1").await;
    assert_eq!((status, body["announcements"].as_array().unwrap().len()), (StatusCode::OK, 1));
    let one = &body["announcements"][0];
    assert_eq!(
        (&one["told"], &one["not_reached"]),
        (&json!(1), &json!([{ "terminal": "T2", "why": "the link was lost" }]),)
    );
    let announcement = &one["announcement"];
    let due = NOW.after(Span::from_s(310)).get();
    assert_eq!(
        (&announcement["node"], &announcement["waits"], &announcement["due"]),
        (&json!("F1"), &json!(true), &json!(due))
    );
    let delivery = |n: usize| {
        (announcement["notices"][n]["terminal"].clone(), announcement["notices"][n]["told"]["delivery"].clone())
    };
    assert_eq!([delivery(0), delivery(1)], [(json!("T1"), json!("delivered")), (json!("T2"), json!("not_reached"))]);
    let (_, elsewhere) = centre.get("/api/v1/notices?about=S1").await;
    assert_eq!(elsewhere["announcements"], json!([]));
    assert_eq!(centre.get("/api/v1/notices?about=no%20code").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(centre.get("/api/v1/notices?node=F1").await.0, StatusCode::BAD_REQUEST);
}
