//! What operators ask for.

use std::pin::pin;
use std::time::Duration;

use bytes::Buf;
use futures_util::{Stream, TryStreamExt as _};
use headroom_rules::input::{Origin, Request};
use headroom_rules::model::{Power, Span, Timestamp};
use headroom_rules::output::Reply;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;
use warp::http::StatusCode;
use warp::reply::Response;

use super::Api;
use super::answer::{Fault, ok};
use super::door::Caller;
use super::params::Params;
use super::reading::{Pairs, point, terminal_id};
use crate::centre::Wanted;
use crate::printable::is_printable;

/// Largest body of a request, bytes: far more than its longest texts.
pub(super) const BODY_MAX: usize = 16 * 1024;
/// So much of a body that is too large is still read, bytes: closing on unread bytes may cost the client its answer.
const BODY_READ_MAX: usize = 1024 * 1024;
/// A body is sent in one go.
const BODY_WITHIN: Duration = Duration::from_secs(5);
/// What is collected on demand unless said otherwise, and at most: what a terminal remembers.
const COLLECT_DEFAULT: Span = Span::from_s(86_400);
const COLLECT_MAX: Span = Span::from_s(62 * 86_400);
/// Longest reason or comment.
const TEXT_CHARS_MAX: usize = 500;

pub(super) async fn request<S, B>(api: &Api, caller: Caller, body: S) -> Result<Response, Fault>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let request = serde_json::from_slice(&in_time(body).await?)
        .map_err(|error| Fault::bad_request(format!("the body is no request: {error}")))?;
    ask(api, caller, request).await
}

/// A target reduction of a node, as people ask for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reduction {
    /// W.
    reduction: Power,
    /// Without it: now.
    from: Option<Timestamp>,
    to: Timestamp,
    #[serde(default)]
    reason: String,
}

/// The same as the request `set_target`, at the node's own address.
pub(super) async fn target<S, B>(api: &Api, caller: Caller, id: &str, body: S) -> Result<Response, Fault>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let node = id.parse().map_err(|error| Fault::bad_request(format!("no node's id: {error}")))?;
    let Reduction { reduction, from, to, reason } = serde_json::from_slice(&in_time(body).await?)
        .map_err(|error| Fault::bad_request(format!("the body is no target: {error}")))?;
    let from = from.unwrap_or_else(|| api.handle.clock.now());
    ask(api, caller, Request::SetTarget { node, reduction, from, to, reason }).await
}

pub(super) async fn in_time<S, B>(body: S) -> Result<Vec<u8>, Fault>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let late = |_| {
        let sentence = format!("the body did not arrive within {} s; nothing was done", BODY_WITHIN.as_secs());
        Fault::new(StatusCode::REQUEST_TIMEOUT, sentence)
    };
    timeout(BODY_WITHIN, read(body)).await.map_err(late)?
}

async fn ask(api: &Api, caller: Caller, request: Request) -> Result<Response, Fault> {
    Ok(ok(&granted(api, caller, request).await?))
}

/// What the engine answers.
pub(super) async fn granted(api: &Api, caller: Caller, request: Request) -> Result<Reply, Fault> {
    check(&request)?;
    let origin = Origin {
        operator: caller.operator.to_string(),
        from: caller.from.to_string(),
        authority: (*caller.authority).clone(),
    };
    Ok(api.handle.request(origin, request).await??)
}

/// Answers when the terminal has: the values are in the view and in the trends then.
pub(super) async fn read_now(api: &Api, caller: &Caller, id: &str, pairs: Pairs) -> Result<Response, Fault> {
    let terminal = terminal_id(id)?;
    let params = Params::parse(pairs, &["what", "point"])?;
    let wanted = match (params.text("what"), point(&params)?) {
        (None, Some(point)) => Wanted::Point(point),
        (None | Some("all"), None) => Wanted::All,
        (Some("counters"), None) => Wanted::Counters,
        (Some(_), Some(_)) => return Err(Fault::bad_request("wanted \"what\" or \"point\", not both")),
        (Some(other), None) => {
            return Err(Fault::bad_request(format!("what = \"{other}\": wanted \"all\" or \"counters\"")));
        }
    };
    let Caller { operator, from, .. } = caller;
    tracing::info!(%operator, %from, %terminal, %wanted, "read on demand");
    api.handle.demand.read(terminal, wanted).await?;
    Ok(ok(&json!({ "terminal": terminal, "read": wanted.to_string() })))
}

