//! The matrix as data: each value once as c104 says it (see `tests/peers/points.py`) and once as ours do.

use headroom_rules::model::{Quality, SwitchPosition, Timestamp};
use headroom_terminals::iec104::asdu::Bcr;
use headroom_terminals::iec104::{CommandValue, Object, Value};
use serde_json::{Value as Json, json};

use super::COMMON_ADDRESS;

/// A monitored object.
pub(crate) struct Row {
    pub(crate) type_name: &'static str,
    fields: Json,
    /// Quality as c104 has it.
    marks: u8,
    value: Value,
    quality: Quality,
    pub(crate) ioa: u32,
    time_ms: Option<i64>,
    /// Whether ours sends it, too.
    pub(crate) sent: bool,
}

impl Row {
    /// As c104 takes it, to be sent.
    pub(crate) fn said(&self) -> Json {
        self.as_json(self.marks)
    }

    /// As c104 tells it where it came.
    pub(crate) fn told(&self) -> Json {
        self.as_json(match self.value {
            Value::Counter(Bcr { notes, .. }) => notes & 0x60 | self.quality.bits(),
            _ => self.marks,
        })
    }

    fn as_json(&self, marks: u8) -> Json {
        let (ca, ioa, time) = (COMMON_ADDRESS, self.ioa, self.time_ms);
        json!({ "ca": ca, "ioa": ioa, "type": self.type_name, "fields": self.fields, "quality": marks, "time": time })
    }

    /// As ours has it.
    pub(crate) fn object(&self, cause: u8) -> Object {
        let (ioa, value, quality, time) = (self.ioa, self.value, self.quality, self.time_ms.map(Timestamp::new));
        Object { common_address: COMMON_ADDRESS, ioa, value, quality, time, cause }
    }

    /// As ours hears it of c104, which sends no quality with a bitstring.
    pub(crate) fn heard(&self, cause: u8) -> Object {
        let object = self.object(cause);
        match self.value {
            Value::Bits(_) => Object { quality: Quality::GOOD, ..object },
            _ => object,
        }
    }

    /// Whether c104 tells it when it is interrogated.
    pub(crate) fn is_interrogated(&self) -> bool {
        !["M_ME_ND", "M_EP_TD", "M_EP_TE", "M_EP_TF", "M_PS_NA"].contains(&&self.type_name[..7])
    }

    /// Whether c104 lets it be read.
    pub(crate) fn is_readable(&self) -> bool {
        !["M_IT", "M_EP"].contains(&&self.type_name[..4])
    }

    pub(crate) fn is_counter(&self) -> bool {
        matches!(self.value, Value::Counter(_))
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.time_ms.is_some()
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {} {:#04x}", self.type_name, self.fields, self.marks)
    }
}

/// 2026-11-24T12:00:00.123, the turn of the century, the ends of a February and of a leap one, the last that a tag can tell
/// from 1970.
const TIMES: [i64; 5] = [1_795_521_600_123, 946_684_800_000, 1_772_323_199_999, 1_835_481_599_999, 3_155_759_999_999];
const UPPER: &[u8] = &[0x80, 0x40, 0x20, 0x10, 0xF0];
const WHOLE: &[u8] = &[0x80, 0x40, 0x20, 0x10, 0x01, 0xF1];
/// EI: the elapsed time is not to be used.
const EI: u8 = 0x08;
/// CY and CA as c104 takes them: it sends each for what it is called, and reads one for the other.
const COUNTER_NOTES: [(u8, u8); 2] = [(0x20, 0x40), (0x40, 0x20)];

#[derive(Default)]
struct Rows(Vec<Row>);

impl Rows {
    fn push(&mut self, type_name: &'static str, value: Value, fields: Json, (marks, quality): (u8, u8)) {
        let at = self.0.len();
        // Types from 30 on are those with date and time: TB, TD, TE, TF.
        let timed = type_name.as_bytes()[5] == b'T';
        self.0.push(Row {
            type_name,
            fields,
            marks,
            value,
            quality: Quality::from_bits(quality),
            ioa: 1_001 + u32::try_from(at).unwrap(),
            time_ms: timed.then(|| TIMES[at % TIMES.len()]),
            sent: true,
        });
    }

