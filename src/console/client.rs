//! The centre's HTTP API, from the console's side.

use std::time::Duration;

use headroom_rules::groups::GroupId;
use headroom_rules::input::Request;
use headroom_rules::model::{NodeId, PointKind, TerminalId, Timestamp};
use headroom_rules::view::{DryRun, Resumption, TerminalParameters, View};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};

use super::message::{About, Answer, Asked, Health, Message, TrendPoint};
use super::node::Past;
use crate::printable::printable;

/// A centre on the same network answers in milliseconds; after this it counts as not answering.
const TIMEOUT: Duration = Duration::from_secs(3);
/// For reading a terminal, a little longer than the centre waits for it; and for looking far back.
const READ_TIMEOUT: Duration = Duration::from_secs(33);
/// For what a terminal remembers of a day: a slow link takes its time for it.
const COLLECT_TIMEOUT: Duration = Duration::from_secs(120);
/// The trend reaches this far back, seconds of the centre's time.
const TREND_S: u32 = 3_600;

/// Why the centre did not give what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("{url}: no connection; check --url and that the centre runs")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("{url}: no answer within {} s", within.as_secs())]
    TimedOut { url: String, within: Duration },
    #[error("the centre does not accept the token (401): check HEADROOM_TOKEN or --token-file")]
    Unauthorized,
    #[error("{0}")]
    Refused(String),
    #[error("{url}: answered {status}: {text}")]
    Status { url: String, status: StatusCode, text: String },
    #[error("{url}: the answer cannot be read: console and centre are of different versions, or this is not a centre")]
    Unreadable { url: String, source: reqwest::Error },
}

#[derive(Deserialize)]
struct Trend {
    points: Vec<TrendPoint>,
}

#[derive(Deserialize)]
struct Collected {
    values: u64,
}

