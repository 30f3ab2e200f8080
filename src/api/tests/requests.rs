//! What people ask: how each request is taken, refused, and told.

use super::*;

#[tokio::test]
async fn what_comes_of_a_request_is_told_by_the_status() {
    let centre = Centre::start().await;
    assert_eq!(centre.post(&execute(1)).await, (StatusCode::OK, json!({ "reply": "order", "order": 1 })));
    let refused = json!({
        "error": "order #2 does not exist",
        "refusal": { "refusal": "unknown_order", "order": 2 },
    });
    assert_eq!(centre.post(&execute(2)).await, (StatusCode::CONFLICT, refused));
    // Both are in the journal, so that nobody may say that nothing was done.
    for (order, wanted) in [(3, StatusCode::SERVICE_UNAVAILABLE), (4, StatusCode::GATEWAY_TIMEOUT)] {
        let (status, body) = centre.post(&execute(order)).await;
        assert_eq!(status, wanted);
        assert!(body["error"].as_str().unwrap().contains("may still take effect"), "{body}");
    }
    centre.health.send_replace(Health::Failing { since: Instant::now(), error: "disk full".into() });
    let journal = json!({ "error": "the journal cannot be written, so nothing was done: disk full" });
    assert_eq!(centre.post(&execute(1)).await, (StatusCode::SERVICE_UNAVAILABLE, journal));
    let asked = centre.asked.lock().unwrap();
    assert_eq!(asked.len(), 4);
    let (origin, request) = &asked[0];
    assert_eq!((origin.operator.as_str(), request), ("wang", &Request::Execute { order: OrderId(1) }));
    assert_eq!(origin.authority, bound(), "the area goes with the request, from the token's entry and nowhere else");
    assert!(origin.from.starts_with("127.0.0.1:"), "{origin:?}");
}

