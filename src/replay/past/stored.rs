//! What the store has of a past window, and the fleet and the rules that the centre had last.

use std::collections::BTreeMap;

use headroom_rules::engine::Engine;
use headroom_rules::input::Input;
use headroom_rules::model::{Inventory, NodeId, PointKind, Power, Span};
use headroom_rules::policy::{LimitRule, Policy};

use super::curve::{Candidate, Stored};
use super::{Asked, Past, PastError, Source};
use crate::config::rules;
use crate::journal::{Inspector, JournalError, Position};
use crate::store::{NodeLoad, Resolution, StoreError, StoreReader, Window};

/// Orders of so long before the window are looked at for what was off when it began.
const ORDERS_BEFORE: Span = Span::from_s(7 * 86_400);
const PAGE_ROWS: u32 = 10_000;

/// Reckons by the store; none where it has no load of the node in the window either.
pub(super) async fn stored(asked: &Asked, inspector: &mut Inspector) -> Result<Option<Past>, PastError> {
    let Asked { folder, node, from, to, offset, rules: file, limit, store } = asked;
    let (node, from, to, limit) = (*node, *from, *to, *limit);
    if !StoreReader::is_there(store, folder) {
        return Ok(None);
    }
    let reader = StoreReader::begin(store, folder).await?;
    let minutes = loads(&reader, node, Window { from, to, page_rows: PAGE_ROWS }).await?;
    if minutes.is_empty() {
        return Ok(None);
    }
    let Some((inventory, were)) = last_known(inspector).await? else { return Ok(None) };
    if !inventory.nodes.contains_key(&node) {
        return Err(PastError::UnknownNode { node, from: offset.show(from) });
    }
    let policy = match file {
        Some(file) => rules::read(file, Some(&inventory))?,
        None => were,
    };
    let rule = policy.limits.into_iter().find(|rule| rule.node == node).ok_or(PastError::NoRule { node })?;
    let rule = LimitRule { limit: limit.unwrap_or(rule.limit), ..rule };
    let customers: BTreeMap<_, _> = inventory
        .terminals
        .keys()
        .filter_map(|terminal| Some((*terminal, inventory.customer_of(*terminal)?)))
        .filter(|(_, (_, customer))| inventory.path_up(customer.supplied_by).any(|above| above == node))
        .collect();
    let mut candidates = Vec::new();
    for value in reader.last_values(None).await? {
        let Some((customer, entry)) = customers.get(&value.terminal) else { continue };
        let power = Power::new(value.reading.value);
        if matches!(value.point, PointKind::RoundPower(_)) && power > Power::ZERO && !entry.guaranteed {
            candidates.push(Candidate { class: entry.priority, customer: *customer, power });
        }
    }
    let mut orders = Vec::new();
    let window = Window { from: from.after(-ORDERS_BEFORE), to, page_rows: PAGE_ROWS };
    let mut next = Some(window.begin());
    while let Some(cursor) = next {
        let page = reader.order_page("", window, cursor).await?;
        orders.extend(page.rows.into_iter().filter(|order| customers.contains_key(&order.terminal)));
        next = page.next;
    }
    orders.sort_by_key(|order| order.id);
    let customers = customers.into_iter().map(|(terminal, (customer, _))| (terminal, customer)).collect();
    let stored = Stored { from, to, minutes, orders, candidates, customers };
    let [was, would_be] = stored.reckon(&rule, limit);
    Ok(Some(Past { node, from, to, source: Source::Store, limit, was, would_be }))
}

async fn loads(reader: &StoreReader, node: NodeId, window: Window) -> Result<Vec<NodeLoad>, StoreError> {
    let mut minutes = Vec::new();
    let mut next = Some(window.begin());
    while let Some(cursor) = next {
        let page = reader.load_page(node, Resolution::Minute, window, cursor).await?;
        minutes.extend(page.rows);
        next = page.next;
    }
    Ok(minutes)
}

/// The fleet and the rules that the journal tells last: by its newest snapshot, or by its inputs.
async fn last_known(inspector: &mut Inspector) -> Result<Option<(Inventory, Policy)>, JournalError> {
    for snapshot in inspector.snapshots().await? {
        if let Some(engine) = snapshot.state.ok().and_then(|bytes| serde_json::from_slice::<Engine>(&bytes).ok()) {
            return Ok(Some((engine.inventory().clone(), engine.rules())));
        }
    }
    let (mut inventory, mut policy) = (None, None);
    inspector
        .dump(Position::START, Position(u64::MAX), |_, input| {
            match input {
                Input::Inventory { inventory: told, .. } => inventory = Some((**told).clone()),
                Input::Policy { policy: told, .. } => policy = Some((**told).clone()),
                _ => {}
            }
            true
        })
        .await?;
    Ok(inventory.zip(policy))
}
