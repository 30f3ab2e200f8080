//! Something of everything that a store holds, for whoever reads it back.

use headroom_rules::input::Input;
use headroom_rules::model::{PointKind, Power, Quality, Reading, Span, TerminalId, Timestamp};
use headroom_rules::orders::{Action, Issuer, Order, OrderId, OrderState};
use headroom_rules::output::{
    Alarm, AlarmCause, AlarmId, AlarmState, Audit, CalculatedMinute, Event, Happening, LoadMinute, Output,
};

use crate::journal::Position;
use crate::store::Entry;

/// 2027-01-15, 08:00 UTC.
const T0: i64 = 1_800_000_000_000;

fn t(ms: i64) -> Timestamp {
    Timestamp::new(T0 + ms)
}

/// Two terminals, of two hours; what is stored in two batches may have the same times twice.
pub(crate) fn life() -> [Vec<Entry>; 2] {
    let terminals: [TerminalId; 2] = ["T-1".parse().unwrap(), "T-2".parse().unwrap()];
    let kinds = [PointKind::ActivePower, PointKind::ImportEnergy, PointKind::RoundPosition(1.try_into().unwrap())];
    let marks = [Quality::GOOD, Quality::INVALID.with(Quality::SUBSTITUTED), Quality::NOT_TOPICAL];
    let mut entries = Vec::new();
    let mut add = |input, outputs| {
        entries.push(Entry { position: Position(entries.len() as u64 + 1), input, outputs });
    };
    for n in 0..120_i64 {
        let at = t(60_000 * n);
        let reading = |kind: PointKind, n: i64| Reading {
            point: kind,
            value: if kind.is_state() { n % 3 } else { n * 12_345 - 100_000 },
            quality: marks[usize::try_from(n % 7 / 5 + n % 11 / 10).unwrap()],
            source_time: (n % 4 != 3).then_some(t(60_000 * n - 1_234)),
            cause: 3,
        };
        let readings = kinds.iter().map(|kind| reading(*kind, n)).collect();
        add(Input::Readings { at, terminal: terminals[usize::try_from(n % 2).unwrap()], readings }, outputs(n));
    }
    // A clock that stands still, and a terminal that repeats itself in one millisecond, in one input and in several.
    let stuck = |value| Reading {
        point: PointKind::ActivePower,
        value,
        quality: Quality::GOOD,
        source_time: Some(t(30_000)),
        cause: 20,
    };
    for n in 0..12 {
        let readings = vec![stuck(n / 5), stuck(1), stuck(1)];
        add(Input::Readings { at: t(7_300_000 + n / 3), terminal: terminals[0], readings }, vec![]);
    }
    // The ends of the range, and times that cannot be.
    let wild = |value, source| Reading { value, source_time: Some(source), ..stuck(0) };
    let readings = vec![wild(i64::MAX, t(100)), wild(i64::MIN, t(200))];
    add(Input::Readings { at: t(7_400_000), terminal: terminals[1], readings }, vec![]);
    for n in 0..9 {
        let readings = vec![wild(n, Timestamp::new(n)), wild(n, t(999_999_999))];
        add(Input::Readings { at: t(7_500_000 + n / 4), terminal: terminals[1], readings }, vec![]);
    }
    let second = entries.split_off(127);
    [entries, second]
}

fn outputs(n: i64) -> Vec<Output> {
    let at = t(60_000 * n);
    let number = u64::try_from(n).unwrap();
    let load = |node: &str, kw| {
        Output::Load(LoadMinute {
            node: node.parse().unwrap(),
            from: at,
            min: Power::new(kw - 500),
            max: Power::new(kw + 1_500),
            mean: Power::new(kw),
            last: Power::new(kw + 1),
            known: Span::new(60_000 - n),
            over: Span::new(n * 10),
            limit: (n % 3 != 0).then_some(Power::from_kw(400)),
        })
    };
    let mut outputs = vec![load("F-1", n * 1_111), load("F-2", -n)];
    outputs.push(Output::Calculated(CalculatedMinute {
        point: "SUM".parse().unwrap(),
        from: at,
        min: -n,
        max: n * 1_001,
        mean: n,
        last: n,
        known: Span::new(1 + n * 10),
    }));
    // Several events of one time.
    let up = Happening::Link { terminal: "T-1".parse().unwrap(), up: n % 2 == 0 };
    for source_time in [None, Some(t(n))] {
        outputs.push(Output::Event(Event { at: t(60_000 * (n / 8)), source_time, what: up.clone() }));
    }
    outputs.push(Output::Audit(Audit {
        at: t(60_000 * (n / 8)),
        who: "wang \"the cap\", li".into(),
        from: "10.0.0.7".into(),
        action: "acknowledges\nwith two lines".into(),
        object: format!("#{n}"),
        before: String::new(),
        after: "已确认".into(),
    }));
    let round = u8::try_from(n % 8 + 1).unwrap().try_into().unwrap();
    let action = match n % 3 {
        0 => Action::Trip { round },
        1 => Action::Restore { round },
        _ => Action::SetCap { cap: Power::new(n * 100) },
    };
    outputs.push(Output::Order(Order {
        id: OrderId(number + 1),
        terminal: format!("T-{}", n % 2 + 1).parse().unwrap(),
        action,
        qualifier: None,
        issuer: Issuer::Operator { name: "wang".into() },
        reason: "by hand; lunch".into(),
        state: OrderState::Confirmed,
        detail: String::new(),
        issued_at: at,
        changed_at: t(60_000 * n + 500),
        expires_at: t(60_000 * n + 60_000),
        power_before: (n % 2 == 0).then_some(Power::new(n * 1_001)),
        power_after: None,
    }));
    let cause = AlarmCause::LinkDown { terminal: "T-2".parse().unwrap() };
    outputs.push(Output::Alarm(Alarm {
        id: AlarmId(number + 1),
        cause,
        priority: cause.priority(),
        state: AlarmState::Acknowledged,
        raised_at: at,
        changed_at: at,
        detail: "no answer".into(),
        acknowledged_by: (n % 2 == 0).then(|| "li.wei".into()),
        comment: String::new(),
    }));
    outputs
}
