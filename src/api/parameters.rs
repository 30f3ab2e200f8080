//! Parameters of terminals: looked at, sent, read back.

use bytes::Buf;
use futures_util::Stream;
use headroom_rules::input::Request;
use headroom_rules::local_control::Parameters;
use headroom_rules::model::TerminalId;
use headroom_rules::view::TerminalParameters;
use serde::Deserialize;
use serde_json::{Value, json};
use warp::http::StatusCode;
use warp::reply::Response;

use super::Api;
use super::answer::{Fault, ok};
use super::asking::{granted, in_time};
use super::door::Caller;
use super::reading::terminal_id;

/// Changes of a terminal's parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// A merge patch (RFC 7396) on what is wanted, or else on what was read: what it does not name stays, `null` takes away.
    set: Value,
    #[serde(default)]
    reason: String,
}

/// What is wanted, what was read back, line by line.
pub(super) async fn look(api: &Api, id: &str) -> Result<Response, Fault> {
    let terminal = terminal_id(id)?;
    Ok(answer(terminal, &known(api, terminal).await?))
}

/// Answers when the terminal has said what it has.
pub(super) async fn read_back(api: &Api, caller: &Caller, id: &str) -> Result<Response, Fault> {
    let terminal = terminal_id(id)?;
    let Caller { operator, from, .. } = caller;
    tracing::info!(%operator, %from, %terminal, "parameters are read back");
    Ok(answer(terminal, &api.handle.read_parameters(terminal).await?))
}

/// Notes what is wanted, sends it, and answers when the terminal has said what it has.
pub(super) async fn set<S, B>(api: &Api, caller: Caller, id: &str, body: S) -> Result<Response, Fault>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let terminal = terminal_id(id)?;
    let Change { set, reason } = serde_json::from_slice(&in_time(body).await?)
        .map_err(|error| Fault::bad_request(format!("the body is no change of parameters: {error}")))?;
    let mut now = known(api, terminal).await?;
    if now.wanted.is_none() && now.read.is_none() {
        // A change of what nobody knows could take a guarantee away.
        now = api.handle.read_parameters(terminal).await?;
    }
    let base = now.wanted.or(now.read).unwrap_or_default();
    let parameters = changed(&base, &set)?;
    let request = Request::SetParameters { terminal, parameters: Box::new(parameters.clone()), reason };
    granted(api, caller, request).await?;
    Ok(answer(terminal, &api.handle.send_parameters(terminal, &parameters).await?))
}

async fn known(api: &Api, terminal: TerminalId) -> Result<TerminalParameters, Fault> {
    let unknown = || Fault::new(StatusCode::NOT_FOUND, format!("terminal {terminal} is not in the inventory"));
    let detail = api.handle.terminal(terminal).await?.ok_or_else(unknown)?;
    Ok(detail.parameters.unwrap_or_default())
}

fn answer(terminal: TerminalId, parameters: &TerminalParameters) -> Response {
    let TerminalParameters { wanted, wanted_by, wanted_at, read, read_at, failed } = parameters;
    ok(&json!({
        "terminal": terminal,
        "wanted": wanted,
        "wanted_by": wanted_by,
        "wanted_at": wanted_at,
        "read": read,
        "read_at": read_at,
        "failed": failed,
        "differs": !parameters.differences().is_empty(),
        "lines": parameters.lines(),
    }))
}

fn changed(base: &Parameters, patch: &Value) -> Result<Parameters, Fault> {
    let refused = |error: String| Fault::bad_request(format!("set: {error}"));
    if !patch.is_object() {
        return Err(refused("wanted an object, as {\"floor_kw\": 40}".to_owned()));
    }
    let mut value = serde_json::to_value(base).map_err(|error| refused(error.to_string()))?;
    merge(&mut value, patch);
    let parameters: Parameters = serde_json::from_value(value).map_err(|error| refused(error.to_string()))?;
    parameters.check().map_err(|error| refused(error.to_string()))?;
    Ok(parameters)
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_keeps_what_it_does_not_name_and_null_takes_a_function_away() {
        let base = changed(
            &Parameters::default(),
            &json!({"floor_kw": 40, "guarantee": {"on": true, "half_h": 4}, "monthly": {"kwh": 9, "warning_percent": 80}}),
        )
        .unwrap();
        let after =
            changed(&base, &json!({"guarantee": {"half_h": 6}, "monthly": null, "remote": {"half_h": 2}})).unwrap();
        assert_eq!((after.floor_kw, after.guarantee.on, after.guarantee.half_h), (40, true, 6));
        assert_eq!((after.monthly, after.remote.half_h, after.remote.warning_min), (None, 2, 0));
        for bad in [json!({"floor": 1}), json!({"window_min": 61}), json!([1]), json!({"guarantee": 3})] {
            assert!(changed(&base, &bad).is_err(), "{bad}");
        }
    }
}
