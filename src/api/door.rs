//! The door: nothing behind it sees a request without a valid token (`nobody-in`).

use std::net::SocketAddr;
use std::sync::Arc;

use warp::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use warp::reply::Response;

use super::answer::Fault;
use super::{Api, Operators, health};

/// Whose request it is, as the token says. Only the door makes one.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) operator: Arc<str>,
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
    pub(super) api: Arc<Api>,
    pub(super) operators: Operators,
}

impl Door {
    pub(super) fn enter<B>(&self, from: SocketAddr, mut request: Request<B>) -> Entry<B> {
        if matches!(*request.method(), Method::GET | Method::HEAD) && request.uri().path() == "/healthz" {
            return Entry::Answered(and_close(health::public(&self.api.handle)));
        }
        let Some(operator) = token(request.headers()).and_then(|token| self.operators.authenticate(token)) else {
            tracing::info!(%from, "a request without a valid token was turned away");
            let fault = Fault::new(StatusCode::UNAUTHORIZED, "no valid token: wanted Authorization: Bearer TOKEN");
            let mut answer = fault.answer();
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return Entry::Answered(and_close(answer));
        };
        request.extensions_mut().insert(Caller { operator, from });
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
