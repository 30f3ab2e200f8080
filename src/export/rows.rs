//! Rows of what the store answers, page by page.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use headroom_rules::model::{Inventory, NodeId, PointKind, RuleId, Span, TerminalId, Timestamp};
use headroom_rules::orders::{Action, Order};
use headroom_rules::output::{Alarm, AlarmPriority, Audit};

use super::{Cell, ExportError, Points, Sheet, Subject, point_name};
use crate::store::{
    At, Bucket, CalculatedStretch, Cursor, NodeLoad, Page, Resolution, StoreError, StoreReader, StoredEvent,
    StoredPoint, StoredReading, Window, alarm_subject,
};

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Rows so far.
    pub rows: u64,
    /// The part of the work that is done, 0 to 1; of rows nobody knows how many there are.
    pub part: f64,
}

/// Writes what `subject` asks for of the store to `sheet`, and says after each page how far it is. The fleet's inventory
/// knows what may well be without rows.
///
/// # Errors
/// When the store gives no answer, what is asked for is not known, or there is no room.
pub async fn export<W: Write + Send>(
    reader: &StoreReader,
    subject: &Subject,
    window: Window,
    inventory: Option<&Inventory>,
    sheet: &mut Sheet<W>,
    told: impl FnMut(Progress),
) -> Result<(), ExportError> {
    let about = |about: &Option<String>| about.clone().unwrap_or_default();
    let mut run = Run { reader, window, inventory, sheet, told, part: (0, 1) };
    match subject {
        Subject::Readings(points) => {
            let ask = async |point, cursor| reader.reading_page(point, window, cursor).await;
            run.points(points, ask, |reading: &StoredReading| reading.at, reading).await
        }
        Subject::SetAside(points) => {
            let ask = async |point, cursor| reader.set_aside_page(point, window, cursor).await;
            run.points(points, ask, |reading: &StoredReading| reading.at, reading).await
        }
        Subject::Rollups(points, every) => {
            let ask = async |point, cursor| reader.bucket_page(point, *every, window, cursor).await;
            let put = |sheet: &mut Sheet<W>, point: &Named, row: &Bucket| bucket(sheet, point, *every, row);
            run.points(points, ask, |bucket: &Bucket| bucket.start, put).await
        }
        Subject::Load(nodes, every) => run.loads(nodes, *every).await,
        Subject::Calculated(points, every) => run.calculated(points, *every).await,
        Subject::Events(of) => {
            let ask = async |cursor| reader.event_page(&about(of), window, cursor).await;
            run.pages(ask, |event: &StoredEvent| event.at, event).await
        }
        Subject::Orders(of) => {
            let ask = async |cursor| reader.order_page(&about(of), window, cursor).await;
            run.pages(ask, |order: &Order| order.issued_at, order).await
        }
        Subject::Alarms(of) => {
            let ask = async |cursor| reader.alarm_page(&about(of), window, cursor).await;
            run.pages(ask, |alarm: &Alarm| alarm.raised_at, alarm).await
        }
        Subject::Audit(of) => {
            let ask = async |cursor| reader.audit_page(&about(of), window, cursor).await;
            run.pages(ask, |audit: &Audit| audit.at, audit).await
        }
        Subject::Gaps(points, longest) => run.gaps(points, *longest).await,
    }
}

/// A point with its name, which is the same in each of its rows.
struct Named {
    terminal: TerminalId,
    kind: PointKind,
    name: String,
}

impl Named {
    fn new(terminal: TerminalId, kind: PointKind) -> Self {
        Self { terminal, kind, name: point_name(kind) }
    }
}

struct Run<'a, W: Write + Send, T> {
    reader: &'a StoreReader,
    window: Window,
    inventory: Option<&'a Inventory>,
    sheet: &'a mut Sheet<W>,
    told: T,
    /// Things that are done, and how many there are.
    part: (usize, usize),
}

