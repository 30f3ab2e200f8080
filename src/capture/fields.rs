//! What an information object says, field by field: the one source of the lines and of the JSON.

use headroom_rules::model::{Quality, Timestamp};
use headroom_terminals::iec104::asdu::Information;
use headroom_terminals::iec104::asdu::element::{
    Afq, Coi, Dco, Diq, Element, Frq, Lsq, Oci, Qcc, Qdp, Qds, Qoi, Qos, Qpa, Qpm, Qrp, Rco, Sco, Scq, Sep, Siq, Sof,
    Spe, Srq, Tag, Vti,
};
use headroom_terminals::iec104::time::{Cp16, Cp24, Cp56, TimeBase, Zone};
use serde_json::{Value, json};

use super::line::hex;
use super::moment::Moment;

/// A field's name and value. `value` is what the object is about, `quality` and `time` are what they say.
pub(super) type Field = (&'static str, Value);

/// Collects fields.
#[derive(Default)]
struct Fields(Vec<Field>);

impl Fields {
    fn put(&mut self, name: &'static str, value: impl Into<Value>) -> &mut Self {
        self.0.push((name, value.into()));
        self
    }

    fn value(&mut self, value: impl Into<Value>) -> &mut Self {
        self.put("value", value)
    }

    fn quality(&mut self, bits: u8) -> &mut Self {
        self.put("quality", Quality::from_bits(bits).to_string())
    }

    /// QU and S/E of SCO, DCO, RCO.
    fn switching(&mut self, octet: u8) -> &mut Self {
        self.put("select", octet & 0x80 != 0).put("qualifier", octet >> 2 & 0x1F)
    }

    /// QL and S/E of QOS.
    fn setting(&mut self, Qos(qos): Qos) -> &mut Self {
        self.put("select", qos & 0x80 != 0).put("qualifier", qos & 0x7F)
    }

    /// QDP, with its EI.
    fn protection(&mut self, bits: u8, Cp16(octets): Cp16) -> &mut Self {
        let elapsed = Cp16(octets).ms().filter(|_| bits & 0x08 == 0);
        self.quality(bits & 0xF0).put("elapsed_ms", elapsed)
    }

    fn parameter(&mut self, Qpm(qpm): Qpm) -> &mut Self {
        self.put("parameter", qpm & 0x3F).put("changed", qpm & 0x40 != 0).put("not_in_operation", qpm & 0x80 != 0)
    }

    fn file(&mut self, name: u16) -> &mut Self {
        self.put("file", name)
    }

    fn full(&mut self, name: &'static str, tag: Cp56) -> &mut Self {
        self.time(name, tag.instant(Zone::UTC), &tag.0, tag.substituted());
        if tag.summer() { self.put("summer_time", true) } else { self }
    }

    fn time(&mut self, name: &'static str, at: Option<Timestamp>, octets: &[u8], substituted: bool) -> &mut Self {
        self.put(name, at.map(|at| at.to_string()));
        if at.is_none() {
            self.put("time_octets", hex(octets));
        }
        if substituted { self.put("time_substituted", true) } else { self }
    }
}

/// A short float in its own shortest digits; what is no number by its name.
fn float(number: f32) -> Value {
    let text = number.to_string();
    match text.parse::<f64>() {
        Ok(wide) if wide.is_finite() => json!(wide),
        _ => json!(text),
    }
}

const fn double(octet: u8) -> &'static str {
    match octet & 3 {
        0 => "intermediate",
        1 => "off",
        2 => "on",
        _ => "indeterminate",
    }
}

fn fraction(number: i16) -> Value {
    json!(f64::from(number) / 32_768.0)
}

/// Names of the bits that are set.
fn bits(octet: u8, names: &[&str]) -> Value {
    let set = names.iter().enumerate().filter(|(n, _)| octet >> n & 1 != 0);
    json!(set.map(|(_, name)| *name).collect::<Vec<_>>().join(" "))
}

/// The fields of an object. `at` tells the hour that a short time lacks.
pub(super) fn fields(information: &Information<'_>, at: Moment) -> Vec<Field> {
    let mut fields = Fields::default();
    let f = &mut fields;
    element(&information.element, f);
    match information.tag {
        Tag::None => {}
        Tag::Short(tag @ Cp24(octets)) => {
            f.time("time", tag.instant(TimeBase::utc(at.into())), &octets, tag.substituted());
        }
        Tag::Full(tag) => {
            f.full("time", tag);
        }
    }
    fields.0
}

