//! What operators look up: load curves and peaks, time above the limit, energy, gaps, histories.

use headroom_rules::model::{NodeId, PointKind, Power, RuleId, Span, Timestamp};
use headroom_rules::view::NotPlanned;
use serde_json::json;
use warp::http::StatusCode;
use warp::reply::Response;

use super::Api;
use super::answer::{Fault, ok};
use super::params::Params;
use super::reading::{Pairs, point, terminal_id};
use crate::store::History;

/// A load curve has at least so many points where its time is long enough.
const CURVE_POINTS_MIN: usize = 240;
/// What is looked at unless `from` says otherwise.
pub(super) const DAY_MS: i64 = 86_400_000;
/// Longest time that is looked at: ten years.
const SPAN_MS_MAX: i64 = 3_660 * DAY_MS;
const QUARTER_S: i64 = 900;
const LIMIT: u32 = 100;
const LIMIT_MAX: u32 = 1_000;

/// From `from` on and before `to`, ms since 1970; the last day unless they say otherwise.
fn times(api: &Api, params: &Params) -> Result<(Timestamp, Timestamp), Fault> {
    // The store leaves the end out, and a value may well be of this very millisecond.
    let now = api.handle.clock.now().get().saturating_add(1);
    let to = params.number("to", now, &(i64::MIN..=i64::MAX))?;
    let from = params.number("from", to.saturating_sub(DAY_MS), &(i64::MIN..=i64::MAX))?;
    if from >= to || to.saturating_sub(from) > SPAN_MS_MAX {
        let sentence =
            format!("from = {from}, to = {to}: wanted a time that ends after it begins, of ten years at most");
        return Err(Fault::bad_request(sentence));
    }
    Ok((Timestamp::new(from), Timestamp::new(to)))
}

/// A node's curve, and over the whole time its peak, energy and how long it was above its limit.
pub(super) async fn load(api: &Api, id: &str, pairs: Pairs) -> Result<Response, Fault> {
    let node: NodeId = id.parse().map_err(|error| Fault::bad_request(format!("no node's id: {error}")))?;
    let (from, to) = times(api, &Params::parse(pairs, &["from", "to"])?)?;
    let store = &api.handle.store;
    let curve = store.load_curve(node, from, to, CURVE_POINTS_MIN).await?;
    // A node that left the inventory still has its past.
    let known = api.handle.view().nodes.iter().any(|view| view.id == node);
    if curve.is_empty() && !known {
        return Err(Fault::new(StatusCode::NOT_FOUND, format!("node {node} is not in the inventory and has no past")));
    }
    let summary = store.load_summary(node, from, to).await?;
    Ok(ok(&json!({ "from": from, "to": to, "summary": summary, "curve": curve })))
}

/// A calculated point's curve, in thousandths of its unit.
pub(super) async fn calculated(api: &Api, id: &str, pairs: Pairs) -> Result<Response, Fault> {
    let point: RuleId = id.parse().map_err(|error| Fault::bad_request(format!("no calculated point's id: {error}")))?;
    let (from, to) = times(api, &Params::parse(pairs, &["from", "to"])?)?;
    let curve = api.handle.store.calculated_curve(point, from, to, CURVE_POINTS_MIN).await?;
    let view = api.handle.view();
    // One that left the rules still has its past.
    let known = view.calculated.iter().find(|known| known.id == point);
    if curve.is_empty() && known.is_none() {
        return Err(Fault::new(StatusCode::NOT_FOUND, format!("no rule calculates {point}, and it has no past")));
    }
    Ok(ok(&json!({ "from": from, "to": to, "unit": known.map(|known| &known.unit), "curve": curve })))
}

/// What the rule of a node would do now, under `limit_kw` or the limit in force. Nothing of it is done.
pub(super) async fn plan(api: &Api, id: &str, pairs: Pairs) -> Result<Response, Fault> {
    let node: NodeId = id.parse().map_err(|error| Fault::bad_request(format!("no node's id: {error}")))?;
    let params = Params::parse(pairs, &["limit_kw"])?;
    let limit = match params.text("limit_kw") {
        Some(_) => Some(Power::from_kw(params.number("limit_kw", 0, &(1..=10_000_000))?)),
        None => None,
    };
    let run = api.handle.dry_run(node, limit).await?.map_err(|why| {
        let status = match why {
            NotPlanned::UnknownNode { .. } => StatusCode::NOT_FOUND,
            _ => StatusCode::CONFLICT,
        };
        Fault::new(status, why.to_string())
    })?;
    Ok(ok(&run))
}

/// The highest value of a point that may decide, and when.
pub(super) async fn peak(api: &Api, id: &str, pairs: Pairs) -> Result<Response, Fault> {
    let terminal = terminal_id(id)?;
    let params = Params::parse(pairs, &["point", "from", "to"])?;
    let (point, (from, to)) = (point(&params)?.unwrap_or(PointKind::ActivePower), times(api, &params)?);
    let peak = api.handle.store.peak(terminal, point, from, to).await?;
    Ok(ok(&json!({ "from": from, "to": to, "peak": peak })))
}

/// What the register of imported energy says of each period.
pub(super) async fn energy(api: &Api, id: &str, pairs: Pairs) -> Result<Response, Fault> {
    let terminal = terminal_id(id)?;
    let params = Params::parse(pairs, &["from", "to", "period_s"])?;
    let (from, to) = times(api, &params)?;
    let period = Span::from_s(params.number("period_s", QUARTER_S, &(60..=31 * 86_400))?);
    let periods = api.handle.store.energy(terminal, from, to, period).await?;
    Ok(ok(&json!({ "from": from, "to": to, "periods": periods })))
}

/// Where readings are missing.
pub(super) async fn gaps(api: &Api, id: &str, pairs: Pairs) -> Result<Response, Fault> {
    let terminal = terminal_id(id)?;
    let params = Params::parse(pairs, &["point", "from", "to", "longest_s"])?;
    let (point, (from, to)) = (point(&params)?.unwrap_or(PointKind::ActivePower), times(api, &params)?);
    let longest = Span::from_s(params.number("longest_s", QUARTER_S, &(1..=31 * 86_400))?);
    let gaps = api.handle.store.gaps(terminal, point, from, to, longest).await?;
    Ok(ok(&json!({ "from": from, "to": to, "gaps": gaps })))
}

/// The newest orders, alarms, events or entries of the audit log, of a time and about one thing where that is asked.
pub(super) fn history(pairs: Pairs) -> Result<History, Fault> {
    let params = Params::parse(pairs, &["about", "from", "to", "limit"])?;
    let at = |key, default: i64| params.number(key, default, &(i64::MIN..=i64::MAX)).map(Timestamp::new);
    Ok(History {
        about: params.text("about").map(str::to_owned),
        from: at("from", i64::MIN)?,
        to: at("to", i64::MAX)?,
        limit: params.number("limit", LIMIT, &(1..=LIMIT_MAX))?,
    })
}
