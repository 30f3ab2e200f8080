//! Entries as rows, the same for every engine.

use std::collections::{BTreeMap, BTreeSet};

use headroom_rules::input::Input;
use headroom_rules::model::{PointKind, Quality, TerminalId, Timestamp};
use headroom_rules::output::{Alarm, Audit, Event, Output};
use serde::Serialize;

use super::load::{self, LoadPart, Minute};
use super::rollup::{self, Part};
use super::{Entry, StoreError, StoreSettings, WriteCount};
use crate::journal::Position;

/// 2000-01-01: nothing measured was measured before.
const EPOCH_2000: Timestamp = Timestamp::new(946_684_800_000);

/// Numbers of the points that an engine knows.
pub(super) type Points = BTreeMap<(TerminalId, PointKind), i32>;

/// A reading on its way into the table, in the order of its point's history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ReadingRow {
    pub(super) point_id: i32,
    /// The earlier of source time and arrival.
    pub(super) at: i64,
    pub(super) arrived_at: i64,
    pub(super) position: i64,
    pub(super) place: i64,
    pub(super) source_time: Option<i64>,
    pub(super) value: i64,
    pub(super) quality: Quality,
    pub(super) cause: u8,
    /// Of those of one point with the same two times in one batch.
    pub(super) nth: i16,
}

/// An event on its way.
pub(super) struct EventRow {
    pub(super) position: i64,
    pub(super) place: i64,
    pub(super) at: Timestamp,
    pub(super) source_time: Option<Timestamp>,
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) json: String,
}

/// An alarm or an order on its way: its newest state in this batch.
pub(super) struct StateRow {
    pub(super) id: i64,
    /// The terminal or node that it is about.
    pub(super) subject: String,
    pub(super) state: String,
    pub(super) began_at: Timestamp,
    pub(super) changed_at: Timestamp,
    pub(super) json: String,
}

/// An entry of the audit log on its way.
pub(super) struct AuditRow {
    pub(super) position: i64,
    pub(super) place: i64,
    pub(super) at: Timestamp,
    pub(super) who: String,
    pub(super) json: String,
}

/// Everything that one transaction stores.
#[derive(Default)]
pub(super) struct Batch {
    /// Sorted.
    pub(super) readings: Vec<ReadingRow>,
    /// Readings of an impossible time, in the order of the journal.
    pub(super) set_aside: Vec<ReadingRow>,
    pub(super) events: Vec<EventRow>,
    pub(super) alarms: Vec<StateRow>,
    pub(super) orders: Vec<StateRow>,
    pub(super) audits: Vec<AuditRow>,
    pub(super) loads: Vec<LoadPart>,
    pub(super) count: WriteCount,
}

/// The points in `entries` that are not among `known`.
pub(super) fn new_points(entries: &[Entry], known: &Points) -> BTreeSet<(TerminalId, PointKind)> {
    let mut new = BTreeSet::new();
    for entry in entries {
        if let Input::Readings { terminal, readings, .. } = &entry.input {
            new.extend(
                readings.iter().map(|reading| (*terminal, reading.point)).filter(|point| !known.contains_key(point)),
            );
        }
    }
    new
}

impl Batch {
    /// Of `entries`, whose points are all in `points`.
    pub(super) fn of(entries: &[Entry], points: &Points, settings: &StoreSettings) -> Result<Self, StoreError> {
        let mut batch = Self::default();
        let mut alarms = BTreeMap::new();
        let mut orders = BTreeMap::new();
        let mut minutes = Vec::new();
        for entry in entries {
            let position = entry.position.column();
            if let Input::Readings { at, terminal, readings } = &entry.input {
                for (place, reading) in (0..).zip(readings) {
                    let Some(&point_id) = points.get(&(*terminal, reading.point)) else { continue };
                    let impossible = reading.source_time.is_some_and(|source| is_impossible(source, *at, settings));
                    let rows = if impossible { &mut batch.set_aside } else { &mut batch.readings };
                    rows.push(ReadingRow {
                        point_id,
                        // A clock that runs ahead must not take a value out of every trend and past every retention.
                        at: reading.source_time.map_or(*at, |source| source.min(*at)).get(),
                        arrived_at: at.get(),
                        position,
                        place,
                        source_time: reading.source_time.map(Timestamp::get),
                        value: reading.value,
                        quality: reading.quality,
                        cause: reading.cause,
                        nth: 0,
                    });
                }
            }
            for (place, output) in (0..).zip(&entry.outputs) {
                match output {
                    Output::Command(_) | Output::Tell(_) | Output::Reply(_) => {}
                    Output::Load(minute) => minutes.push(Minute::Load(minute)),
                    Output::Calculated(minute) => minutes.push(Minute::Calculated(minute)),
                    Output::Event(event) => batch.events.push(event_row(position, place, event)?),
                    Output::Alarm(alarm) => {
                        batch.count.alarms += 1;
                        let row = StateRow {
                            id: Position(alarm.id.0).column(),
                            subject: alarm_subject(alarm),
                            state: alarm.state.to_string(),
                            began_at: alarm.raised_at,
                            changed_at: alarm.changed_at,
                            json: json("an alarm", alarm)?,
                        };
                        alarms.insert(row.id, row);
                    }
                    Output::Order(order) => {
                        batch.count.orders += 1;
                        let row = StateRow {
                            id: Position(order.id.0).column(),
                            subject: order.terminal.to_string(),
                            state: order.state.to_string(),
                            began_at: order.issued_at,
                            changed_at: order.changed_at,
                            json: json("an order", order)?,
                        };
                        orders.insert(row.id, row);
                    }
                    Output::Audit(audit) => batch.audits.push(audit_row(position, place, audit)?),
                }
            }
        }
        // In the order of the key, so that each page of the table is visited once.
        batch.readings.sort_unstable();
        let same =
            |a: &ReadingRow, b: &ReadingRow| (a.point_id, a.at, a.arrived_at) == (b.point_id, b.at, b.arrived_at);
        for alike in batch.readings.chunk_by_mut(same) {
            for (n, row) in alike.iter_mut().enumerate() {
                row.nth = i16::try_from(n).unwrap_or(i16::MAX);
            }
        }
        batch.count.loads = minutes.len() as u64;
        batch.loads = load::parts(minutes);
        batch.alarms = alarms.into_values().collect();
        batch.orders = orders.into_values().collect();
        let count = |rows: usize| rows as u64;
        batch.count.readings = count(batch.readings.len() + batch.set_aside.len());
        batch.count.set_aside = count(batch.set_aside.len());
        batch.count.events = count(batch.events.len());
        batch.count.audits = count(batch.audits.len());
        Ok(batch)
    }

