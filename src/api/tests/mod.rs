//! The API over real sockets, in front of a stand-in for the engine. Every wait has an end.

mod access;
mod health;
mod reading;
mod requests;
mod serving;
mod terminals;

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
        measures: Default::default(),
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
