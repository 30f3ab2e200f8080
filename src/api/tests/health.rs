//! How the centre is: for anybody, and for operators.

use super::*;

#[tokio::test]
async fn healthz_tells_anybody_how_it_is_and_no_more() {
    let centre = Centre::start().await;
    let healthz = || read(centre.request(Method::GET, "/healthz"));
    assert_eq!(healthz().await, (StatusCode::OK, json!({ "status": "ok" })));
    let head = centre.request(Method::HEAD, "/healthz").send().await.unwrap();
    assert_eq!((head.status(), head.text().await.unwrap().as_str()), (StatusCode::OK, ""));
    centre.backlog.send_modify(|backlog| backlog.failing = Some("/srv/headroom.db: disk full".into()));
    assert_eq!(healthz().await, (StatusCode::OK, json!({ "status": "degraded", "store": "failing" })));
    centre.health.send_replace(Health::Failing { since: Instant::now(), error: "/srv/journal.db: disk full".into() });
    let failing = json!({ "status": "failing", "journal": "failing", "store": "failing" });
    assert_eq!(healthz().await, (StatusCode::SERVICE_UNAVAILABLE, failing));
}

#[tokio::test]
async fn health_tells_operators_the_figures() {
    let centre = Centre::start().await;
    let refused: BTreeMap<_, _> = TurnedAway::ALL.map(|(_, name)| (name, 0)).into();
    let collecting = json!(
        { "under_way": 0, "waiting": 0, "values": 0, "failed": 0, "given_up": 0, "last_failure": null }
    );
    let good = json!({
        "journal": { "state": "good", "since_s": null, "error": null, "append_age_ms": null, "bytes": 0 },
        "store": { "stored": 0, "waiting": 0, "readings": 0, "failing": null, "behind": 41, "behind_s": null },
        "collecting": collecting,
        "links": { "up": 1, "total": 2, "refused": refused },
        "northbound": { "refused": refused },
        "alarms": [],
    });
    assert_eq!(centre.get("/api/v1/health").await, (StatusCode::OK, good));
    let alarm = |cause| Alarm { cause, ..an_alarm() };
    let alarms = [AlarmCause::LinkDown { terminal: terminal() }, AlarmCause::JournalDamaged].map(alarm).to_vec();
    centre.view.send_replace(Arc::new(View { alarms, ..a_view() }));
    let (_, health) = centre.get("/api/v1/health").await;
    let told: Vec<_> = health["alarms"].as_array().unwrap().iter().map(|alarm| &alarm["cause"]).collect();
    assert_eq!(told, [&json!({ "cause": "journal_damaged" })], "its own only");
    let since = Instant::now().checked_sub(Duration::from_secs(90)).unwrap();
    centre.health.send_replace(Health::Failing { since, error: "disk full".into() });
    let failing = Some("disk full".into());
    centre.backlog.send_replace(Backlog {
        stored: Position(31),
        waiting: 5,
        readings: 99,
        failing,
        oldest: Some(Timestamp::new(NOW.get() - 61_500)),
        damaged: None,
    });
    let (status, health) = centre.get("/api/v1/health").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        health["store"],
        json!({ "stored": 31, "waiting": 5, "readings": 99, "failing": "disk full", "behind": 10, "behind_s": 61 })
    );
    assert_eq!((&health["journal"]["state"], &health["journal"]["error"]), (&json!("failing"), &json!("disk full")));
    assert!((90..100).contains(&health["journal"]["since_s"].as_u64().unwrap()), "{health}");
}

#[tokio::test]
async fn health_tells_those_turned_away_at_the_northbound_door_from_terminals() {
    let centre = Centre::start().await;
    let note = |refusals: &Refusals, why| refusals.note(Instant::now(), NOBODY, why, "");
    note(&centre.refusals, TurnedAway::Links);
    note(&centre.refusals_above, TurnedAway::Address);
    note(&centre.refusals_above, TurnedAway::Tls);
    let (_, health) = centre.get("/api/v1/health").await;
    let refused = |door: &str| {
        let counts = health[door]["refused"].as_object().unwrap().iter();
        counts.filter(|(_, n)| **n != json!(0)).map(|(name, n)| (name.clone(), n.clone())).collect::<Vec<_>>()
    };
    assert_eq!(refused("links"), [("links".to_owned(), json!(1))]);
    assert_eq!(refused("northbound"), [("address".to_owned(), json!(1)), ("tls".to_owned(), json!(1))]);
}

#[tokio::test]
async fn the_console_learns_of_a_failing_disk_with_the_view() {
    use crate::console::message::{Health as Told, Journal, Store};
    let centre = Centre::start().await;
    let good = Told { store: Store { behind: 41, ..Store::default() }, ..Told::default() };
    assert_eq!(centre.console().view_and_health().await.unwrap(), (a_view(), good));
    let since = Instant::now().checked_sub(Duration::from_secs(90)).unwrap();
    centre.health.send_replace(Health::Failing { since, error: "disk full".into() });
    centre.backlog.send_modify(|backlog| backlog.failing = Some("no space".into()));
    let (_, told) = centre.console().view_and_health().await.unwrap();
    let Journal::Failing { since_s, error } = told.journal else { panic!("{told:?}") };
    assert!((90..100).contains(&since_s) && error == "disk full", "{since_s} {error}");
    assert_eq!(told.store, Store { failing: Some("no space".into()), behind: 41, behind_s: None });
}