impl<W: Write + Send, T: FnMut(Progress)> Run<'_, W, T> {
    #[allow(clippy::cast_precision_loss, reason = "only shown")]
    fn tell(&mut self, at: Timestamp) {
        let (from, to) = (self.window.from.get() as f64, self.window.to.get() as f64);
        let within = ((at.get() as f64 - from) / (to - from)).clamp(0.0, 1.0);
        let part = (self.part.0 as f64 + within) / self.part.1.max(1) as f64;
        (self.told)(Progress { rows: self.sheet.rows(), part });
    }

    /// Everything that `ask` gives, from the begin of the window on.
    async fn pages<R>(
        &mut self,
        mut ask: impl AsyncFnMut(Cursor) -> Result<Page<R>, StoreError>,
        at: impl Fn(&R) -> Timestamp,
        mut put: impl FnMut(&mut Sheet<W>, &R) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        let mut next = Some(self.window.begin());
        while let Some(cursor) = next {
            let page = ask(cursor).await?;
            for row in &page.rows {
                put(self.sheet, row)?;
            }
            next = page.next;
            let reached = page.rows.last().filter(|_| next.is_some()).map_or(self.window.to, &at);
            self.tell(reached);
        }
        Ok(())
    }

    async fn points<R>(
        &mut self,
        points: &Points,
        mut ask: impl AsyncFnMut(StoredPoint, Cursor) -> Result<Page<R>, StoreError>,
        at: impl Fn(&R) -> Timestamp,
        mut put: impl FnMut(&mut Sheet<W>, &Named, &R) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        let all = self.reader.points().await?;
        self.known_terminals(points, &all)?;
        let wanted: Vec<_> = all.into_iter().filter(|point| points.have(point.terminal, point.kind)).collect();
        for (done, point) in wanted.iter().enumerate() {
            self.part = (done, wanted.len());
            let named = Named::new(point.terminal, point.kind);
            let ask = async |cursor| ask(*point, cursor).await;
            self.pages(ask, &at, |sheet, row| put(sheet, &named, row)).await?;
        }
        Ok(())
    }

    async fn loads(&mut self, nodes: &[NodeId], every: Resolution) -> Result<(), ExportError> {
        let all: BTreeSet<_> = self.reader.loaded_nodes().await?.into_iter().collect();
        let in_fleet = |node| self.inventory.is_some_and(|inventory| inventory.nodes.contains_key(node));
        if let Some(node) = nodes.iter().find(|node| !all.contains(node) && !in_fleet(node)) {
            return Err(ExportError::Unknown { what: "node", id: node.to_string() });
        }
        let wanted: Vec<_> = all.into_iter().filter(|node| nodes.is_empty() || nodes.contains(node)).collect();
        let (reader, window) = (self.reader, self.window);
        for (done, node) in wanted.iter().enumerate() {
            self.part = (done, wanted.len());
            let ask = async |cursor| reader.load_page(*node, every, window, cursor).await;
            self.pages(ask, |row: &NodeLoad| row.start, |sheet, row| load(sheet, *node, every, row)).await?;
        }
        Ok(())
    }

    async fn calculated(&mut self, points: &[RuleId], every: Resolution) -> Result<(), ExportError> {
        let all: BTreeSet<_> = self.reader.calculated_points().await?.into_iter().collect();
        if let Some(point) = points.iter().find(|point| !all.contains(point)) {
            return Err(ExportError::Unknown { what: "calculated point", id: point.to_string() });
        }
        let wanted: Vec<_> = all.into_iter().filter(|point| points.is_empty() || points.contains(point)).collect();
        let (reader, window) = (self.reader, self.window);
        for (done, point) in wanted.iter().enumerate() {
            self.part = (done, wanted.len());
            let ask = async |cursor| reader.calculated_page(*point, every, window, cursor).await;
            let put = |sheet: &mut Sheet<W>, row: &CalculatedStretch| calculated(sheet, *point, every, row);
            self.pages(ask, |row: &CalculatedStretch| row.start, put).await?;
        }
        Ok(())
    }

    async fn gaps(&mut self, points: &Points, longest: Span) -> Result<(), ExportError> {
        let all = self.reader.points().await?;
        self.known_terminals(points, &all)?;
        let in_fleet = self.inventory.iter().flat_map(|inventory| inventory.terminals.keys().copied());
        let terminals: BTreeSet<_> = all.iter().map(|point| point.terminal).chain(in_fleet).collect();
        let (reader, window) = (self.reader, self.window);
        let mut wanted = BTreeMap::new();
        for (terminal, kind) in terminals.iter().flat_map(|terminal| points.kinds.iter().map(|kind| (*terminal, *kind)))
        {
            if points.have(terminal, kind) {
                wanted.insert((terminal, kind), Named::new(terminal, kind));
            }
        }
        for (done, ((terminal, kind), named)) in wanted.iter().enumerate() {
            self.part = (done, wanted.len());
            let mut after = window.from;
            if let Some(point) = all.iter().find(|point| point.terminal == *terminal && point.kind == *kind) {
                let ask = async |cursor| reader.reading_page(*point, window, cursor).await;
                let put = |sheet: &mut Sheet<W>, reading: &StoredReading| {
                    let before = std::mem::replace(&mut after, reading.at);
                    gap(sheet, named, (before, reading.at), longest)
                };
                self.pages(ask, |reading| reading.at, put).await?;
            }
            gap(self.sheet, named, (after, window.to), longest)?;
        }
        Ok(())
    }

    /// One that the fleet has may be without rows.
    fn known_terminals(&self, points: &Points, stored: &[StoredPoint]) -> Result<(), ExportError> {
        let in_store = |terminal| stored.iter().any(|point| point.terminal == terminal);
        let in_fleet = |id| self.inventory.is_some_and(|inventory| inventory.terminals.contains_key(id));
        match points.terminals.iter().find(|terminal| !in_store(**terminal) && !in_fleet(terminal)) {
            Some(terminal) => Err(ExportError::Unknown { what: "terminal", id: terminal.to_string() }),
            None => Ok(()),
        }
    }
}

