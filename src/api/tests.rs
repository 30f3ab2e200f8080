//! The API over real sockets, in front of a stand-in for the engine. Every wait has an end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use headroom_rules::dressing::{DressOn, DressingId};
use headroom_rules::groups::{Group, GroupAct, GroupId, GroupLine, GroupScope, GroupState, Member, MemberState};
use headroom_rules::input::{Authority, Input, Origin, Request};
use headroom_rules::model::{NodeId, Power, Quality, Reading, RoundNo, Span, TerminalId, Timestamp};
use headroom_rules::orders::{Action, Issuer, NotSent, Order, OrderId, OrderState};
use headroom_rules::outlook::Level;
use headroom_rules::output::{
    Alarm, AlarmCause, AlarmId, AlarmState, Audit, CalculatedMinute, Event, Happening, LoadMinute, Output, Refusal,
    Reply,
};
use headroom_rules::tags::{TagId, TagOn};
use headroom_rules::view::{Burden, DryRun, NotPlanned, Resumption, Stopped, TerminalDetail, TerminalView, View};
use headroom_terminals::agent::CURVE_FILE;
use headroom_terminals::iec104::access::refusals::{NOBODY, Refusal as TurnedAway, Refusals};
use headroom_terminals::iec104::asdu::element::{Qcc, Qoi};
use headroom_terminals::iec104::controlling::Answer as StationAnswer;
use headroom_terminals::iec104::controlling::Request as StationRequest;
use headroom_terminals::iec104::controlling::{FileAnswer, FileRequest};
use headroom_terminals::iec104::files::Failure;
use headroom_terminals::iec104::task::Ask;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;
use crate::centre::{Collecting, Demand, Fetcher, Question};
use crate::clock::Clock;
use crate::config::OperatorEntry;
// The console's own client: what it cannot read is a fault of the API.
use crate::console::client::{Client, ClientError};
use crate::console::message::{About, Answer, Asked, Message};
use crate::journal::{Health, Position, Submission};
use crate::store::{Backlog, Entry, Store, StoreReader};

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// As long as the right one, and differs in the last character only.
const WRONG: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdee";
const NOW: Timestamp = Timestamp::new(1_800_000_000_000);
const SOON: Duration = Duration::from_secs(8);