#[tokio::test]
async fn a_limit_is_set_with_a_reason_and_by_nobody_without_a_token() {
    let centre = Centre::start().await;
    let set =
        |limit: i64, reason: &str| json!({ "request": "set_limit", "node": "F1", "limit": limit, "reason": reason });
    let post = || centre.request(Method::POST, "/api/v1/requests").json(&set(900_000, "peak"));
    assert_eq!(read(post()).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(*centre.asked.lock().unwrap(), [], "nobody-in");
    assert_eq!(centre.post(&set(900_000, "peak")).await, (StatusCode::OK, json!({ "reply": "done" })));
    let (status, body) = centre.post(&set(1_200_000, "")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let refused = json!({
        "error": "F1: a limit of 1200.0 kW is above its rating of 1000.0 kW, which only the rule file can change",
        "refusal": { "refusal": "limit_above_rating", "node": "F1", "limit": 1_200_000, "rated": 1_000_000 },
    });
    assert_eq!(body, refused);
    let (origin, request) = centre.asked.lock().unwrap()[0].clone();
    let wanted = Request::SetLimit {
        node: "F1".parse().unwrap(),
        limit: Power::from_kw(900),
        expected: None,
        reason: "peak".into(),
    };
    assert_eq!((origin.operator.as_str(), request), ("wang", wanted));
}

#[tokio::test]
async fn a_target_is_asked_for_at_its_nodes_address_and_by_nobody_without_a_token() {
    let centre = Centre::start().await;
    let path = "/api/v1/nodes/F1/target";
    let post = |body: Value| centre.request(Method::POST, path).json(&body);
    let to = NOW.get() + 3_600_000;
    assert_eq!(read(post(json!({ "reduction": 1, "to": to }))).await.0, StatusCode::UNAUTHORIZED);
    for (body, wanted) in [
        (json!({ "to": to }), "missing field `reduction`"),
        (json!({ "reduction": 1, "to": to, "form": 5 }), "unknown field `form`"),
        (json!({ "reduction": 1, "to": to, "reason": "a\u{7}b" }), "the reason has the control character"),
    ] {
        let (status, body) = read(post(body).bearer_auth(TOKEN)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(body["error"].as_str().unwrap().contains(wanted), "{body}");
    }
    assert_eq!(*centre.asked.lock().unwrap(), [], "nobody-in, and nothing that makes no sense");
    let body =
        json!({ "reduction": 12_000_000, "from": NOW.get() + 60_000, "to": to, "reason": "the region is short" });
    assert_eq!(read(post(body).bearer_auth(TOKEN)).await.0, StatusCode::OK);
    let asked = centre.asked.lock().unwrap();
    let wanted = Request::SetTarget {
        node: "F1".parse().unwrap(),
        reduction: Power::from_kw(12_000),
        from: NOW.after(Span::from_s(60)),
        to: NOW.after(Span::from_s(3_600)),
        reason: "the region is short".into(),
    };
    assert_eq!((asked[0].0.operator.as_str(), &asked[0].1), ("wang", &wanted));
}

#[tokio::test]
async fn a_group_order_is_drawn_up_approved_executed_and_called_off_and_told_round_by_round() {
    let centre = Centre::start().await;
    let scope = json!({ "scope": "node", "node": "F1", "class": 5, "numbers": [1, 2] });
    for body in [
        json!({ "request": "draft_group", "act": "trip", "scope": scope, "reason": "storm" }),
        json!({ "request": "draft_group", "act": "restore", "scope": { "scope": "rounds", "rounds": [["T-1", 1]] } }),
        json!({ "request": "approve_group", "group": 3 }),
        json!({ "request": "execute_group", "group": 3 }),
        json!({ "request": "cancel_group", "group": 3, "reason": "over" }),
    ] {
        assert_eq!(centre.post(&body).await.0, StatusCode::OK, "{body}");
    }
    let asked = centre.asked.lock().unwrap().clone();
    assert_eq!(asked[2].1, Request::ApproveGroup { group: GroupId(3), seen: None });
    assert!(matches!(&asked[0].1, Request::DraftGroup { act: GroupAct::Trip, scope: GroupScope::Node { .. }, .. }));
    let (status, body) = centre.get("/api/v1/groups/3").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(serde_json::from_value::<Group>(body.clone()).unwrap(), a_group());
    assert_eq!((&body["approved_by"], &body["members"][0]["state"]), (&json!("li"), &json!("waiting")));
    let (status, body) = centre.get("/api/v1/groups/4").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(body["error"], "group order G4 does not exist, or is of long ago");
}

#[tokio::test]
async fn a_tag_is_hung_and_taken_off_with_one_call_each() {
    let centre = Centre::start().await;
    let on = json!({ "what": "round", "terminal": "T-1", "round": 2 });
    let body = json!({ "request": "set_tag", "on": on, "reason": "men at work", "origin": { "authority": {} } });
    assert_eq!(centre.post(&body).await.0, StatusCode::OK);
    assert_eq!(centre.post(&json!({ "request": "remove_tag", "tag": 4 })).await.0, StatusCode::OK);
    let asked = centre.asked.lock().unwrap();
    let on = TagOn::Round { terminal: terminal(), round: RoundNo::ALL[1] };
    assert_eq!(asked[0].1, Request::SetTag { on, reason: "men at work".into() });
    assert_eq!(asked[0].0.authority, bound(), "nobody writes the own authority");
    assert_eq!(asked[1].1, Request::RemoveTag { tag: TagId(4), reason: String::new() });
}

#[tokio::test]
async fn a_value_is_put_in_by_hand_and_taken_off_with_one_call_each() {
    let centre = Centre::start().await;
    let on = json!({ "what": "round_position", "terminal": "T-1", "round": 2 });
    let body = json!({ "request": "dress", "on": on, "value": 1, "until": NOW.get(), "reason": "seen on site" });
    assert_eq!(centre.post(&body).await.0, StatusCode::OK);
    assert_eq!(centre.post(&json!({ "request": "undress", "dressing": 4 })).await.0, StatusCode::OK);
    let asked = centre.asked.lock().unwrap();
    let on = DressOn::RoundPosition { terminal: terminal(), round: RoundNo::ALL[1] };
    assert_eq!(asked[0].1, Request::Dress { on, value: 1, until: NOW, reason: "seen on site".into() });
    assert_eq!(asked[1].1, Request::Undress { dressing: DressingId(4), reason: String::new() });
}

#[tokio::test]
async fn the_console_reads_what_resuming_would_do_and_one_call_stops_everything() {
    let centre = Centre::start().await;
    let client = Client::new(&centre.url, TOKEN.into()).unwrap();
    let Message::Resumption(preview) = client.resumption().await else { panic!("a preview is wanted") };
    assert_eq!(preview, Ok(Some(a_resumption())));
    centre.post(&json!({ "request": "stop_automatic", "reason": "smoke" })).await;
    assert_eq!(centre.asked.lock().unwrap()[0].1, Request::StopAutomatic { reason: "smoke".into() });
    let (status, _) = centre.post(&json!({ "request": "resume_automatic", "reason": "a\u{7}b" })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a bell is no text");
}

#[tokio::test]
async fn what_a_rule_would_do_is_asked_with_a_limit_or_without_and_refused_with_a_sentence() {
    let centre = Centre::start().await;
    let client = Client::new(&centre.url, TOKEN.into()).unwrap();
    let f1 = "F1".parse().unwrap();
    let run = client.dry_run(f1, None).await.unwrap();
    assert_eq!((run.limit, run.level), (RATED, None));
    let run = client.dry_run(f1, Some(900)).await.unwrap();
    assert_eq!((run.limit, run.level), (Power::from_kw(900), Some(Level::Yellow)));
    let error = client.dry_run("F2".parse().unwrap(), None).await.unwrap_err();
    assert_eq!(error.to_string(), "F2: no rule limits it, so there is nothing that would be done");
    let (status, _) = centre.get("/api/v1/nodes/F1/plan?limit_kw=0").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_body_that_is_no_request_is_told_what_is_wrong_and_goes_no_further() {
    let centre = Centre::start().await;
    let comment = |text: &str| json!({ "request": "acknowledge_alarm", "alarm": 3, "comment": text }).to_string();
    let select = |text: &str| {
        json!({ "request": "select", "terminal": "T-1", "action": { "action": "trip", "round": 1 }, "reason": text })
            .to_string()
    };
    let parameters = |parameters: Value| {
        json!({ "request": "set_parameters", "terminal": "T-1", "parameters": parameters, "reason": "" }).to_string()
    };
    let limit = |watts: &str, reason: &str| {
        let reason = json!(reason);
        format!(r#"{{"request":"set_limit","node":"F1","limit":{watts},"reason":{reason}}}"#)
    };
    for (body, wanted) in [
        (String::new(), "EOF"),
        ("{]".into(), "line 1 column 2"),
        (r#"{"request":"destroy"}"#.into(), "unknown variant `destroy`"),
        (r#"{"request":"execute"}"#.into(), "missing field `order`"),
        (execute(1).to_string() + "x", "trailing characters"),
        (select("x").replace("T-1", "T 1"), "wanted letters"),
        (comment(&"é".repeat(501)), "the comment has 501 characters: wanted at most 500"),
        (comment("a\u{1b}[2J"), "the comment has the control character \\u{1b}:"),
        (select("two\nlines"), "the reason has the control character \\u{a}:"),
        (select("cap 5\u{202e}0"), "the reason has the control character \\u{202e}:"),
        (limit("900", "a\u{7}"), "the reason has the control character \\u{7}:"),
        (limit("900.5", ""), "invalid type: floating point `900.5`"),
        (limit("9223372036854775808", ""), "expected i64"),
        (limit("null", ""), "invalid type: null"),
        (r#"{"request":"set_limit","node":"F1","limit":900}"#.into(), "missing field `reason`"),
        (comment("one\u{2028}two"), "the comment has the control character \\u{2028}:"),
        (parameters(json!({ "window_min": 0 })), "parameters: window_min = 0: wanted 1 to 60 min"),
        (parameters(json!({ "message": "5\u{202e}0 kW" })), "the message has the control character \\u{202e}:"),
    ] {
        let request = centre.request(Method::POST, "/api/v1/requests").bearer_auth(TOKEN).body(body.clone());
        let (status, answer) = read(request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer["error"].as_str().unwrap().contains(wanted), "{body}: {answer}");
    }
    assert_eq!(*centre.asked.lock().unwrap(), []);
    for body in [comment(&"é".repeat(500)), comment(""), select("第三钢铁厂 🙂")] {
        let request = centre.request(Method::POST, "/api/v1/requests").bearer_auth(TOKEN).body(body.clone());
        assert_eq!(read(request).await.0, StatusCode::OK, "{body}");
    }
}

#[tokio::test]
async fn an_oversize_body_is_turned_away_with_413() {
    let centre = Centre::start().await;
    let padded = |len: usize| {
        let body = execute(1).to_string();
        " ".repeat(len - body.len()) + body.as_str()
    };
    let post = || centre.request(Method::POST, "/api/v1/requests").bearer_auth(TOKEN);
    assert_eq!(read(post().body(padded(16 * 1024))).await.0, StatusCode::OK);
    for len in [16 * 1024 + 1, 200_000, 1_000_000] {
        let (status, body) = read(post().body(padded(len))).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{len}");
        assert_eq!(body["error"], "the body is too large: wanted at most 16384 bytes");
    }
    assert_eq!(centre.asked.lock().unwrap().len(), 1);
    // In pieces, without saying how long it will be.
    let mut socket = centre.socket().await;
    let head = format!(
        "POST /api/v1/requests HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\
         transfer-encoding: chunked\r\n\r\n4001\r\n{}\r\n0\r\n\r\n",
        padded(0x4001)
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(SOON, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}
