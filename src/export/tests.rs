//! What is written is what the store answers, in both formats.

use std::collections::BTreeMap;

use bytes::Bytes;
use headroom_rules::model::{Inventory, PointKind, Power, Quality, Span, Terminal, TerminalId, Timestamp};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use tempfile::TempDir;

use super::parquet_sheet::GROUP_ROWS;
use super::*;
use crate::store::tests::life::life;
use crate::store::{Gap, History, Resolution, Store, StoreReader, StoredReading, Window};

type Row = BTreeMap<String, String>;

struct Bed {
    _folder: TempDir,
    reader: StoreReader,
}

const T0: i64 = 1_800_000_000_000;
/// Everything, in small pages.
const ALL: Window = Window { from: Timestamp::new(T0 - 86_400_000), to: Timestamp::new(T0 + 86_400_000), page_rows: 7 };

impl Bed {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).await.unwrap();
        for batch in life() {
            store.write(&batch).await.unwrap();
        }
        let reader = StoreReader::open(folder.path()).await.unwrap();
        Self { _folder: folder, reader }
    }

    async fn written(&self, format: Format, subject: &Subject, offset: Offset) -> Written<Vec<u8>> {
        let mut sheet = Sheet::begin(format, subject.columns(), offset, Vec::new()).unwrap();
        export(&self.reader, subject, ALL, None, &mut sheet, |_| {}).await.unwrap();
        sheet.finish().unwrap()
    }

    /// Rows as both formats have them, which are the same but for what Parquet's decimals cannot hold.
    async fn rows(&self, subject: &Subject) -> Vec<Row> {
        let csv = self.written(Format::Csv, subject, Offset::default()).await;
        let rows = csv_rows(&csv.into);
        assert_eq!((csv.rows, csv.beyond), (rows.len() as u64, 0));
        let parquet = self.written(Format::Parquet, subject, Offset::default()).await;
        let beyond =
            |row: &Row| row.values().filter(|value| value.len() > 19 && value.contains("9223372036854775.")).count();
        assert_eq!(parquet.beyond, rows.iter().map(beyond).sum::<usize>() as u64);
        let same = |(csv, parquet): (&Row, Row)| {
            for (name, value) in csv.iter().filter(|(_, value)| !value.contains("9223372036854775.")) {
                // A state is a whole number among decimals.
                let found = &parquet[name];
                assert!(found == value || *found == format!("{value}.000"), "{name}: {found}, not {value}");
            }
        };
        let in_parquet = parquet_rows(parquet.into);
        assert_eq!(in_parquet.len(), rows.len());
        rows.iter().zip(in_parquet).for_each(same);
        rows
    }
}

fn csv_rows(octets: &[u8]) -> Vec<Row> {
    csv::Reader::from_reader(octets).deserialize().map(|row| row.unwrap()).collect()
}

/// Texts as CSV has them.
fn parquet_rows(octets: Vec<u8>) -> Vec<Row> {
    let reader = SerializedFileReader::new(Bytes::from(octets)).unwrap();
    let text = |field: &Field| match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Long(number) => number.to_string(),
        Field::TimestampMillis(ms) => Timestamp::new(*ms).to_string(),
        Field::Decimal(_) => field.to_string(),
        other => panic!("{other:?}"),
    };
    let rows = reader.get_row_iter(None).unwrap().map(|row| row.unwrap());
    rows.map(|row| row.get_column_iter().map(|(name, field)| (name.clone(), text(field))).collect()).collect()
}

fn time(text: &str) -> Option<Timestamp> {
    (!text.is_empty()).then(|| text.parse::<When>().unwrap().at(Offset::default()))
}

/// `12.345` as 12345.
fn thousandths(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.').filter(|(_, decimals)| decimals.len() == 3)?;
    Some(format!("{whole}{decimals}").parse().unwrap())
}