/// A centre with one terminal, T-1. Orders tell the stand-in what to do: #1 is granted, #2 refused, #3 loses its answer
/// because the centre stops, #4 gets none in time.
struct Centre {
    url: String,
    http: reqwest::Client,
    stop: watch::Sender<bool>,
    view: watch::Sender<Arc<View>>,
    health: watch::Sender<Health>,
    backlog: watch::Sender<Backlog>,
    refusals: Arc<Refusals>,
    refusals_above: Arc<Refusals>,
    asked: Arc<Mutex<Vec<(Origin, Request)>>>,
    demanded: mpsc::Receiver<Ask>,
    served: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

fn terminal() -> TerminalId {
    "T-1".parse().unwrap()
}

/// What the bearer of [`TOKEN`] answers for.
fn bound() -> Authority {
    Authority { area: Some(vec!["F1".parse().unwrap()]), supervisor: true }
}

fn a_view() -> View {
    let line = |id: &str, link_up| TerminalView {
        id: id.parse().unwrap(),
        customer: None,
        name: "第三钢铁厂".into(),
        node: None,
        link_up,
        power: Some(Power::from_kw(310)),
        dressed: None,
        quality: Quality::NOT_TOPICAL,
        stands_in: None,
        stale: false,
        frozen: false,
        arrived_at: Some(NOW),
        contract: None,
        guaranteed: false,
        safety_floor: Power::ZERO,
        priority: None,
        rounds: Vec::new(),
    };
    View { now: NOW, terminals: vec![line("T-1", true), line("T-2", false)], ..View::default() }
}

fn a_detail() -> TerminalDetail {
    TerminalDetail {
        summary: a_view().terminals[0].clone(),
        points: Vec::new(),
        dressings: Vec::new(),
        orders: vec![an_order()],
        alarms: Vec::new(),
        parameters: None,
        interlocks: Vec::new(),
        burden: Burden::default(),
        forbidden: Vec::new(),
    }
}

fn an_order() -> Order {
    Order {
        id: OrderId(7),
        terminal: terminal(),
        action: Action::Trip { round: RoundNo::ALL[0] },
        qualifier: None,
        issuer: Issuer::Operator { name: "wang".into() },
        reason: "maintenance".into(),
        state: OrderState::Confirmed,
        detail: String::new(),
        issued_at: NOW,
        changed_at: NOW,
        expires_at: NOW,
        power_before: None,
        power_after: None,
    }
}

fn a_group() -> Group {
    let line = GroupLine {
        id: GroupId(3),
        act: GroupAct::Trip,
        scope: GroupScope::Rounds { rounds: vec![(terminal(), RoundNo::ALL[0])] },
        reason: "storm".into(),
        state: GroupState::Approved,
        drafted_by: "wang".into(),
        second_person: true,
        approved_by: Some("li".into()),
        power: Power::from_kw(1_200),
        drafted_at: NOW,
        changed_at: NOW,
        expires_at: NOW,
        rounds: 1,
        left_out: 0,
        confirmed: 0,
        failed: 0,
    };
    let member = Member {
        terminal: terminal(),
        round: RoundNo::ALL[0],
        power: Power::from_kw(1_200),
        state: MemberState::Waiting,
        order: None,
        why: String::new(),
    };
    Group { line, members: vec![member], notice: None }
}

fn an_alarm() -> Alarm {
    let cause = AlarmCause::LinkDown { terminal: terminal() };
    Alarm {
        id: AlarmId(3),
        cause,
        priority: cause.priority(),
        state: AlarmState::Unacknowledged,
        raised_at: NOW,
        changed_at: NOW,
        detail: String::new(),
        acknowledged_by: None,
        comment: String::new(),
    }
}

/// Values of ten minutes ago, of now and of two hours ago; one order, alarm and audit entry, and two events.
async fn fill(store: &mut Store) {
    let ago = |seconds: i64| Timestamp::new(NOW.get() - seconds * 1_000);
    let reading = |seconds, value, quality| Reading {
        point: headroom_rules::model::PointKind::ActivePower,
        value,
        quality,
        source_time: Some(ago(seconds)),
        cause: 3,
    };
    let readings = vec![
        reading(7_200, 1, Quality::GOOD),
        reading(600, 310_000, Quality::NOT_TOPICAL),
        reading(0, -5, Quality::GOOD),
    ];
    let event =
        |at| Output::Event(Event { at, source_time: None, what: Happening::Link { terminal: terminal(), up: true } });
    let audit = Audit {
        at: NOW,
        who: "wang".into(),
        from: "10.0.0.7:1".into(),
        action: "trip round 1".into(),
        object: "#7".into(),
        before: String::new(),
        after: "selecting".into(),
    };
    let minute = Output::Load(LoadMinute {
        node: "F-1".parse().unwrap(),
        from: ago(600),
        min: Power::from_kw(800),
        max: Power::from_kw(1_100),
        mean: Power::from_kw(900),
        last: Power::from_kw(950),
        known: Span::from_s(60),
        over: Span::from_s(20),
        limit: Some(RATED),
    });
    let calculated = Output::Calculated(CalculatedMinute {
        point: "SUM".parse().unwrap(),
        from: ago(600),
        min: 1_000,
        max: 3_500,
        mean: 2_000,
        last: 3_000,
        known: Span::from_s(60),
    });
    let outputs = vec![
        calculated,
        Output::Order(an_order()),
        Output::Alarm(an_alarm()),
        event(ago(60)),
        event(NOW),
        Output::Audit(audit),
        minute,
    ];
    let input = Input::Readings { at: NOW, terminal: terminal(), readings };
    store.write(&[Entry { position: Position(1), input, outputs }]).await.unwrap();
}

impl Centre {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).await.unwrap();
        fill(&mut store).await;
        let (view, views) = watch::channel(Arc::new(a_view()));
        let (submissions, submitted) = mpsc::channel(8);
        let (questions, questioned) = mpsc::channel(8);
        let (health, healths) = watch::channel(Health::Good);
        let (backlog, backlogs) = watch::channel(Backlog::default());
        let (refusals, refusals_above) = <(Arc<Refusals>, Arc<Refusals>)>::default();
        let asked = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(stand_in(submitted, Arc::clone(&asked)));
        tokio::spawn(answer_questions(questioned));
        let (demand, demanded) = Demand::of(terminal());
        let clock = Clock::from_source(60.0, || NOW);
        let reader = StoreReader::open(folder.path()).await.unwrap();
        let fetcher = Fetcher::new(demand.lines(), submissions.clone(), reader.clone(), clock.clone());
        let handle = Handle {
            view: views,
            submissions,
            questions,
            turns: Default::default(),
            demand,
            fetcher,
            collecting: watch::channel(Collecting::default()).1,
            health: healths,
            gauge: Arc::default(),
            backlog: backlogs,
            applied: watch::channel(Position(41)).1,
            refusals: Arc::clone(&refusals),
            refusals_above: Arc::clone(&refusals_above),
            store: reader,
            clock,
            utc_offset: Span::from_s(8 * 3_600),
        };
        let operators = [
            OperatorEntry {
                name: "li".into(),
                token_sha256: [7; 32],
                authority: Authority::default(),
                area_line: None,
            },
            OperatorEntry { name: "wang".into(), token_sha256: sha2_of(TOKEN), authority: bound(), area_line: None },
        ];
        let listener = bind("127.0.0.1:0".parse().unwrap(), "address").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopping) = watch::channel(false);
        let served = tokio::spawn(serve(listener, handle, Operators::new(&operators), stopping));
        let http = reqwest::Client::builder().timeout(SOON).no_proxy().pool_max_idle_per_host(0).build().unwrap();
        Self {
            url,
            http,
            stop,
            view,
            health,
            backlog,
            refusals,
            refusals_above,
            asked,
            demanded,
            served,
            _folder: folder,
        }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(self.request(Method::GET, path).bearer_auth(TOKEN)).await
    }

    async fn post(&self, body: &Value) -> (StatusCode, Value) {
        read(self.request(Method::POST, "/api/v1/requests").bearer_auth(TOKEN).json(body)).await
    }

    fn console(&self) -> Client {
        Client::new(&self.url, TOKEN.into()).unwrap()
    }

    async fn socket(&self) -> TcpStream {
        TcpStream::connect(self.url.trim_start_matches("http://")).await.unwrap()
    }
}

