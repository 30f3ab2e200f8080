//! Answers and faults as JSON.

use bytes::Bytes;
use headroom_rules::output::Refusal;
use headroom_terminals::iec104::files::Failure;
use serde::Serialize;
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::Response;

use crate::centre::{NotAsked, NotCollected, NotCompared, NotRead, Unavailable};
use crate::sentence::sentence;
use crate::store::StoreError;

/// Why there is no 200, with a sentence for the person.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    error: String,
    refusal: Option<Refusal>,
}

#[derive(Serialize)]
struct FaultBody<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a Refusal>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), refusal: None }
    }

    pub(super) fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(super) fn answer(&self) -> Response {
        json(self.status, &FaultBody { error: &self.error, refusal: self.refusal.as_ref() })
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self { status: StatusCode::CONFLICT, error: refusal.to_string(), refusal: Some(refusal) }
    }
}

impl From<Unavailable> for Fault {
    fn from(unavailable: Unavailable) -> Self {
        let status = match unavailable {
            Unavailable::Journal { .. } | Unavailable::Stopping | Unavailable::Unanswered => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Unavailable::TimedOut | Unavailable::NotReckoned => StatusCode::GATEWAY_TIMEOUT,
        };
        Self::new(status, unavailable.to_string())
    }
}

impl From<NotRead> for Fault {
    fn from(error: NotRead) -> Self {
        let status = match error {
            NotRead::Unknown(_) => StatusCode::NOT_FOUND,
            NotRead::NoPoint(..) | NotRead::Refused { .. } => StatusCode::CONFLICT,
            NotRead::NotAsked(_, NotAsked::Busy) => StatusCode::TOO_MANY_REQUESTS,
            NotRead::NotAsked(..) | NotRead::LinkLost(_) => StatusCode::SERVICE_UNAVAILABLE,
            NotRead::NoAnswer(_) => StatusCode::GATEWAY_TIMEOUT,
        };
        Self::new(status, error.to_string())
    }
}

impl From<NotCollected> for Fault {
    fn from(error: NotCollected) -> Self {
        let status = match error {
            NotCollected::Unknown(_) => StatusCode::NOT_FOUND,
            NotCollected::NoCurve(_) | NotCollected::Content { .. } => StatusCode::CONFLICT,
            NotCollected::UnderWay(_) | NotCollected::NotAsked(_, NotAsked::Busy) => StatusCode::TOO_MANY_REQUESTS,
            NotCollected::NotAsked(..) | NotCollected::Store { .. } => StatusCode::SERVICE_UNAVAILABLE,
            NotCollected::Transfer { source, .. } => match source {
                Failure::Refused => StatusCode::CONFLICT,
                Failure::TimedOut => StatusCode::GATEWAY_TIMEOUT,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            },
        };
        Self::new(status, sentence(&error))
    }
}

impl From<NotCompared> for Fault {
    fn from(error: NotCompared) -> Self {
        let status = match error {
            NotCompared::Unavailable(unavailable) => return unavailable.into(),
            NotCompared::Unknown(_) => StatusCode::NOT_FOUND,
            NotCompared::Content { .. } | NotCompared::TooLong { .. } => StatusCode::CONFLICT,
            NotCompared::NotAsked(_, NotAsked::Busy) => StatusCode::TOO_MANY_REQUESTS,
            NotCompared::NotAsked(..) => StatusCode::SERVICE_UNAVAILABLE,
            NotCompared::NotSent { ref source, .. } | NotCompared::NotRead { ref source, .. } => match source {
                Failure::Refused => StatusCode::CONFLICT,
                Failure::TimedOut => StatusCode::GATEWAY_TIMEOUT,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            },
        };
        Self::new(status, sentence(&error))
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let status = match error {
            StoreError::Row { .. } | StoreError::Encode { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let sentence = sentence(&error);
        tracing::warn!(error = sentence, "the store gave the API no answer");
        Self::new(status, sentence)
    }
}

/// Either way an answer.
pub(super) fn settle(result: Result<Response, Fault>) -> Response {
    result.unwrap_or_else(|fault| fault.answer())
}

pub(super) fn ok(body: &impl Serialize) -> Response {
    json(StatusCode::OK, body)
}

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(text) => json_text(status, text.into()),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be put into JSON");
            let text = r#"{"error":"the answer cannot be put into JSON; the centre's log has why"}"#;
            json_text(StatusCode::INTERNAL_SERVER_ERROR, Bytes::from_static(text.as_bytes()))
        }
    }
}

/// An answer whose body is JSON already.
pub(super) fn json_text(status: StatusCode, text: Bytes) -> Response {
    let mut answer = Response::new(text.into());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // What a token opened is not to be kept by anything on the way.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
