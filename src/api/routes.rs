//! The addresses. Only requests that the [`door`](super::door) let in come here.

use std::convert::Infallible;
use std::sync::Arc;

use warp::filters::BoxedFilter;
use warp::http::{HeaderValue, Method, StatusCode, header};
use warp::reject::{Reject, custom};
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::answer::{Fault, settle};
use super::door::Caller;
use super::reading::Pairs;
use super::{Api, asking, health, looking, metering, parameters, reading};

const READS: &str = "GET, HEAD, OPTIONS";
const ASKS: &str = "POST, OPTIONS";
const LOOKS_AND_ASKS: &str = "GET, POST, OPTIONS";

/// The path is there, the method is not.
#[derive(Debug)]
struct WrongMethod {
    asked: Method,
    allowed: &'static str,
}

impl Reject for WrongMethod {}

pub(super) fn routes(api: Arc<Api>) -> BoxedFilter<(Response,)> {
    let api = warp::any().map(move || Arc::clone(&api));
    let caller = warp::ext::get::<Caller>();
    let pairs = warp::query::<Pairs>();
    let looks = only(Method::GET, READS).and(api.clone()).and(pairs);

    let healthz = warp::path!("healthz")
        .and(only(Method::GET, READS))
        .and(api.clone())
        .map(|api: Arc<Api>| health::public(&api.handle));
    let about = warp::path!("api" / "v1" / "about")
        .and(only(Method::GET, READS))
        .and(api.clone())
        .and(caller)
        .map(|api: Arc<Api>, caller: Caller| reading::about(&api, &caller));
    let view = warp::path!("api" / "v1" / "view")
        .and(only(Method::GET, READS))
        .and(api.clone())
        .then(|api: Arc<Api>| async move { settle(reading::view(&api).await) });
    let notices = warp::path!("api" / "v1" / "notices")
        .and(looks.clone())
        .map(|api: Arc<Api>, pairs| settle(reading::notices(&api, pairs)));
    let measures = warp::path!("api" / "v1" / "measures")
        .and(looks.clone())
        .map(|api: Arc<Api>, pairs| settle(reading::measures(&api, pairs)));
    let terminal = warp::path!("api" / "v1" / "terminals" / String)
        .and(only(Method::GET, READS))
        .and(api.clone())
        .then(|id: String, api: Arc<Api>| async move { settle(reading::terminal(&api, &id).await) });
    let group = warp::path!("api" / "v1" / "groups" / u64)
        .and(only(Method::GET, READS))
        .and(api.clone())
        .then(|id: u64, api: Arc<Api>| async move { settle(reading::group(&api, id).await) });
    let read = warp::path!("api" / "v1" / "terminals" / String / "read")
        .and(only(Method::POST, ASKS))
        .and(api.clone())
        .and(caller)
        .and(pairs)
        .then(|id: String, api: Arc<Api>, caller, pairs| async move {
            settle(asking::read_now(&api, &caller, &id, pairs).await)
        });
    let parameters_known = warp::path!("api" / "v1" / "terminals" / String / "parameters")
        .and(warp::get())
        .and(api.clone())
        .then(|id: String, api: Arc<Api>| async move { settle(parameters::look(&api, &id).await) });
    let parameters_set = warp::path!("api" / "v1" / "terminals" / String / "parameters")
        .and(only(Method::POST, LOOKS_AND_ASKS))
        .and(api.clone())
        .and(caller)
        .and(warp::body::stream())
        .then(|id: String, api: Arc<Api>, caller, body| async move {
            settle(parameters::set(&api, caller, &id, body).await)
        });
    let parameters_read = warp::path!("api" / "v1" / "terminals" / String / "parameters" / "read")
        .and(only(Method::POST, ASKS))
        .and(api.clone())
        .and(caller)
        .then(|id: String, api: Arc<Api>, caller: Caller| async move {
            settle(parameters::read_back(&api, &caller, &id).await)
        });
    let collect = warp::path!("api" / "v1" / "terminals" / String / "collect")
        .and(only(Method::POST, ASKS))
        .and(api.clone())
        .and(caller)
        .and(pairs)
        .then(|id: String, api: Arc<Api>, caller, pairs| async move {
            settle(asking::collect(&api, &caller, &id, pairs).await)
        });
    let automatic = warp::path!("api" / "v1" / "automatic")
        .and(only(Method::GET, READS))
        .and(api.clone())
        .then(|api: Arc<Api>| async move { settle(reading::automatic(&api).await) });
    let trend = warp::path!("api" / "v1" / "terminals" / String / "trend")
        .and(looks.clone())
        .then(|id: String, api: Arc<Api>, pairs| async move { settle(reading::trend(&api, &id, pairs).await) });
    let load = warp::path!("api" / "v1" / "nodes" / String / "load")
        .and(looks.clone())
        .then(|id: String, api: Arc<Api>, pairs| async move { settle(looking::load(&api, &id, pairs).await) });
    let calculated = warp::path!("api" / "v1" / "calculated" / String)
        .and(looks.clone())
        .then(|id: String, api: Arc<Api>, pairs| async move { settle(looking::calculated(&api, &id, pairs).await) });
    let plan = warp::path!("api" / "v1" / "nodes" / String / "plan")
        .and(looks.clone())
        .then(|id: String, api: Arc<Api>, pairs| async move { settle(looking::plan(&api, &id, pairs).await) });
    let peak = warp::path!("api" / "v1" / "terminals" / String / "peak")
        .and(looks.clone())
        .then(|id: String, api: Arc<Api>, pairs| async move { settle(looking::peak(&api, &id, pairs).await) });
    let energy = warp::path!("api" / "v1" / "terminals" / String / "energy")
        .and(looks.clone())
        .then(|id: String, api: Arc<Api>, pairs| async move { settle(looking::energy(&api, &id, pairs).await) });
    let gaps = warp::path!("api" / "v1" / "terminals" / String / "gaps")
        .and(looks.clone())
        .then(|id: String, api: Arc<Api>, pairs| async move { settle(looking::gaps(&api, &id, pairs).await) });
    let registers = warp::path!("api" / "v1" / "terminals" / String / "registers")
        .and(looks.clone())
        .then(|id: String, api: Arc<Api>, pairs| async move { settle(metering::registers(&api, &id, pairs).await) });
    let completeness = warp::path!("api" / "v1" / "completeness")
        .and(looks.clone())
        .then(|api: Arc<Api>, pairs| async move { settle(metering::completeness(&api, pairs).await) });
    let orders = warp::path!("api" / "v1" / "orders")
        .and(looks.clone())
        .then(|api: Arc<Api>, pairs| async move { settle(reading::orders(&api, pairs).await) });
    let alarms = warp::path!("api" / "v1" / "alarms")
        .and(looks.clone())
        .then(|api: Arc<Api>, pairs| async move { settle(reading::alarms(&api, pairs).await) });
    let events = warp::path!("api" / "v1" / "events")
        .and(looks.clone())
        .then(|api: Arc<Api>, pairs| async move { settle(reading::events(&api, pairs).await) });
    let audit = warp::path!("api" / "v1" / "audit")
        .and(looks.clone())
        .then(|api: Arc<Api>, pairs| async move { settle(reading::audit(&api, pairs).await) });
    let health = warp::path!("api" / "v1" / "health")
        .and(only(Method::GET, READS))
        .and(api.clone())
        .map(|api: Arc<Api>| health::full(&api.handle));
    let target = warp::path!("api" / "v1" / "nodes" / String / "target")
        .and(only(Method::POST, ASKS))
        .and(api.clone())
        .and(caller)
        .and(warp::body::stream())
        .then(|id: String, api: Arc<Api>, caller, body| async move {
            settle(asking::target(&api, caller, &id, body).await)
        });
    let requests = warp::path!("api" / "v1" / "requests")
        .and(only(Method::POST, ASKS))
        .and(api)
        .and(caller)
        .and(warp::body::stream())
        .then(|api: Arc<Api>, caller, body| async move { settle(asking::request(&api, caller, body).await) });

    let seen = view.or(about).unify().or(terminal).unify().or(trend).unify().or(health).unify().or(healthz).unify();
    let stored = completeness.or(orders).unify().or(alarms).unify().or(events).unify().or(audit).unify();
    let asked =
        read.or(collect).unify().or(notices).unify().or(measures).unify().or(automatic).unify().or(group).unify();
    let looked = load.or(plan).unify().or(peak).unify().or(energy).unify().or(gaps).unify().or(registers).unify();
    let looked = looked.or(calculated).unify();
    let parameters = parameters_known.or(parameters_set).unify().or(parameters_read).unify();
    seen.boxed()
        .or(parameters.boxed())
        .unify()
        .or(looked.boxed())
        .unify()
        .or(asked)
        .unify()
        .or(requests.or(target).unify().boxed())
        .unify()
        .or(stored.boxed())
        .unify()
        .recover(turned_away)
        .unify()
        .boxed()
}