fn sha2_of(token: &str) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(token).into()
}

async fn read(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap())
}

async fn stand_in(mut submitted: mpsc::Receiver<Submission>, asked: Arc<Mutex<Vec<(Origin, Request)>>>) {
    let mut unanswered = Vec::new();
    while let Some(Submission { input, reply, .. }) = submitted.recv().await {
        let Input::Request { at: NOW, origin, request } = input else { panic!("{input:?}") };
        let reply = reply.unwrap();
        match request {
            Request::Execute { order: OrderId(2) } => {
                reply.send(Err(Refusal::UnknownOrder { order: OrderId(2) })).unwrap();
            }
            Request::SetLimit { node, limit, .. } if limit > RATED => {
                reply.send(Err(Refusal::LimitAboveRating { node, limit, rated: RATED })).unwrap();
            }
            Request::SetLimit { .. } => reply.send(Ok(Reply::Done)).unwrap(),
            Request::Execute { order: OrderId(3) } => drop(reply),
            Request::Execute { order: OrderId(4) } => unanswered.push(reply),
            _ => reply.send(Ok(Reply::Order { order: OrderId(1) })).unwrap(),
        }
        asked.lock().unwrap().push((origin, request));
    }
}

fn a_resumption() -> Resumption {
    let stopped = Stopped { since: NOW, by: "li".into(), reason: "smoke".into() };
    let what = Happening::Futile { node: "F1".parse().unwrap(), passes: 3, load: RATED, limit: RATED };
    let acts = vec![Event { at: NOW, source_time: None, what }];
    Resumption { stopped, at: NOW, within: Span::from_s(60), acts }
}

fn a_dry_run(node: NodeId, limit: Option<Power>) -> Result<DryRun, NotPlanned> {
    if node != "F1".parse().unwrap() {
        return Err(NotPlanned::NoRule { node });
    }
    let limit = limit.unwrap_or(RATED);
    Ok(DryRun {
        node,
        at: NOW,
        load: RATED,
        limit,
        target: limit.percent(95),
        level: Level::of(RATED, limit),
        plans: Vec::new(),
        shed: Power::ZERO,
        rounds: 0,
        customers: 0,
        missing: Power::ZERO,
        refused: None,
    })
}