fn reading(row: &Row) -> StoredReading {
    let quality = match row["quality"].as_str() {
        "good" => Quality::GOOD,
        marks => marks.split(' ').fold(Quality::GOOD, |quality, mark| {
            quality.with(match mark {
                "IV" => Quality::INVALID,
                "NT" => Quality::NOT_TOPICAL,
                "SB" => Quality::SUBSTITUTED,
                other => panic!("{other}"),
            })
        }),
    };
    StoredReading {
        at: time(&row["at"]).unwrap(),
        source_time: time(&row["source_time"]),
        arrived_at: time(&row["received"]).unwrap(),
        value: thousandths(&row["value"]).unwrap_or_else(|| row["value"].parse().unwrap()),
        quality,
        cause: row["cause"].parse().unwrap(),
    }
}

#[tokio::test]
async fn readings_come_back_as_the_store_answers_them_in_both_formats() {
    let bed = Bed::new().await;
    for aside in [false, true] {
        let of = |points| if aside { Subject::SetAside(points) } else { Subject::Readings(points) };
        let rows = bed.rows(&of(Points::default())).await;
        let mut wanted = Vec::new();
        for point in bed.reader.points().await.unwrap() {
            let (terminal, kind) = (point.terminal, point.kind);
            let answer = if aside {
                bed.reader.set_aside(terminal, kind, ALL.from, ALL.to).await.unwrap()
            } else {
                bed.reader.readings(terminal, kind, ALL.from, ALL.to).await.unwrap()
            };
            let unit = kind.unit();
            wanted.extend(answer.into_iter().map(|reading| (terminal.to_string(), point_name(kind), unit, reading)));
        }
        assert_eq!(rows.len(), if aside { 18 } else { 360 + 36 + 2 });
        for (row, (terminal, point, unit, wanted)) in rows.iter().zip(wanted) {
            assert_eq!((&row["terminal"], &row["point"], row["unit"].as_str()), (&terminal, &point, unit));
            assert_eq!(reading(row), wanted);
        }
        let points = Points { terminals: vec!["T-2".parse().unwrap()], kinds: vec![PointKind::ActivePower] };
        let some = bed.rows(&of(points)).await;
        let of_them = |row: &&Row| row["terminal"] == "T-2" && row["point"] == "active_power";
        assert!(!some.is_empty() && some.iter().eq(rows.iter().filter(of_them)));
    }
}