fn element<'f>(element: &Element<'_>, f: &'f mut Fields) -> &'f mut Fields {
    match *element {
        Element::Single(Siq(siq)) => f.value(siq & 1 != 0).quality(siq & 0xF0),
        Element::Double(Diq(diq)) => f.value(double(diq)).quality(diq & 0xF0),
        Element::Step(Vti(vti), Qds(qds)) => {
            f.value((vti << 1).cast_signed() >> 1).put("transient", vti & 0x80 != 0).quality(qds)
        }
        Element::Bits(n, Qds(qds)) => f.value(format!("{n:08x}h")).quality(qds),
        Element::Normalized(n, Qds(qds)) => f.value(fraction(n)).put("raw", n).quality(qds),
        Element::Scaled(n, Qds(qds)) => f.value(n).quality(qds),
        Element::Float(n, Qds(qds)) => f.value(float(n)).quality(qds),
        Element::Counter(bcr) => f
            .value(bcr.total)
            .quality(bcr.notes & 0x80)
            .put("sequence", bcr.sequence())
            .put("carry", bcr.carry())
            .put("adjusted", bcr.adjusted()),
        Element::ProtectionEvent(Sep(sep), elapsed) => f.value(double(sep)).protection(sep & 0xF8, elapsed),
        Element::ProtectionStarts(Spe(spe), Qdp(qdp), elapsed) => {
            f.value(bits(spe, &["GS", "SL1", "SL2", "SL3", "SIE", "SRD"])).protection(qdp, elapsed)
        }
        Element::ProtectionTrips(Oci(oci), Qdp(qdp), elapsed) => {
            f.value(bits(oci, &["GC", "CL1", "CL2", "CL3"])).protection(qdp, elapsed)
        }
        Element::Packed { states, changed, qds: Qds(qds) } => {
            f.value(format!("{states:04x}h")).put("changed", format!("{changed:04x}h")).quality(qds)
        }
        Element::Bare(n) => f.value(fraction(n)).put("raw", n),
        Element::SingleCommand(Sco(sco)) => f.value(sco & 1 != 0).switching(sco),
        Element::DoubleCommand(Dco(dco)) => f.value(double(dco)).switching(dco),
        Element::StepCommand(Rco(rco)) => {
            let step = match rco & 3 {
                1 => "lower",
                2 => "higher",
                _ => "not permitted",
            };
            f.value(step).switching(rco)
        }
        Element::SetNormalized(n, qos) => f.value(fraction(n)).put("raw", n).setting(qos),
        Element::SetScaled(n, qos) => f.value(n).setting(qos),
        Element::SetFloat(n, qos) => f.value(float(n)).setting(qos),
        Element::SetBits(n) => f.value(format!("{n:08x}h")),
        Element::Initialized(Coi(coi)) => {
            f.put("cause_of_initialization", coi & 0x7F).put("parameters_changed", coi & 0x80 != 0)
        }
        Element::Interrogation(Qoi(qoi)) => f.put("qualifier", qoi),
        Element::CounterInterrogation(qcc @ Qcc(_)) => f.put("request", qcc.request()).put("freeze", qcc.freeze()),
        Element::Read => f,
        Element::Clock(time) => f.full("time", time),
        Element::Test(n) | Element::TestTimed(n) => f.value(format!("{n:04x}h")),
        Element::Reset(Qrp(qrp)) => f.put("qualifier", qrp),
        Element::Delay(ms) => f.put("delay_ms", ms.ms()),
        Element::ParameterNormalized(n, qpm) => f.value(fraction(n)).put("raw", n).parameter(qpm),
        Element::ParameterScaled(n, qpm) => f.value(n).parameter(qpm),
        Element::ParameterFloat(n, qpm) => f.value(float(n)).parameter(qpm),
        Element::ParameterActivation(Qpa(qpa)) => f.put("qualifier", qpa),
        Element::FileReady(name, length, Frq(frq)) => {
            f.file(name).put("length", length).put("negative", frq & 0x80 != 0)
        }
        Element::SectionReady(name, section, length, Srq(srq)) => {
            f.file(name).put("section", section).put("length", length).put("not_ready", srq & 0x80 != 0)
        }
        Element::FileCall(name, section, Scq(scq)) => f.file(name).put("section", section).put("qualifier", scq),
        Element::FileLast(name, section, Lsq(lsq), sum) => {
            f.file(name).put("section", section).put("qualifier", lsq).put("checksum", sum)
        }
        Element::FileAck(name, section, Afq(afq)) => f.file(name).put("section", section).put("qualifier", afq),
        Element::FileSegment(name, section, octets) => f.file(name).put("section", section).put("octets", hex(octets)),
        Element::Directory(name, length, Sof(sof), created) => {
            f.file(name).put("length", length).put("status", sof).full("created", created)
        }
        Element::QueryLog(name, from, to) => f.file(name).full("from", from).full("to", to),
    }
}