    /// What the batch adds to the rollups.
    pub(super) fn parts(&self) -> Vec<Part> {
        rollup::parts(&self.readings)
    }

    /// The last reading of each point.
    pub(super) fn last_values(&self) -> impl Iterator<Item = &ReadingRow> {
        self.readings.chunk_by(|a, b| a.point_id == b.point_id).filter_map(<[_]>::last)
    }
}

/// Whether nobody can have measured at `source` what arrived at `arrived`: before 2000, further ahead than clocks are,
/// or so long ago that it would be given up at once. A centre that believes to be before 2000 cannot judge.
pub(super) fn is_impossible(source: Timestamp, arrived: Timestamp, settings: &StoreSettings) -> bool {
    let ahead = source > arrived.after(settings.ahead_max);
    let behind = arrived.since(source) > settings.readings_keep;
    arrived >= EPOCH_2000 && (source < EPOCH_2000 || ahead || behind)
}

/// The terminal or node that an alarm is about; empty where it is about the centre.
pub(crate) fn alarm_subject(alarm: &Alarm) -> String {
    let terminal = alarm.cause.terminal().map(|terminal| terminal.to_string());
    terminal.or_else(|| alarm.cause.node().map(|node| node.to_string())).unwrap_or_default()
}

fn event_row(position: i64, place: i64, event: &Event) -> Result<EventRow, StoreError> {
    let json = serde_json::to_value(&event.what).map_err(|e| StoreError::encode("an event", e))?;
    let field = |name: &str| json.get(name).and_then(serde_json::Value::as_str);
    Ok(EventRow {
        position,
        place,
        at: event.at,
        source_time: event.source_time,
        kind: field("event").unwrap_or_default().to_owned(),
        // A terminal is nearer to the matter than the node above it.
        subject: field("terminal").or_else(|| field("node")).or_else(|| tagged(&json)).unwrap_or_default().to_owned(),
        text: without_nul(&event.what.to_string()),
        json: json.to_string(),
    })
}

/// What a tag hangs on.
fn tagged(event: &serde_json::Value) -> Option<&str> {
    let on = event.pointer("/tag/on")?;
    on.get("terminal").or_else(|| on.get("node"))?.as_str()
}

fn audit_row(position: i64, place: i64, audit: &Audit) -> Result<AuditRow, StoreError> {
    let json = json("an audit entry", audit)?;
    Ok(AuditRow { position, place, at: audit.at, who: without_nul(&audit.who), json })
}

/// PostgreSQL's text cannot hold the character 0, and one such row would be refused for ever. JSON escapes it.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

fn json(what: &'static str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::encode(what, e))
}

#[cfg(test)]
mod tests {
    use headroom_rules::model::Span;

    use super::*;

    #[test]
    fn a_time_before_2000_far_ahead_or_past_retention_is_impossible() {
        let settings = StoreSettings { ahead_max: Span::from_s(300), ..StoreSettings::default() };
        let now = Timestamp::new(1_800_000_000_000);
        let at = |s: i64| now.after(Span::from_s(s));
        let impossible = |source| is_impossible(source, now, &settings);
        assert!(!impossible(now) && !impossible(at(300)) && !impossible(at(-399 * 86_400)));
        assert!(impossible(at(301)) && impossible(at(-401 * 86_400)));
        assert!(impossible(Timestamp::new(0)) && impossible(Timestamp::new(i64::MAX)));
        assert!(impossible(Timestamp::new(i64::MIN)));
        assert!(!is_impossible(Timestamp::new(20), Timestamp::new(1_000), &settings), "a centre without a clock");
    }
}