#[tokio::test]
async fn rollups_and_loads_come_back_as_the_store_answers_them() {
    let bed = Bed::new().await;
    let rows = bed.rows(&Subject::Rollups(Points::default(), Resolution::Quarter)).await;
    let mut wanted = Vec::new();
    for point in bed.reader.points().await.unwrap() {
        let (terminal, kind) = (point.terminal, point.kind);
        let buckets = bed.reader.buckets(terminal, kind, Resolution::Quarter, ALL.from, ALL.to).await.unwrap();
        wanted.extend(buckets.into_iter().map(|bucket| (terminal, kind, bucket)));
    }
    assert!(rows.len() > 40 && rows.len() == wanted.len());
    for (row, (terminal, kind, bucket)) in rows.iter().zip(wanted) {
        assert_eq!((&row["terminal"], &row["point"]), (&terminal.to_string(), &point_name(kind)));
        assert_eq!((time(&row["start"]), row["length_s"].as_str()), (Some(bucket.start), "900"));
        let value = |name: &str| thousandths(&row[name]).or_else(|| row[name].parse().ok());
        assert_eq!(value("mean"), bucket.mean);
        for (name, at) in [("low", bucket.low), ("high", bucket.high), ("first", bucket.first), ("last", bucket.last)] {
            assert_eq!((value(name), time(&row[&format!("{name}_at")])), (at.map(|at| at.value), at.map(|at| at.at)));
        }
        assert_eq!((value("bad"), time(&row["bad_at"])), bucket.bad.map(|(at, _)| (at.value, at.at)).unzip());
        assert_eq!(row["bad_quality"], bucket.bad.map(|(_, quality)| quality.to_string()).unwrap_or_default());
        let counts = [("readings", bucket.readings), ("good", bucket.good), ("invalid", bucket.marks.invalid)];
        counts.iter().for_each(|(name, count)| assert_eq!(row[*name], count.to_string()));
    }

    let rows = bed.rows(&Subject::Load(vec!["F-1".parse().unwrap()], Resolution::Minute)).await;
    let wanted = bed.reader.load_curve("F-1".parse().unwrap(), ALL.from, ALL.to, usize::MAX).await.unwrap();
    assert_eq!((rows.len(), wanted.len()), (120, 120));
    for (row, load) in rows.iter().zip(wanted) {
        let kw = |name: &str| thousandths(&row[name]).map(Power::new);
        assert_eq!((time(&row["start"]), time(&row["high_at"])), (Some(load.start), Some(load.high_at)));
        assert_eq!((kw("mean_kw"), kw("low_kw"), kw("high_kw")), (Some(load.mean), Some(load.low), Some(load.high)));
        assert_eq!((kw("last_kw"), kw("limit_kw")), (Some(load.last), load.limit));
        let spans = ["known_s", "over_s"].map(|name| thousandths(&row[name]).map(Span::new));
        assert_eq!(spans, [Some(load.known), Some(load.over)]);
    }
    assert_eq!(bed.rows(&Subject::Load(vec![], Resolution::Hour)).await.len(), 2 * 2, "calculated points are no nodes");

    let sum = "SUM".parse().unwrap();
    let rows = bed.rows(&Subject::Calculated(vec![sum], Resolution::Minute)).await;
    let wanted = bed.reader.calculated_curve(sum, ALL.from, ALL.to, usize::MAX).await.unwrap();
    assert_eq!((rows.len(), wanted.len()), (120, 120));
    for (row, stretch) in rows.iter().zip(wanted) {
        assert_eq!((row["point"].as_str(), time(&row["start"])), ("SUM", Some(stretch.start)));
        let values = ["mean", "low", "high", "last", "known_s"].map(|name| thousandths(&row[name]));
        let known = stretch.known.get();
        assert_eq!(values, [stretch.mean, stretch.low, stretch.high, stretch.last, known].map(Some));
    }
}

#[tokio::test]
async fn histories_come_back_as_the_store_answers_them_with_quotes_and_line_ends() {
    let bed = Bed::new().await;
    let history = History { about: None, from: ALL.from, to: ALL.to, limit: 1_000 };
    let text = |row: &Row, name: &str, wanted: &str| assert_eq!(row[name], wanted, "{name}");
    let rows = bed.rows(&Subject::Audit(None)).await;
    let mut wanted = bed.reader.audit(&history).await.unwrap();
    wanted.reverse();
    assert!(rows.len() == 120 && rows.len() == wanted.len());
    for (row, audit) in rows.iter().zip(wanted) {
        assert_eq!(time(&row["at"]), Some(audit.at));
        text(row, "who", &audit.who);
        text(row, "action", &audit.action);
        text(row, "object", &audit.object);
        text(row, "before", &audit.before);
        text(row, "after", &audit.after);
    }
    let rows = bed.rows(&Subject::Orders(Some("T-1".into()))).await;
    let mut wanted = bed.reader.orders(&History { about: Some("T-1".into()), ..history.clone() }).await.unwrap();
    wanted.reverse();
    assert!(rows.len() == 60 && rows.len() == wanted.len());
    for (row, order) in rows.iter().zip(wanted) {
        text(row, "order", &order.id.0.to_string());
        text(row, "action", &order.action.to_string());
        text(row, "round", &order.action.round().map(|round| round.to_string()).unwrap_or_default());
        text(row, "state", "confirmed");
        let times = ["issued_at", "changed_at", "expires_at"].map(|name| time(&row[name]));
        assert_eq!(times, [order.issued_at, order.changed_at, order.expires_at].map(Some));
        assert_eq!(thousandths(&row["power_before_kw"]).map(Power::new), order.power_before);
    }
    let rows = bed.rows(&Subject::Alarms(None)).await;
    let mut wanted = bed.reader.alarms(&history).await.unwrap();
    wanted.reverse();
    assert!(rows.len() == 120 && rows.len() == wanted.len());
    for (row, alarm) in rows.iter().zip(wanted) {
        text(row, "alarm", &alarm.id.0.to_string());
        text(row, "about", "T-2");
        text(row, "cause", &alarm.cause.to_string());
        text(row, "priority", "low");
        text(row, "acknowledged_by", alarm.acknowledged_by.as_deref().unwrap_or_default());
        assert_eq!(time(&row["raised_at"]), Some(alarm.raised_at));
    }
    let rows = bed.rows(&Subject::Events(None)).await;
    let mut wanted = bed.reader.events(&history).await.unwrap();
    wanted.reverse();
    assert!(rows.len() == 240 && rows.len() == wanted.len());
    for (row, event) in rows.iter().zip(wanted) {
        assert_eq!((time(&row["at"]), time(&row["source_time"])), (Some(event.at), event.source_time));
        text(row, "event", &event.kind);
        text(row, "about", &event.subject);
        text(row, "text", &event.text);
        text(row, "position", &event.position.to_string());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&row["fields_json"]).unwrap(), event.what);
    }
}