#[derive(Deserialize)]
struct Automatic {
    resumption: Option<Resumption>,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    pub(crate) fn new(url: &str, token: String) -> anyhow::Result<Self> {
        anyhow::ensure!(url.starts_with("http://"), "\"{url}\" is no address of a centre: wanted http://HOST:PORT");
        // A proxy for the web has no business between console and centre.
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, base: url.trim_end_matches('/').to_owned(), token })
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Request>,
    ) -> Result<T, ClientError> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(path, request, TIMEOUT).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    async fn send<T: DeserializeOwned>(
        &self,
        path: &str,
        request: RequestBuilder,
        within: Duration,
    ) -> Result<T, ClientError> {
        let url = format!("{}{path}", self.base);
        let request = request.timeout(within);
        let response = request.send().await.map_err(|source| {
            if source.is_timeout() {
                ClientError::TimedOut { url: self.base.clone(), within }
            } else {
                ClientError::Unreachable { url: self.base.clone(), source }
            }
        })?;
        let status = response.status();
        if status.is_success() {
            return response.json().await.map_err(|source| ClientError::Unreadable { url, source });
        }
        let text = response.text().await.unwrap_or_default();
        let sentence = serde_json::from_str::<Refused>(&text).map(|refused| printable(&refused.error).into_owned());
        Err(match (status, sentence) {
            (StatusCode::UNAUTHORIZED, _) => ClientError::Unauthorized,
            (StatusCode::CONFLICT, Ok(sentence)) => ClientError::Refused(sentence),
            (status, sentence) => {
                let text = sentence.unwrap_or_else(|_| printable(&text).into_owned()).chars().take(200).collect();
                ClientError::Status { url, status, text }
            }
        })
    }

    pub(crate) async fn about(&self) -> Result<About, ClientError> {
        self.call(Method::GET, "/api/v1/about", None).await
    }

    pub(crate) async fn view(&self) -> Result<View, ClientError> {
        self.call(Method::GET, "/api/v1/view", None).await
    }

    /// What the console polls. A view alone does not tell that the centre behind it stands still.
    pub(crate) async fn view_and_health(&self) -> Result<(View, Health), ClientError> {
        tokio::try_join!(self.view(), self.call(Method::GET, "/api/v1/health", None))
    }

    pub(crate) async fn detail(&self, id: TerminalId) -> Message {
        match self.call(Method::GET, &format!("/api/v1/terminals/{id}"), None).await {
            Ok(detail) => Message::Detail(Box::new(detail)),
            Err(error) => Message::DetailLost(id, error.to_string()),
        }
    }

    pub(crate) async fn trend(&self, id: TerminalId) -> Message {
        let point = PointKind::ActivePower.code();
        match self
            .call(Method::GET, &format!("/api/v1/terminals/{id}/trend?point={point}&span_s={TREND_S}"), None)
            .await
        {
            Ok(Trend { points }) => Message::Trend(id, points),
            Err(error) => Message::DetailLost(id, error.to_string()),
        }
    }

    /// All values of a terminal, from itself.
    pub(crate) async fn read_now(&self, id: TerminalId) -> Message {
        let path = format!("/api/v1/terminals/{id}/read");
        let done = self.send::<IgnoredAny>(&path, self.request(Method::POST, &path), READ_TIMEOUT).await;
        Message::ReadNow(id, done.map(|_| ()).map_err(in_a_sentence))
    }

    /// What a terminal has of parameters, beside what is wanted.
    pub(crate) async fn read_parameters(&self, id: TerminalId) -> Message {
        let path = format!("/api/v1/terminals/{id}/parameters/read");
        let read = self.send::<TerminalParameters>(&path, self.request(Method::POST, &path), READ_TIMEOUT).await;
        let sentence = match read {
            Ok(parameters) => format!("{id}: parameters {}", compared(&parameters)),
            Err(error) => in_a_sentence(error),
        };
        Message::Parameters(id, sentence)
    }

    /// How complete a day is.
    pub(crate) async fn completeness(&self, day: Option<i64>) -> Message {
        let date = day.map(|day| format!("?day={}", Timestamp::new(day.saturating_mul(86_400_000)).date()));
        let path = format!("/api/v1/completeness{}", date.unwrap_or_default());
        let answer = self.send(&path, self.request(Method::GET, &path), READ_TIMEOUT).await;
        Message::Completeness(day, answer.map_err(in_a_sentence))
    }

    /// How a node did from one time to another.
    pub(crate) async fn curve(&self, past: Past, from: Timestamp, to: Timestamp) -> Message {
        let path = format!("/api/v1/nodes/{}/load?from={}&to={}", past.node, from.get(), to.get());
        let answer = self.send(&path, self.request(Method::GET, &path), READ_TIMEOUT).await;
        Message::Curve(past, answer.map_err(in_a_sentence))
    }

    /// What a terminal remembers and the centre's store lacks of a time.
    pub(crate) async fn collect(&self, id: TerminalId, from: Timestamp, to: Timestamp) -> Message {
        let path = format!("/api/v1/terminals/{id}/collect?from={}&to={}", from.get(), to.get());
        let done = self.send(&path, self.request(Method::POST, &path), COLLECT_TIMEOUT).await;
        Message::Collected(id, done.map(|Collected { values }| values).map_err(in_a_sentence))
    }

    /// What resuming automatic control would do.
    pub(crate) async fn resumption(&self) -> Message {
        let path = "/api/v1/automatic";
        let answer = self.send::<Automatic>(path, self.request(Method::GET, path), READ_TIMEOUT).await;
        Message::Resumption(answer.map(|automatic| automatic.resumption).map_err(in_a_sentence))
    }

    /// What the rule of a node would do now, under a limit in kW or under the one in force.
    pub(crate) async fn dry_run(&self, node: NodeId, limit_kw: Option<u32>) -> Result<DryRun, ClientError> {
        let limit = limit_kw.map_or_else(String::new, |kw| format!("?limit_kw={kw}"));
        let path = format!("/api/v1/nodes/{node}/plan{limit}");
        self.send(&path, self.request(Method::GET, &path), READ_TIMEOUT).await
    }

    /// A group order with its rounds.
    pub(crate) async fn group(&self, id: GroupId) -> Message {
        let path = format!("/api/v1/groups/{}", id.0);
        let answer = self.send(&path, self.request(Method::GET, &path), TIMEOUT).await;
        Message::Group(id, answer.map_err(in_a_sentence))
    }

    /// What is wanted of a terminal is noted, sent and read back.
    pub(crate) async fn set_parameters(&self, id: TerminalId, set: Value, reason: String) -> Message {
        let path = format!("/api/v1/terminals/{id}/parameters");
        let request = self.request(Method::POST, &path).json(&json!({ "set": set, "reason": reason }));
        let answer = self.send::<TerminalParameters>(&path, request, READ_TIMEOUT).await;
        let sentence = answer.map(|parameters| format!("{id}: parameters {}", compared(&parameters)));
        Message::ParametersSent(id, sentence.map_err(in_a_sentence))
    }

    pub(crate) async fn ask(&self, asked: Asked, request: Request) -> Message {
        let answer = match self.call(Method::POST, "/api/v1/requests", Some(&request)).await {
            Ok(reply) => Answer::Granted(reply),
            Err(error @ (ClientError::Refused(_) | ClientError::Unauthorized)) => Answer::Refused(error.to_string()),
            // A client error was turned away before it reached the engine.
            Err(error @ ClientError::Status { status, .. }) if status.is_client_error() => {
                Answer::Refused(error.to_string())
            }
            Err(error) => Answer::Unanswered(error.to_string()),
        };
        Message::Answer(asked, answer)
    }
}

/// In the words of a message.
pub(super) async fn dry_run(client: &Client, node: NodeId, limit_kw: Option<u32>) -> Message {
    let answer = client.dry_run(node, limit_kw).await;
    Message::DryRun(node, limit_kw, answer.map(Box::new).map_err(in_a_sentence))
}

/// The centre's own sentence says what is the matter; the address adds nothing to it.
fn in_a_sentence(error: ClientError) -> String {
    match error {
        ClientError::Status { text, .. } => text,
        error => error.to_string(),
    }
}

/// How a terminal's parameters stand, for a line.
pub(super) fn compared(parameters: &TerminalParameters) -> String {
    let differences = parameters.differences();
    match (&parameters.wanted, &parameters.read, differences.first()) {
        (_, None, _) => "never read back".to_owned(),
        (None, Some(_), _) => "read back, none were set from here".to_owned(),
        (Some(_), Some(_), None) => format!("as {} wants them", parameters.wanted_by),
        (Some(_), Some(_), Some((key, wanted, read))) => match differences.len() - 1 {
            0 => format!("DIFFER: {key} wanted {wanted}, read {read}"),
            more => format!("DIFFER: {key} wanted {wanted}, read {read}; and {more} more"),
        },
    }
}
