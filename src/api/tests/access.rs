//! Who gets in, and what each address and method answers.

use super::*;

/// Every address, real ones and others.
const ADDRESSES: &[&str] = &[
    "/",
    "/healthz/",
    "/healthz/x",
    "//healthz",
    "/api/v1/../../healthz",
    "/metrics",
    "/api",
    "/api/v1",
    "/api/v1/",
    "/api/v1/about",
    "/api/v1/about/",
    "/api/v1/view",
    "/api/v1/automatic",
    "/api/v1/view?x=1",
    "/api/v1/terminals",
    "/api/v1/terminals/T-1",
    "/api/v1/terminals/no%20code",
    "/api/v1/terminals/T-1/read",
    "/api/v1/terminals/T-1/trend",
    "/api/v1/terminals/T-1/trend?span_s=x",
    "/api/v1/terminals/T-1/peak",
    "/api/v1/terminals/T-1/energy",
    "/api/v1/terminals/T-1/gaps",
    "/api/v1/nodes/F-1/load",
    "/api/v1/calculated/SUM",
    "/api/v1/orders",
    "/api/v1/alarms?limit=0",
    "/api/v1/events",
    "/api/v1/audit",
    "/api/v1/health",
    "/api/v1/requests",
];

#[tokio::test]
async fn nobody_in_without_a_token() {
    let centre = Centre::start().await;
    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"];
    let credentials = [
        format!("Bearer {WRONG}"),
        "Bearer ".into(),
        "Bearer".into(),
        TOKEN.into(),
        format!("Basic {TOKEN}"),
        format!("Bearer {}", sha256_hex(TOKEN)),
    ];
    let all = ADDRESSES.iter().flat_map(|path| methods.iter().map(move |method| (*path, *method)));
    let healthz = methods.iter().filter(|method| !["GET", "HEAD"].contains(method)).map(|method| ("/healthz", *method));
    for (n, (path, method)) in all.chain(healthz).enumerate() {
        // Each address and method without a token, and with one of the wrong ones.
        let wrong = format!("authorization: {}\r\n", credentials[n % credentials.len()]);
        for authorization in ["", &wrong] {
            // By hand: a client would tidy the address up.
            let mut socket = centre.socket().await;
            let asked = format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n{authorization}\r\n{{]}}");
            socket.write_all(asked.as_bytes()).await.unwrap();
            let mut answer = String::new();
            timeout(SOON, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
            assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{asked}\n{answer}");
            assert!(answer.contains("www-authenticate: Bearer\r\n"), "{asked}\n{answer}");
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            let wanted = r#"{"error":"no valid token: wanted Authorization: Bearer TOKEN"}"#;
            assert_eq!(body, if method == "HEAD" { "" } else { wanted }, "{asked}");
        }
    }
    assert_eq!(*centre.asked.lock().unwrap(), []);
}