#[tokio::test]
async fn a_terminal_that_never_told_anything_is_one_long_gap() {
    let bed = Bed::new().await;
    let subject = Subject::Gaps(Points { terminals: vec![], kinds: vec![PointKind::ActivePower] }, Span::from_s(600));
    let silent: TerminalId = "T-9".parse().unwrap();
    let fleet = Inventory {
        terminals: BTreeMap::from([(
            silent,
            Terminal { customer: None, rounds: BTreeMap::new(), warns_for: Span::ZERO },
        )]),
        ..Inventory::default()
    };
    let mut sheet = Sheet::begin(Format::Csv, subject.columns(), Offset::default(), Vec::new()).unwrap();
    export(&bed.reader, &subject, ALL, Some(&fleet), &mut sheet, |_| {}).await.unwrap();
    let rows = csv_rows(&sheet.finish().unwrap().into);
    let mut wanted = Vec::new();
    for id in ["T-1", "T-2", "T-9"] {
        let gaps = bed.reader.gaps(id.parse().unwrap(), PointKind::ActivePower, ALL.from, ALL.to, Span::from_s(600));
        wanted.extend(gaps.await.unwrap().into_iter().map(|gap| (id, gap)));
    }
    let gap = |row: &Row| Gap { after: time(&row["after"]).unwrap(), until: time(&row["until"]).unwrap() };
    let found: Vec<_> = rows.iter().map(|row| (row["terminal"].as_str(), gap(row))).collect();
    assert_eq!(found, wanted);
    assert_eq!(rows.last().map(|row| row["length_s"].as_str()), Some("172800.000"));
}

#[tokio::test]
async fn what_neither_the_store_nor_the_fleet_knows_is_named() {
    let bed = Bed::new().await;
    let points = || Points { terminals: vec!["T-1".parse().unwrap(), "T-8".parse().unwrap()], kinds: vec![] };
    for (subject, said) in [
        (Subject::Readings(points()), "terminal T-8 is not known"),
        (Subject::Rollups(points(), Resolution::Day), "terminal T-8 is not known"),
        (Subject::Gaps(points(), Span::from_s(1)), "terminal T-8 is not known"),
        (Subject::Calculated(vec!["F-1".parse().unwrap()], Resolution::Day), "calculated point F-1 is not known"),
        (Subject::Load(vec!["F-8".parse().unwrap()], Resolution::Day), "node F-8 is not known"),
    ] {
        let mut sheet = Sheet::begin(Format::Csv, subject.columns(), Offset::default(), Vec::new()).unwrap();
        let error = export(&bed.reader, &subject, ALL, None, &mut sheet, |_| {}).await.unwrap_err();
        assert!(error.to_string().starts_with(said), "{error}");
    }
}

