//! The door: nothing behind it sees a request without a valid token (`nobody-in`).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use headroom_rules::input::Authority;
use warp::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use warp::reply::Response;

use super::answer::Fault;
use super::{Api, Operators, health};

/// Whose request it is, as the token says. Only the door makes one.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) operator: Arc<str>,
    /// What the operator may decide about; the engine judges by it.
    pub(super) authority: Arc<Authority>,
    pub(super) from: SocketAddr,
}

/// What becomes of a request at the door.
pub(super) enum Entry<B> {
    /// It goes on to the routes and has a [`Caller`].
    Admitted(Request<B>),
    /// That is all it gets.
    Answered(Response),
}

pub(super) struct Door {
    api: Arc<Api>,
    operators: Operators,
    /// When the log was last told of somebody turned away, and how many there were since.
    told: Mutex<(Option<Instant>, u64)>,
}

/// Between two lines in the log about requests turned away: whoever knocks must not write our log.
const TOLD_EVERY: Duration = Duration::from_secs(60);

impl Door {
    pub(super) fn new(api: Arc<Api>, operators: Operators) -> Self {
        Self { api, operators, told: Mutex::default() }
    }

    fn turned_away(&self, from: SocketAddr) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, count) = &mut *told;
        *count += 1;
        if at.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
            *at = Some(Instant::now());
            let count = std::mem::take(count);
            tracing::info!(%from, count, "requests without a valid token were turned away, the last one from there");
        }
    }

    pub(super) fn enter<B>(&self, from: SocketAddr, mut request: Request<B>) -> Entry<B> {
        if matches!(*request.method(), Method::GET | Method::HEAD) && request.uri().path() == "/healthz" {
            return Entry::Answered(and_close(health::public(&self.api.handle)));
        }
        let Some((operator, authority)) = token(request.headers()).and_then(|token| self.operators.person(token))
        else {
            self.turned_away(from);
            let fault = Fault::new(StatusCode::UNAUTHORIZED, "no valid token: wanted Authorization: Bearer TOKEN");
            let mut answer = fault.answer();
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return Entry::Answered(and_close(answer));
        };
        request.extensions_mut().insert(Caller { operator, authority, from });
        // HTTP leaves the body of an answer to HEAD away by itself, so that the routes need to know GET only.
        if *request.method() == Method::HEAD {
            *request.method_mut() = Method::GET;
        }
        Entry::Admitted(request)
    }
}

/// Who is not known gets one small answer for each connection, and so cannot hold one by not reading.
fn and_close(mut answer: Response) -> Response {
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// The token of the one `Authorization` header.
fn token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