#[tokio::test]
async fn two_tokens_at_once_are_none() {
    let centre = Centre::start().await;
    let request = centre.request(Method::GET, "/api/v1/about").bearer_auth(TOKEN).bearer_auth(WRONG);
    assert_eq!(read(request).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn with_a_token_each_address_and_method_has_its_own_status() {
    let centre = Centre::start().await;
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/terminals", 404),
        ("GET", "/api/v1/terminals/T-1", 200),
        ("GET", "/api/v1/terminals/T-9", 404),
        ("GET", "/api/v1/terminals/no%20code", 400),
        ("GET", "/api/v1/terminals/12345678901234567", 400),
        ("HEAD", "/api/v1/view", 200),
        ("GET", "/api/v1/automatic", 200),
        ("POST", "/api/v1/automatic", 405),
        ("OPTIONS", "/api/v1/view", 204),
        ("POST", "/api/v1/view", 405),
        ("DELETE", "/healthz", 405),
        ("GET", "/api/v1/requests", 405),
        ("OPTIONS", "/api/v1/requests", 204),
        ("GET", "/api/v1/view?x=1", 200),
        ("GET", "/api/v1/orders?limit=1000", 200),
        ("GET", "/api/v1/orders?limit=1001", 400),
        ("GET", "/api/v1/alarms?limit=0", 400),
        ("GET", "/api/v1/audit?limit=5&limit=6", 400),
        ("GET", "/api/v1/audit?from=5", 200),
        ("GET", "/api/v1/audit?form=5", 400),
        ("GET", "/api/v1/events?from=x", 400),
        ("GET", "/api/v1/orders?about=T-1&from=0&to=5", 200),
        ("GET", "/api/v1/nodes/F-9/load", 404),
        ("GET", "/api/v1/nodes/no%20code/load", 400),
        ("GET", "/api/v1/calculated/F-1", 404),
        ("GET", "/api/v1/calculated/no%20code", 400),
        ("POST", "/api/v1/calculated/SUM", 405),
        ("GET", "/api/v1/nodes/F-1/load?from=5&to=5", 400),
        ("GET", "/api/v1/nodes/F-1/load?from=0&to=9223372036854775807", 400),
        ("POST", "/api/v1/nodes/F-1/load", 405),
        ("GET", "/api/v1/terminals/T-1/energy?period_s=59", 400),
        ("GET", "/api/v1/terminals/T-1/gaps?longest_s=0", 400),
        ("GET", "/api/v1/terminals/T-1/peak?point=99", 400),
        ("GET", "/api/v1/terminals/T-1/read", 405),
        ("POST", "/api/v1/terminals/T-9/read", 404),
        ("POST", "/api/v1/terminals/no%20code/read", 400),
        ("POST", "/api/v1/terminals/T-1/read?what=some", 400),
        ("POST", "/api/v1/terminals/T-1/read?what=all&point=1", 400),
        ("POST", "/api/v1/terminals/T-1/read?point=99", 400),
        ("GET", "/api/v1/completeness?day=2026-02-29", 400),
        ("GET", "/api/v1/completeness?day=2027-01-15&terminal=T-1", 200),
        ("POST", "/api/v1/completeness", 405),
        ("GET", "/api/v1/terminals/T-1/registers?of=year", 400),
        ("GET", "/api/v1/terminals/T-9/registers", 404),
        ("GET", "/api/v1/completeness?terminal=T-9", 404),
        ("GET", "/api/v1/terminals/T-1/registers?from=0&to=34646400000", 400),
        ("GET", "/api/v1/terminals/T-1/collect", 405),
        ("POST", "/api/v1/terminals/T-9/collect", 404),
        ("GET", "/api/v1/terminals/T-1/trend?point=99", 400),
        ("GET", "/api/v1/terminals/T-1/trend?span_s=2678400", 200),
        ("GET", "/api/v1/terminals/T-1/trend?span_s=2678401", 400),
    ] {
        let request = centre.request(method.parse().unwrap(), path).bearer_auth(TOKEN);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        let allow = answer.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned());
        let asks = ["requests", "read", "collect"].iter().any(|end| path.ends_with(end));
        let wanted = if asks { "POST, OPTIONS" } else { "GET, HEAD, OPTIONS" };
        assert_eq!(allow.as_deref(), [405, 204].contains(&status).then_some(wanted), "{method} {path}");
        let body = answer.text().await.unwrap();
        if status >= 400 {
            let body: Value = serde_json::from_str(&body).unwrap();
            assert!(body["error"].as_str().unwrap().len() > 10, "{method} {path}: {body}");
        } else if method != "GET" {
            assert_eq!(body, "", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_strange_target_with_a_token_hurts_nobody() {
    let centre = Centre::start().await;
    for target in ["*", "http://x/api/v1/view", "x:1", "/%", "/api/v1/terminals/%ff/trend?point=%ff"] {
        for method in ["OPTIONS", "GET", "CONNECT"] {
            let mut socket = centre.socket().await;
            let asked = format!(
                "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
            );
            socket.write_all(asked.as_bytes()).await.unwrap();
            let mut answer = String::new();
            timeout(SOON, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
            assert!(answer.starts_with("HTTP/1.1 "), "{asked}: {answer:?}");
        }
    }
    assert_eq!(centre.get("/api/v1/about").await.0, StatusCode::OK);
}