impl Points {
    fn have(&self, terminal: TerminalId, kind: PointKind) -> bool {
        (self.terminals.is_empty() || self.terminals.contains(&terminal))
            && (self.kinds.is_empty() || self.kinds.contains(&kind))
    }
}

/// Of a stretch.
fn length(every: Resolution) -> Cell<'static> {
    Cell::Whole(every.span().s())
}

fn reading<W: Write + Send>(sheet: &mut Sheet<W>, point: &Named, row: &StoredReading) -> Result<(), ExportError> {
    sheet.row(&[
        Cell::Time(row.at),
        Cell::Text(point.terminal.as_str()),
        Cell::Text(&point.name),
        Cell::value(point.kind, row.value),
        Cell::text_if_any(point.kind.unit()),
        Cell::Text(&row.quality.to_string()),
        Cell::time_if_any(row.source_time),
        Cell::Time(row.arrived_at),
        Cell::Whole(row.cause.into()),
    ])
}

/// The time between two readings, where it is too long.
fn gap<W: Write + Send>(
    sheet: &mut Sheet<W>,
    point: &Named,
    (after, until): (Timestamp, Timestamp),
    longest: Span,
) -> Result<(), ExportError> {
    let length = until.since(after);
    if length <= longest {
        return Ok(());
    }
    let [terminal, name] = [point.terminal.as_str(), &point.name].map(Cell::Text);
    sheet.row(&[terminal, name, Cell::Time(after), Cell::Time(until), Cell::Thousandths(length.get())])
}

fn bucket<W: Write + Send>(
    sheet: &mut Sheet<W>,
    point: &Named,
    every: Resolution,
    row: &Bucket,
) -> Result<(), ExportError> {
    let value = |at: Option<At>| at.map_or(Cell::Missing, |at| Cell::value(point.kind, at.value));
    let time = |at: Option<At>| Cell::time_if_any(at.map(|at| at.at));
    let (bad, quality) = row.bad.unzip();
    let quality = quality.map(|quality| quality.to_string()).unwrap_or_default();
    sheet.row(&[
        Cell::Time(row.start),
        length(every),
        Cell::Text(point.terminal.as_str()),
        Cell::Text(&point.name),
        Cell::text_if_any(point.kind.unit()),
        Cell::Whole(row.readings),
        Cell::Whole(row.good),
        row.mean.map_or(Cell::Missing, |mean| Cell::value(point.kind, mean)),
        value(row.low),
        time(row.low),
        value(row.high),
        time(row.high),
        value(row.first),
        time(row.first),
        value(row.last),
        time(row.last),
        value(bad),
        time(bad),
        Cell::text_if_any(&quality),
        Cell::Whole(row.marks.invalid),
        Cell::Whole(row.marks.not_topical),
        Cell::Whole(row.marks.substituted),
        Cell::Whole(row.marks.blocked),
        Cell::Whole(row.marks.overflow),
    ])
}

