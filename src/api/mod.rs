//! The HTTP API: the only way in for people and their programs, the console among them.
//!
//! Read `door` (who comes in), `routes` (what there is), then `reading`, `looking`, `metering` and `asking` (what is answered)
//! and `serve` (the sockets). `auth` and `token` know the operators.
//!
//! | Under `/api/v1` | Answer |
//! |---|---|
//! | `GET /about` | software, the token's operator, the clock's factor |
//! | `GET /view` | the [`View`](headroom_rules::view::View) |
//! | `GET /terminals/{id}` | the [`TerminalDetail`](headroom_rules::view::TerminalDetail) |
//! | `GET /terminals/{id}/trend?point=CODE&span_s=N` | `{"points":[{"t","v","q"}]}`: ms, base unit, quality bits |
//! | `GET /terminals/{id}/peak`, `/gaps?point=CODE`, `/energy?period_s=N` | of a time `from=MS&to=MS` |
//! | `GET /terminals/{id}/registers?of=day` or `month` | its registers as it froze them |
//! | `GET /nodes/{id}/load?from=MS&to=MS` | a node's load curve, peak, energy, time above its limit |
//! | `GET /calculated/{id}?from=MS&to=MS` | a calculated point's curve, in thousandths of its unit |
//! | `GET /completeness?day=2026-01-31` | of each terminal: quarters read, late, filled, missing, with the rate |
//! | `GET /orders`, `/alarms`, `/audit`, `/events` | newest first, by `about`, `from`, `to`, `limit` |
//! | `GET /groups/{id}` | a group order with the result of each round; all of them in the view, without |
//! | `GET /health` | journal, store and links |
//! | `POST /terminals/{id}/read?what=counters` or `point=CODE` | reads it now (召测) |
//! | `POST /terminals/{id}/collect?from=MS&to=MS` | fetches what it remembers and the store lacks |
//! | `POST /nodes/{id}/target` | takes `{"reduction": W, "from": MS, "to": MS, "reason"}` off its load; `from` is now without it |
//! | `POST /requests` | a [`Request`](headroom_rules::input::Request) in, a [`Reply`](headroom_rules::output::Reply) out |
//!
//! Whatever is not 200 has a body `{"error": sentence}`, a 409 also the `"refusal"`. 5xx leaves open whether a request
//! takes effect unless the sentence says so.
//!
//! **Invariants:** `nobody-in`: without a valid token nothing but `GET /healthz` gets another answer than 401, and that
//! tells neither names nor figures; a view is put into text once, however many ask for it.

mod answer;
mod asking;
mod auth;
mod door;
mod health;
mod looking;
mod metering;
mod parameters;
mod params;
mod reading;
mod routes;
mod serve;
mod strangers;
#[cfg(test)]
mod tests;
mod token;
mod view_text;

use crate::centre::Handle;
use view_text::ViewText;

pub use auth::Operators;
pub(crate) use metering::{Day, OfTerminal};
pub use serve::{bind, serve};
pub use token::{OwnToken, new_token, own_token, sha256_hex};

/// What the routes answer from.
struct Api {
    handle: Handle,
    completeness: metering::Kept,
    view_text: ViewText,
}