async fn answer_questions(mut questioned: mpsc::Receiver<Question>) {
    while let Some(question) = questioned.recv().await {
        match question {
            Question::Terminal(id, answer) => drop(answer.send((id == terminal()).then(a_detail))),
            Question::Group(id, answer) => drop(answer.send((id == GroupId(3)).then(a_group))),
            Question::Resumption(answer, _) => drop(answer.send(Some(a_resumption()))),
            Question::DryRun(node, limit, answer, _) => drop(answer.send(a_dry_run(node, limit))),
        }
    }
}

/// What the centre's stand-in lets nobody set a limit above.
const RATED: Power = Power::from_kw(1_000);

fn execute(order: u64) -> Value {
    json!({ "request": "execute", "order": order })
}

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

#[tokio::test]
async fn a_stop_ends_the_server_while_clients_stay_connected() {
    let centre = Centre::start().await;
    let ask = format!("GET /api/v1/about HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    // One that keeps its connection after an answer, one that never said anything.
    let mut idle = centre.socket().await;
    idle.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = [0; 1024];
    let n = timeout(SOON, idle.read(&mut answer)).await.unwrap().unwrap();
    assert!(answer[..n].starts_with(b"HTTP/1.1 200 "));
    let mut silent = centre.socket().await;
    centre.stop.send_replace(true);
    timeout(Duration::from_secs(1), centre.served).await.unwrap().unwrap();
    for socket in [&mut idle, &mut silent] {
        assert_eq!(timeout(SOON, socket.read(&mut answer)).await.unwrap().unwrap_or(0), 0);
    }
    assert!(TcpStream::connect(centre.url.trim_start_matches("http://")).await.is_err());
}

#[tokio::test]
async fn a_stop_lets_an_answer_finish_but_waits_for_no_unfinished_question() {
    let centre = Centre::start().await;
    let mut half = centre.socket().await;
    half.write_all(b"GET /api/v1/about HTTP/1.1\r\nhost:").await.unwrap();
    let post = centre.request(Method::POST, "/api/v1/requests").bearer_auth(TOKEN).json(&execute(4));
    let answer = tokio::spawn(read(post));
    while centre.asked.lock().unwrap().is_empty() {
        sleep(Duration::from_millis(5)).await;
    }
    // The answer has about 1.5 s to go, and the stop waits for 2 s.
    sleep(Duration::from_millis(500)).await;
    centre.stop.send_replace(true);
    let begun = Instant::now();
    assert_eq!(timeout(SOON, answer).await.unwrap().unwrap().0, StatusCode::GATEWAY_TIMEOUT);
    timeout(SOON, centre.served).await.unwrap().unwrap();
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(1_000) && took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn a_server_whose_stop_is_forgotten_ends_too() {
    let centre = Centre::start().await;
    drop(centre.stop);
    timeout(Duration::from_secs(1), centre.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_is_slow_with_headers_is_cut_off() {
    let centre = Centre::start().await;
    let mut slow = centre.socket().await;
    let begun = Instant::now();
    slow.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    let dripping = async {
        loop {
            sleep(Duration::from_millis(500)).await;
            if slow.write_all(b"x: y\r\n").await.is_err() {
                break;
            }
        }
    };
    timeout(Duration::from_secs(14), dripping).await.unwrap();
    assert!(begun.elapsed() > Duration::from_secs(9));
}

#[tokio::test]
async fn strangers_who_say_nothing_keep_nobody_out() {
    let centre = Centre::start().await;
    let mut silent = Vec::new();
    for _ in 0..400 {
        silent.push(centre.socket().await);
    }
    let (status, _) = timeout(SOON, centre.get("/api/v1/about")).await.unwrap();
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn an_address_in_use_is_told_with_what_to_do() {
    let taken = bind("127.0.0.1:0".parse().unwrap(), "x").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address, "[api] listen in serve.toml").await.unwrap_err();
    let port = address.port();
    assert_eq!(
        error.to_string(),
        format!(
            "the API's address {address} is in use by another process; stop that one (`ss -ltnp 'sport = :{port}'` \
             shows it) or set another [api] listen in serve.toml"
        )
    );
    let foreign = bind("192.0.2.1:80".parse().unwrap(), "address with --listen").await.unwrap_err().to_string();
    assert!(foreign.contains("none of this machine's; set another address with --listen"), "{foreign}");
}