fn load<W: Write + Send>(
    sheet: &mut Sheet<W>,
    node: NodeId,
    every: Resolution,
    row: &NodeLoad,
) -> Result<(), ExportError> {
    sheet.row(&[
        Cell::Time(row.start),
        length(every),
        Cell::Text(node.as_str()),
        Cell::kw(Some(row.mean)),
        Cell::kw(Some(row.low)),
        Cell::kw(Some(row.high)),
        Cell::Time(row.high_at),
        Cell::kw(Some(row.last)),
        Cell::kw(row.limit),
        Cell::Thousandths(row.known.get()),
        Cell::Thousandths(row.over.get()),
    ])
}

fn calculated<W: Write + Send>(
    sheet: &mut Sheet<W>,
    point: RuleId,
    every: Resolution,
    row: &CalculatedStretch,
) -> Result<(), ExportError> {
    sheet.row(&[
        Cell::Time(row.start),
        length(every),
        Cell::Text(point.as_str()),
        Cell::Thousandths(row.mean),
        Cell::Thousandths(row.low),
        Cell::Thousandths(row.high),
        Cell::Time(row.high_at),
        Cell::Thousandths(row.last),
        Cell::Thousandths(row.known.get()),
    ])
}

fn event<W: Write + Send>(sheet: &mut Sheet<W>, row: &StoredEvent) -> Result<(), ExportError> {
    sheet.row(&[
        Cell::Time(row.at),
        Cell::time_if_any(row.source_time),
        Cell::Text(&row.kind),
        Cell::text_if_any(&row.subject),
        Cell::Text(&row.text),
        Cell::Whole(i64::try_from(row.position.0).unwrap_or(i64::MAX)),
        Cell::Text(&row.what.to_string()),
    ])
}

fn order<W: Write + Send>(sheet: &mut Sheet<W>, row: &Order) -> Result<(), ExportError> {
    let cap = match row.action {
        Action::SetCap { cap } => Some(cap),
        Action::Trip { .. } | Action::Restore { .. } => None,
    };
    sheet.row(&[
        Cell::Whole(i64::try_from(row.id.0).unwrap_or(i64::MAX)),
        Cell::Text(row.terminal.as_str()),
        Cell::Text(&row.action.to_string()),
        row.action.round().map_or(Cell::Missing, |round| Cell::Whole(round.get().into())),
        Cell::kw(cap),
        Cell::Text(&row.issuer.to_string()),
        Cell::text_if_any(&row.reason),
        Cell::Text(&row.state.to_string()),
        Cell::text_if_any(&row.detail),
        Cell::Time(row.issued_at),
        Cell::Time(row.changed_at),
        Cell::Time(row.expires_at),
        Cell::kw(row.power_before),
        Cell::kw(row.power_after),
    ])
}

fn alarm<W: Write + Send>(sheet: &mut Sheet<W>, row: &Alarm) -> Result<(), ExportError> {
    let about = alarm_subject(row);
    let priority = match row.priority {
        AlarmPriority::Low => "low",
        AlarmPriority::Medium => "medium",
        AlarmPriority::High => "high",
    };
    sheet.row(&[
        Cell::Whole(i64::try_from(row.id.0).unwrap_or(i64::MAX)),
        Cell::text_if_any(&about),
        Cell::Text(&row.cause.to_string()),
        Cell::Text(priority),
        Cell::Text(&row.state.to_string()),
        Cell::Time(row.raised_at),
        Cell::Time(row.changed_at),
        Cell::text_if_any(&row.detail),
        Cell::text_if_any(row.acknowledged_by.as_deref().unwrap_or_default()),
        Cell::text_if_any(&row.comment),
    ])
}

fn audit<W: Write + Send>(sheet: &mut Sheet<W>, row: &Audit) -> Result<(), ExportError> {
    let texts = [&row.who, &row.from, &row.action, &row.object, &row.before, &row.after];
    let mut cells = [Cell::Time(row.at); 7];
    for (cell, text) in cells.iter_mut().skip(1).zip(texts) {
        *cell = Cell::text_if_any(text);
    }
    sheet.row(&cells)
}
