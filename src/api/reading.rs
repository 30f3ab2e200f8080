//! What operators look at.

use headroom_rules::groups::GroupId;
use headroom_rules::input::Authority;
use headroom_rules::measures::Measure;
use headroom_rules::model::{NodeId, PointKind, Span, TerminalId, Timestamp};
use headroom_rules::notices::Announcement;
use serde::Serialize;
use serde_json::json;
use warp::http::StatusCode;
use warp::reply::Response;

use super::Api;
use super::answer::{Fault, json_text, ok};
use super::door::Caller;
use super::looking::history;
use super::params::Params;
use crate::store;

/// Most points of a trend; more than a screen can show.
const TREND_POINTS_MAX: usize = 2_000;
const TREND_S: i64 = 3_600;
/// 31 days.
const TREND_S_MAX: i64 = 31 * 86_400;

/// Pairs of key and value as they stand in an address.
pub(super) type Pairs = Vec<(String, String)>;

#[derive(Serialize)]
struct About<'a> {
    software: &'static str,
    operator: &'a str,
    /// Nodes that the operator answers for; none for all.
    area: Option<&'a [NodeId]>,
    supervisor: bool,
    time_factor: f64,
}

pub(super) fn about(api: &Api, caller: &Caller) -> Response {
    let software = concat!("headroom ", env!("CARGO_PKG_VERSION"));
    let Authority { area, supervisor } = &*caller.authority;
    ok(&About {
        software,
        operator: &caller.operator,
        area: area.as_deref(),
        supervisor: *supervisor,
        time_factor: api.handle.clock.factor(),
    })
}

pub(super) async fn view(api: &Api) -> Result<Response, Fault> {
    let text = api.view_text.newest(&api.handle.view).await?;
    Ok(json_text(StatusCode::OK, text))
}

pub(super) async fn group(api: &Api, id: u64) -> Result<Response, Fault> {
    let id = GroupId(id);
    let group = api.handle.group(id).await?;
    let unknown = || Fault::new(StatusCode::NOT_FOUND, format!("group order {id} does not exist, or is of long ago"));
    Ok(ok(&group.ok_or_else(unknown)?))
}

/// What customers were told before trips: what stands, then the newest of what is over. Of one node, where `about` names it.
pub(super) fn notices(api: &Api, pairs: Pairs) -> Result<Response, Fault> {
    let params = Params::parse(pairs, &["about"])?;
    let about: Option<NodeId> = match params.text("about") {
        None => None,
        Some(id) => Some(id.parse().map_err(|error| Fault::bad_request(format!("no node's id: {error}")))?),
    };
    let view = api.handle.view();
    let of = |it: &&Announcement| about.is_none_or(|node| it.node == node);
    let announcements: Vec<serde_json::Value> = view
        .announcements
        .iter()
        .filter(of)
        .map(|it| json!({ "told": it.told(), "not_reached": it.not_reached().collect::<Vec<_>>(), "announcement": it }))
        .collect();
    Ok(ok(&json!({ "at": view.now, "announcements": announcements })))
}

/// What customers were asked to do themselves: what stands, then the newest of what is over. Of one node or terminal, where `about`
/// names it.
pub(super) fn measures(api: &Api, pairs: Pairs) -> Result<Response, Fault> {
    let params = Params::parse(pairs, &["about"])?;
    let about = params.text("about");
    let view = api.handle.view();
    let of = |it: &&Measure| about.is_none_or(|id| it.node.as_str() == id || it.terminal.as_str() == id);
    let measures = view.measures.iter().filter(of).map(|it| json!({ "stage": it.stage(), "measure": it }));
    Ok(ok(&json!({ "at": view.now, "measures": measures.collect::<Vec<_>>() })))
}

pub(super) async fn terminal(api: &Api, id: &str) -> Result<Response, Fault> {
    let id = terminal_id(id)?;
    let detail = api.handle.terminal(id).await?;
    let unknown = || Fault::new(StatusCode::NOT_FOUND, format!("terminal {id} is not in the inventory"));
    Ok(ok(&detail.ok_or_else(unknown)?))
}

/// Whether automatic control is stopped, and then what resuming it would do.
pub(super) async fn automatic(api: &Api) -> Result<Response, Fault> {
    let resumption = api.handle.resumption().await?;
    Ok(ok(&json!({ "stopped": resumption.is_some(), "resumption": resumption })))
}

#[derive(Serialize)]
struct TrendPoint {
    t: i64,
    v: i64,
    q: u8,
}

impl From<store::TrendPoint> for TrendPoint {
    fn from(point: store::TrendPoint) -> Self {
        Self { t: point.at.get(), v: point.value, q: point.quality.bits() }
    }
}

/// A terminal that left the inventory still has its past.
pub(super) async fn trend(api: &Api, id: &str, pairs: Pairs) -> Result<Response, Fault> {
    let id = terminal_id(id)?;
    let params = Params::parse(pairs, &["point", "span_s"])?;
    let point = point(&params)?.unwrap_or(PointKind::ActivePower);
    let span = Span::from_s(params.number("span_s", TREND_S, &(1..=TREND_S_MAX))?);
    let now = api.handle.clock.now();
    let from = Timestamp::new(now.get().saturating_sub(span.get()));
    // The store leaves the end out, and a value may well be of this very millisecond.
    let end = Timestamp::new(now.get().saturating_add(1));
    let points = api.handle.store.trend(id, point, from, end, TREND_POINTS_MAX).await?;
    let points: Vec<_> = points.into_iter().map(TrendPoint::from).collect();
    Ok(ok(&json!({ "points": points })))
}

pub(super) async fn orders(api: &Api, pairs: Pairs) -> Result<Response, Fault> {
    let orders = api.handle.store.orders(&history(pairs)?).await?;
    Ok(ok(&json!({ "orders": orders })))
}

pub(super) async fn alarms(api: &Api, pairs: Pairs) -> Result<Response, Fault> {
    let alarms = api.handle.store.alarms(&history(pairs)?).await?;
    Ok(ok(&json!({ "alarms": alarms })))
}

pub(super) async fn events(api: &Api, pairs: Pairs) -> Result<Response, Fault> {
    let events = api.handle.store.events(&history(pairs)?).await?;
    Ok(ok(&json!({ "events": events })))
}

pub(super) async fn audit(api: &Api, pairs: Pairs) -> Result<Response, Fault> {
    let audit = api.handle.store.audit(&history(pairs)?).await?;
    Ok(ok(&json!({ "audit": audit })))
}

/// The point that `point` names by its code, if it is there.
pub(super) fn point(params: &Params) -> Result<Option<PointKind>, Fault> {
    let code = params.number("point", 0, &(1..=u16::MAX))?;
    let unknown = || Fault::bad_request(format!("point = {code}: no such point; wanted a code as 1, active power"));
    if code == 0 { Ok(None) } else { PointKind::from_code(code).ok_or_else(unknown).map(Some) }
}

pub(super) fn terminal_id(text: &str) -> Result<TerminalId, Fault> {
    text.parse().map_err(|error| Fault::bad_request(format!("no terminal's id: {error}")))
}