    /// Every value; the first one with every mark, too.
    fn of(&mut self, types: &[&'static str], marks: &[u8], values: impl IntoIterator<Item = (Value, Json)>) {
        let values: Vec<_> = values.into_iter().collect();
        for type_name in types {
            for (at, (value, fields)) in values.iter().enumerate() {
                let all: &[u8] = if at == 0 { marks } else { &[] };
                for &mark in [0].iter().chain(all) {
                    self.push(type_name, *value, fields.clone(), (mark, mark));
                }
            }
        }
    }
}

/// Every type that c104 has, with and without time; each of its values, each mark of its quality.
pub(crate) fn monitored() -> Vec<Row> {
    let mut rows = Rows::default();
    rows.of(&["M_SP_NA_1", "M_SP_TB_1"], UPPER, [true, false].map(|on| (Value::Single(on), json!([on]))));
    let double = |n: i64| (Value::Double(SwitchPosition::from_value(n)), json!([n]));
    rows.of(&["M_DP_NA_1", "M_DP_TB_1"], UPPER, [2, 1, 0, 3].map(double));
    let step = |(position, transient): (i8, bool)| (Value::Step { position, transient }, json!([position, transient]));
    rows.of(&["M_ST_NA_1", "M_ST_TB_1"], WHOLE, [(-64, true), (63, false), (0, true), (-1, false)].map(step));
    let bits = |n: u32| (Value::Bits(n), json!([n]));
    rows.of(&["M_BO_NA_1", "M_BO_TB_1"], WHOLE, [0xDEAD_BEEF, 0, u32::MAX].map(bits));
    let whole = [i16::MIN, -1, 0, 1, 12_345, i16::MAX];
    rows.of(&["M_ME_NA_1", "M_ME_TD_1"], WHOLE, whole.map(|n| (Value::Normalized(n), json!([n]))));
    let from = rows.0.len();
    rows.of(&["M_ME_ND_1"], &[], whole.map(|n| (Value::Normalized(n), json!([n]))));
    // Ours sends quality with every value.
    rows.0[from..].iter_mut().for_each(|row| row.sent = false);
    rows.of(&["M_ME_NB_1", "M_ME_TE_1"], WHOLE, whole.map(|n| (Value::Scaled(n), json!([n]))));
    let float = |n: f32| (Value::Float(n), json!([n.to_bits()]));
    let floats = [-321.5, 0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1.0e-45];
    rows.of(&["M_ME_NC_1", "M_ME_TF_1"], WHOLE, floats.map(float));
    for type_name in ["M_ME_NC_1", "M_ME_TF_1"] {
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            rows.push(type_name, Value::Float(0.0), json!([odd.to_bits()]), (0, 0x80));
            rows.0.last_mut().unwrap().sent = false;
        }
    }
    let counter = |(total, notes): (i32, u8)| (Value::Counter(Bcr { total, notes }), json!([total, notes & 0x1F]));
    let types = ["M_IT_NA_1", "M_IT_TB_1"];
    rows.of(&types, &[0x80], [(i32::MIN, 0), (-1, 31), (0, 1), (i32::MAX, 16)].map(counter));
    for type_name in types {
        for (note, mark) in COUNTER_NOTES {
            rows.push(type_name, Value::Counter(Bcr { total: 7, notes: 5 | note }), json!([7, 5]), (mark, 0));
        }
    }
    protection(&mut rows);
    let packed = |(states, changed): (u16, u16)| (Value::Packed { states, changed }, json!([states, changed]));
    rows.of(&["M_PS_NA_1"], WHOLE, [(0xA5A5, 0x8001), (0, u16::MAX), (u16::MAX, 0)].map(packed));
    rows.0
}

fn protection(rows: &mut Rows) {
    let event = |(state, ms): (u8, u16)| (Value::ProtectionEvent { state, elapsed_ms: Some(ms) }, json!([state, ms]));
    rows.of(&["M_EP_TD_1"], UPPER, [(2, 59_999), (1, 0), (0, 1), (3, 1_234)].map(event));
    let starts =
        |(starts, ms): (u8, u16)| (Value::ProtectionStarts { starts, elapsed_ms: Some(ms) }, json!([starts, ms]));
    rows.of(&["M_EP_TE_1"], UPPER, [(0x3F, 7), (0, 59_999), (0x21, 0)].map(starts));
    let trips =
        |(circuits, ms): (u8, u16)| (Value::ProtectionTrips { circuits, elapsed_ms: Some(ms) }, json!([circuits, ms]));
    rows.of(&["M_EP_TF_1"], UPPER, [(0x0F, 7), (0, 59_999), (0x05, 0)].map(trips));
    let without = [
        ("M_EP_TD_1", Value::ProtectionEvent { state: 1, elapsed_ms: None }),
        ("M_EP_TE_1", Value::ProtectionStarts { starts: 1, elapsed_ms: None }),
        ("M_EP_TF_1", Value::ProtectionTrips { circuits: 1, elapsed_ms: None }),
    ];
    for (type_name, value) in without {
        rows.push(type_name, value, json!([1, 0]), (EI, 0));
    }
}

/// A command.
pub(crate) struct CommandRow {
    /// Without and with time.
    pub(crate) types: [&'static str; 2],
    pub(crate) value: CommandValue,
    fields: Json,
    pub(crate) ioa: u32,
}

impl CommandRow {
    /// As c104 takes it, with a qualifier and a time of its own.
    pub(crate) fn said(&self, timed: bool, qualifier: u8, time_ms: i64) -> Json {
        let (ca, ioa, type_name) = (COMMON_ADDRESS, self.ioa, self.types[usize::from(timed)]);
        let time = timed.then_some(time_ms);
        json!({ "ca": ca, "ioa": ioa, "type": type_name, "fields": self.fields, "quality": qualifier, "time": time })
    }