/// Stands behind a path, so that a wrong method can be told from a wrong address.
fn only(
    wanted: Method,
    allowed: &'static str,
) -> impl Filter<Extract = (), Error = Rejection> + Clone + Send + Sync + 'static {
    let check = move |asked: Method| {
        let right = asked == wanted;
        async move { if right { Ok(()) } else { Err(custom(WrongMethod { asked, allowed })) } }
    };
    warp::method().and_then(check).untuple_one()
}

async fn turned_away(rejection: Rejection) -> Result<Response, Infallible> {
    if let Some(WrongMethod { asked, allowed }) = rejection.find() {
        let mut answer = if *asked == Method::OPTIONS {
            let mut answer = Response::default();
            *answer.status_mut() = StatusCode::NO_CONTENT;
            answer
        } else {
            let sentence = format!("{asked} is not for this address: wanted {allowed}");
            Fault::new(StatusCode::METHOD_NOT_ALLOWED, sentence).answer()
        };
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
        return Ok(answer);
    }
    if rejection.is_not_found() {
        let sentence = "there is nothing at this address; the API is under /api/v1";
        return Ok(Fault::new(StatusCode::NOT_FOUND, sentence).answer());
    }
    Ok(Fault::bad_request("the address cannot be read: wanted KEY=VALUE pairs behind the \"?\"").answer())
}
