//! The view, what is stored, and what customers were told.

use super::*;

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