#[tokio::test]
async fn progress_rises_to_the_end_and_comes_after_each_page() {
    let bed = Bed::new().await;
    let subject = Subject::Readings(Points::default());
    let mut sheet = Sheet::begin(Format::Csv, subject.columns(), Offset::default(), Vec::new()).unwrap();
    let mut told = Vec::new();
    export(&bed.reader, &subject, ALL, None, &mut sheet, |progress| told.push(progress)).await.unwrap();
    assert!(told.is_sorted_by_key(|progress| progress.rows) && told.is_sorted_by(|a, b| a.part <= b.part), "{told:?}");
    assert_eq!(told.last(), Some(&Progress { rows: 398, part: 1.0 }));
    assert!(told.windows(2).all(|pair| pair[1].rows - pair[0].rows <= 7), "no page is larger");
    assert!(told.len() >= 398 / 7, "{} pages", told.len());
}

#[tokio::test]
async fn csv_shows_times_by_the_clocks_that_were_asked_for() {
    let bed = Bed::new().await;
    let subject = Subject::Audit(None);
    let there = csv_rows(&bed.written(Format::Csv, &subject, "+08:00".parse().unwrap()).await.into);
    let here = csv_rows(&bed.written(Format::Csv, &subject, Offset::default()).await.into);
    assert!(there.iter().all(|row| row["at"].ends_with("+08:00")));
    assert!(there.iter().map(|row| time(&row["at"])).eq(here.iter().map(|row| time(&row["at"]))));
}

const COLUMNS: &[Column] =
    &[Column { name: "number", holds: Holds::Whole }, Column { name: "text", holds: Holds::Text }];

#[test]
fn a_group_of_rows_is_bounded_by_their_number_and_by_their_text() {
    let mut sheet = Sheet::begin(Format::Parquet, COLUMNS, Offset::default(), Vec::new()).unwrap();
    let count = GROUP_ROWS + 3;
    for n in 0..count {
        let n = i64::try_from(n).unwrap();
        sheet.row(&[Cell::Whole(n), if n % 2 == 0 { Cell::Text("even") } else { Cell::Missing }]).unwrap();
    }
    let long = "x".repeat(1_000_000);
    for _ in 0..20 {
        sheet.row(&[Cell::Missing, Cell::Text(&long)]).unwrap();
    }
    let octets = sheet.finish().unwrap().into;
    let reader = SerializedFileReader::new(Bytes::from(octets)).unwrap();
    let groups: Vec<_> = reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [i64::try_from(GROUP_ROWS).unwrap(), 3 + 16, 4]);
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap()).collect();
    assert_eq!(rows[GROUP_ROWS + 1].to_string(), format!("{{number: {}, text: null}}", GROUP_ROWS + 1));
    assert_eq!(rows[GROUP_ROWS].to_string(), format!("{{number: {GROUP_ROWS}, text: \"even\"}}"));
}

#[test]
fn an_empty_table_is_a_sound_file() {
    let octets = Sheet::begin(Format::Parquet, COLUMNS, Offset::default(), Vec::new()).unwrap().finish().unwrap().into;
    assert!(parquet_rows(octets).is_empty());
    let octets = Sheet::begin(Format::Csv, COLUMNS, Offset::default(), Vec::new()).unwrap().finish().unwrap().into;
    assert_eq!(octets, b"number,text\n");
}

/// Takes so many octets, and then no more.
struct Full(usize);

impl std::io::Write for Full {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(octets.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_is_said_in_both_formats() {
    let bed = Bed::new().await;
    let subject = Subject::Readings(Points::default());
    for format in [Format::Csv, Format::Parquet] {
        let write = async || {
            let mut sheet = Sheet::begin(format, subject.columns(), Offset::default(), Full(1_000))?;
            export(&bed.reader, &subject, ALL, None, &mut sheet, |_| {}).await?;
            sheet.finish().map(|_| ())
        };
        let error = write().await.unwrap_err();
        assert!(matches!(error, ExportError::Write(_)), "{format:?}: {error:?}");
        assert!(error.to_string().contains("check that there is room"), "{error}");
    }
}