/// Answers when what the terminal remembers of that time is in the journal.
pub(super) async fn collect(api: &Api, caller: &Caller, id: &str, pairs: Pairs) -> Result<Response, Fault> {
    let terminal = terminal_id(id)?;
    let params = Params::parse(pairs, &["from", "to"])?;
    let now = api.handle.clock.now();
    // Without times: the last day.
    let times = 0..=i64::MAX;
    let to = Timestamp::new(params.number("to", now.get(), &times)?);
    let from = Timestamp::new(params.number("from", to.after(-COLLECT_DEFAULT).get().max(0), &times)?);
    if from > to || to.since(from) > COLLECT_MAX {
        let days = COLLECT_MAX.s() / 86_400;
        let sentence =
            format!("from = {}, to = {}: wanted from before to, and at most {days} days", from.get(), to.get());
        return Err(Fault::bad_request(sentence));
    }
    let Caller { operator, from: caller, .. } = caller;
    tracing::info!(%operator, from = %caller, %terminal, since = %from, until = %to, "collected on demand");
    // A quarter is named by its end: that which ends with `from` is not of this time.
    let values = api.handle.fetcher.fetch(terminal, from, to).await?;
    api.completeness.forget().await;
    Ok(ok(&json!({ "terminal": terminal, "values": values })))
}

async fn read<S, B>(body: S) -> Result<Vec<u8>, Fault>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let mut body = pin!(body);
    let mut kept = Vec::new();
    let mut len = 0;
    let broken = |error| Fault::bad_request(format!("the body broke off: {error}"));
    while let Some(mut part) = body.try_next().await.map_err(broken)? {
        len += part.remaining();
        if len > BODY_READ_MAX {
            break;
        }
        if len <= BODY_MAX {
            kept.resize(len, 0);
            let at = len - part.remaining();
            part.copy_to_slice(&mut kept[at..]);
        }
    }
    if len > BODY_MAX {
        let sentence = format!("the body is too large: wanted at most {BODY_MAX} bytes");
        return Err(Fault::new(StatusCode::PAYLOAD_TOO_LARGE, sentence));
    }
    Ok(kept)
}

/// Free text goes into the audit log and onto screens: of a readable length, and nothing that moves a cursor or turns the text
/// beside it round.
fn check(request: &Request) -> Result<(), Fault> {
    if let Request::SetParameters { parameters, .. } = request {
        // Before the engine, which would write a value of any length into the audit log.
        parameters.check().map_err(|error| Fault::bad_request(format!("parameters: {error}")))?;
        plain("message", &parameters.message)?;
    }
    let (what, text) = match request {
        Request::Select { reason, .. }
        | Request::SetTag { reason, .. }
        | Request::DraftGroup { reason, .. }
        | Request::CancelGroup { reason, .. }
        | Request::RemoveTag { reason, .. }
        | Request::Dress { reason, .. }
        | Request::Undress { reason, .. }
        | Request::SetLimit { reason, .. }
        | Request::SetTarget { reason, .. }
        | Request::CancelTarget { reason, .. }
        | Request::TryAgain { reason, .. }
        | Request::DecideProposal { reason, .. }
        | Request::SetParameters { reason, .. }
        | Request::AskMeasure { reason, .. }
        | Request::ReleaseMeasure { reason, .. }
        | Request::DeclineMeasure { reason, .. }
        | Request::StopAutomatic { reason }
        | Request::ResumeAutomatic { reason } => ("reason", reason),
        Request::AcknowledgeAlarm { comment, .. } => ("comment", comment),
        Request::Execute { .. }
        | Request::Cancel { .. }
        | Request::ApproveGroup { .. }
        | Request::ExecuteGroup { at_once: None, .. } => return Ok(()),
        Request::ExecuteGroup { at_once: Some(why), .. } => ("at_once", why),
    };
    plain(what, text)
}

fn plain(what: &str, text: &str) -> Result<(), Fault> {
    let chars = text.chars().count();
    if chars > TEXT_CHARS_MAX {
        let sentence = format!("the {what} has {chars} characters: wanted at most {TEXT_CHARS_MAX}");
        return Err(Fault::bad_request(sentence));
    }
    match text.chars().find(|&c| !is_printable(c)) {
        Some(bad) => {
            let bad = bad.escape_unicode();
            let sentence = format!("the {what} has the control character {bad}: wanted one line of plain text");
            Err(Fault::bad_request(sentence))
        }
        None => Ok(()),
    }
}