    pub(crate) fn name(&self, timed: bool) -> String {
        format!("{} {}", self.types[usize::from(timed)], self.fields)
    }

    pub(crate) fn fields(&self) -> &Json {
        &self.fields
    }
}

/// Every command type, with the ends of its range.
pub(crate) fn commands() -> Vec<CommandRow> {
    let mut rows = Vec::new();
    let mut of = |types: [&'static str; 2], values: &[(CommandValue, Json)]| {
        for (value, fields) in values.iter().cloned() {
            let ioa = 6_001 + u32::try_from(rows.len()).unwrap();
            rows.push(CommandRow { types, value, fields, ioa });
        }
    };
    of(["C_SC_NA_1", "C_SC_TA_1"], &[true, false].map(|on| (CommandValue::Single(on), json!([on]))));
    let pair = |on: bool| json!([if on { 2 } else { 1 }]);
    of(["C_DC_NA_1", "C_DC_TA_1"], &[true, false].map(|on| (CommandValue::Double(on), pair(on))));
    of(["C_RC_NA_1", "C_RC_TA_1"], &[true, false].map(|higher| (CommandValue::Step(higher), pair(higher))));
    let whole = [i16::MIN, -1, 0, i16::MAX];
    of(["C_SE_NA_1", "C_SE_TA_1"], &whole.map(|n| (CommandValue::SetNormalized(n), json!([n]))));
    of(["C_SE_NB_1", "C_SE_TB_1"], &whole.map(|n| (CommandValue::SetScaled(n), json!([n]))));
    let floats = [-321.5, 0.0, f32::MAX, f32::MIN_POSITIVE];
    of(["C_SE_NC_1", "C_SE_TC_1"], &floats.map(|n: f32| (CommandValue::SetFloat(n), json!([n.to_bits()]))));
    of(["C_BO_NA_1", "C_BO_TA_1"], &[0, 0xDEAD_BEEF].map(|n| (CommandValue::SetBits(n), json!([n]))));
    rows
}
