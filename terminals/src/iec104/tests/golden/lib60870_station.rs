//! What lib60870-C sends as a controlled station: captured from PyPI `c104` 2.2.1, which wraps it.

use headroom_rules::model::{Quality, SwitchPosition};

use super::{Head, head, says};
use crate::iec104::asdu::{Bcr, Value, causes, types};

/// lib60870-C, by PyPI `c104` 2.2.1, spontaneous: states, steps, bits, normalized and scaled values.
#[test]
fn what_lib60870_reports_reads_field_by_field() {
    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x22, 0x00, 0x04, 0x00, // N(S) = 17, N(R) = 2
        0x01, 0x01,             // M_SP_NA_1 (1), one object
        0x03, 0x00,             // spontaneous
        0x2F, 0x00,             // common address 47
        0x1E, 0x02, 0x01,       // object 66078
        0x11,                   // SIQ: BL, ON
    ];
    let header = head(17, 2, types::M_SP_NA, causes::SPONTANEOUS, 0, 47);
    says(&frame, header, &[(66_078, Value::Single(true), Quality::BLOCKED, None)]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x15,                               // start, 21 octets follow
        0x24, 0x00, 0x04, 0x00,                   // N(S) = 18, N(R) = 2
        0x1E, 0x01,                               // M_SP_TB_1 (30), one object
        0x03, 0x00,                               // spontaneous
        0x2F, 0x00,                               // common address 47
        0x20, 0x02, 0x01,                         // object 66080
        0x11,                                     // SIQ: BL, ON
        0xC8, 0x13, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:05.064
    ];
    let header = head(18, 2, types::M_SP_TB, causes::SPONTANEOUS, 0, 47);
    says(&frame, header, &[(66_080, Value::Single(true), Quality::BLOCKED, Some("2026-11-24T12:35:05.064Z"))]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x26, 0x00, 0x04, 0x00, // N(S) = 19, N(R) = 2
        0x03, 0x01,             // M_DP_NA_1 (3), one object
        0x03, 0x00,             // spontaneous
        0x2F, 0x00,             // common address 47
        0x06, 0x02, 0x01,       // object 66054
        0x42,                   // DIQ: NT, ON
    ];
    let header = head(19, 2, types::M_DP_NA, causes::SPONTANEOUS, 0, 47);
    says(&frame, header, &[(66_054, Value::Double(SwitchPosition::Closed), Quality::NOT_TOPICAL, None)]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x15,                               // start, 21 octets follow
        0x28, 0x00, 0x04, 0x00,                   // N(S) = 20, N(R) = 2
        0x1F, 0x01,                               // M_DP_TB_1 (31), one object
        0x03, 0x00,                               // spontaneous
        0x2F, 0x00,                               // common address 47
        0x08, 0x02, 0x01,                         // object 66056
        0x42,                                     // DIQ: NT, ON
        0xF5, 0x14, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:05.365
    ];
    let header = head(20, 2, types::M_DP_TB, causes::SPONTANEOUS, 0, 47);
    says(
        &frame,
        header,
        &[(66_056, Value::Double(SwitchPosition::Closed), Quality::NOT_TOPICAL, Some("2026-11-24T12:35:05.365Z"))],
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0F,             // start, 15 octets follow
        0x2A, 0x00, 0x04, 0x00, // N(S) = 21, N(R) = 2
        0x05, 0x01,             // M_ST_NA_1 (5), one object
        0x03, 0x00,             // spontaneous
        0x2F, 0x00,             // common address 47
        0x21, 0x02, 0x01,       // object 66081
        0xF3,                   // VTI: transient, -13
        0x80,                   // QDS: IV
    ];
    let header = head(21, 2, types::M_ST_NA, causes::SPONTANEOUS, 0, 47);
    says(&frame, header, &[(66_081, Value::Step { position: -13, transient: true }, Quality::INVALID, None)]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x16,                               // start, 22 octets follow
        0x2C, 0x00, 0x04, 0x00,                   // N(S) = 22, N(R) = 2
        0x20, 0x01,                               // M_ST_TB_1 (32), one object
        0x03, 0x00,                               // spontaneous
        0x2F, 0x00,                               // common address 47
        0x23, 0x02, 0x01,                         // object 66083
        0xF3,                                     // VTI: transient, -13
        0x80,                                     // QDS: IV
        0x22, 0x16, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:05.666
    ];
    let header = head(22, 2, types::M_ST_TB, causes::SPONTANEOUS, 0, 47);
    says(
        &frame,
        header,
        &[(66_083, Value::Step { position: -13, transient: true }, Quality::INVALID, Some("2026-11-24T12:35:05.666Z"))],
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x12,             // start, 18 octets follow
        0x2E, 0x00, 0x04, 0x00, // N(S) = 23, N(R) = 2
        0x07, 0x01,             // M_BO_NA_1 (7), one object
        0x03, 0x00,             // spontaneous
        0x2F, 0x00,             // common address 47
        0x03, 0x02, 0x01,       // object 66051
        0x01, 0x02, 0x03, 0xFE, // bits FE030201
        0x00,                   // QDS: good
    ];
    let header = head(23, 2, types::M_BO_NA, causes::SPONTANEOUS, 0, 47);
    says(&frame, header, &[(66_051, Value::Bits(0xFE03_0201), Quality::GOOD, None)]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x19,                               // start, 25 octets follow
        0x30, 0x00, 0x04, 0x00,                   // N(S) = 24, N(R) = 2
        0x21, 0x01,                               // M_BO_TB_1 (33), one object
        0x03, 0x00,                               // spontaneous
        0x2F, 0x00,                               // common address 47
        0x05, 0x02, 0x01,                         // object 66053
        0x01, 0x02, 0x03, 0xFE,                   // bits FE030201
        0x00,                                     // QDS: good
        0x4F, 0x17, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:05.967
    ];
    let header = head(24, 2, types::M_BO_TB, causes::SPONTANEOUS, 0, 47);
    says(&frame, header, &[(66_053, Value::Bits(0xFE03_0201), Quality::GOOD, Some("2026-11-24T12:35:05.967Z"))]);
}

/// As before: short floats, counters, events of protection equipment, packed points, values without quality.
#[test]
fn what_lib60870_measures_counts_and_protects_reads_field_by_field() {
    #[rustfmt::skip]
    let frame = [
        0x68, 0x10,             // start, 16 octets follow
        0x32, 0x00, 0x04, 0x00, // N(S) = 25, N(R) = 2
        0x09, 0x01,             // M_ME_NA_1 (9), one object
        0x03, 0x00,             // spontaneous
        0x2F, 0x00,             // common address 47
        0x13, 0x02, 0x01,       // object 66067
        0x00, 0xE0,             // -0.25 of full scale
        0x01,                   // QDS: OV
    ];
    let header = head(25, 2, types::M_ME_NA, causes::SPONTANEOUS, 0, 47);
    says(&frame, header, &[(66_067, Value::Normalized(-8_192), Quality::OVERFLOW, None)]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x17,                               // start, 23 octets follow
        0x34, 0x00, 0x04, 0x00,                   // N(S) = 26, N(R) = 2
        0x22, 0x01,                               // M_ME_TD_1 (34), one object
        0x03, 0x00,                               // spontaneous
        0x2F, 0x00,                               // common address 47
        0x1A, 0x02, 0x01,                         // object 66074
        0x00, 0xE0,                               // -0.25 of full scale
        0x01,                                     // QDS: OV
        0x7C, 0x18, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:06.268
    ];
    let header = head(26, 2, types::M_ME_TD, causes::SPONTANEOUS, 0, 47);
    says(&frame, header, &[(66_074, Value::Normalized(-8_192), Quality::OVERFLOW, Some("2026-11-24T12:35:06.268Z"))]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x10,             // start, 16 octets follow
        0x36, 0x00, 0x04, 0x00, // N(S) = 27, N(R) = 2
        0x0B, 0x01,             // M_ME_NB_1 (11), one object
        0x03, 0x00,             // spontaneous
        0x2F, 0x00,             // common address 47
        0x14, 0x02, 0x01,       // object 66068
        0x2E, 0xFB,             // -1234
        0x10,                   // QDS: BL
    ];
    let header = head(27, 2, types::M_ME_NB, causes::SPONTANEOUS, 0, 47);
    says(&frame, header, &[(66_068, Value::Scaled(-1_234), Quality::BLOCKED, None)]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x17,                               // start, 23 octets follow
        0x38, 0x00, 0x04, 0x00,                   // N(S) = 28, N(R) = 2
        0x23, 0x01,                               // M_ME_TE_1 (35), one object
        0x03, 0x00,                               // spontaneous
        0x2F, 0x00,                               // common address 47
        0x1B, 0x02, 0x01,                         // object 66075
        0x2E, 0xFB,                               // -1234
        0x10,                                     // QDS: BL
        0xA8, 0x19, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:06.568
    ];
    let header = head(28, 2, types::M_ME_TE, causes::SPONTANEOUS, 0, 47);
    says(&frame, header, &[(66_075, Value::Scaled(-1_234), Quality::BLOCKED, Some("2026-11-24T12:35:06.568Z"))]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x12,             // start, 18 octets follow
        0x3A, 0x00, 0x04, 0x00, // N(S) = 29, N(R) = 2
        0x0D, 0x01,             // M_ME_NC_1 (13), one object
        0x03, 0x00,             // spontaneous
        0x2F, 0x00,             // common address 47
        0x15, 0x02, 0x01,       // object 66069
        0x00, 0x00, 0x4C, 0xC1, // -12.75
        0x80,                   // QDS: IV
    ];
    let header = head(29, 2, types::M_ME_NC, causes::SPONTANEOUS, 0, 47);
    says(&frame, header, &[(66_069, Value::Float(-12.75), Quality::INVALID, None)]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x19,                               // start, 25 octets follow
        0x3C, 0x00, 0x04, 0x00,                   // N(S) = 30, N(R) = 2
        0x24, 0x01,                               // M_ME_TF_1 (36), one object
        0x03, 0x00,                               // spontaneous
        0x2F, 0x00,                               // common address 47
        0x1C, 0x02, 0x01,                         // object 66076
        0x00, 0x00, 0x4C, 0xC1,                   // -12.75
        0x80,                                     // QDS: IV
        0xD5, 0x1A, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:06.869
    ];
    let header = head(30, 2, types::M_ME_TF, causes::SPONTANEOUS, 0, 47);
    says(&frame, header, &[(66_076, Value::Float(-12.75), Quality::INVALID, Some("2026-11-24T12:35:06.869Z"))]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x12,             // start, 18 octets follow
        0x3E, 0x00, 0x04, 0x00, // N(S) = 31, N(R) = 2
        0x0F, 0x01,             // M_IT_NA_1 (15), one object
        0x03, 0x00,             // spontaneous
        0x2F, 0x00,             // common address 47
        0x10, 0x02, 0x01,       // object 66064
        0xC0, 0x1D, 0xFE, 0xFF, // -123456
        0x75,                   // CA, CY, sequence number 21
    ];
    let header = head(31, 2, types::M_IT_NA, causes::SPONTANEOUS, 0, 47);
    says(&frame, header, &[(66_064, Value::Counter(Bcr { total: -123_456, notes: 0x75 }), Quality::GOOD, None)]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x19,                               // start, 25 octets follow
        0x40, 0x00, 0x04, 0x00,                   // N(S) = 32, N(R) = 2
        0x25, 0x01,                               // M_IT_TB_1 (37), one object
        0x03, 0x00,                               // spontaneous
        0x2F, 0x00,                               // common address 47
        0x12, 0x02, 0x01,                         // object 66066
        0xC0, 0x1D, 0xFE, 0xFF,                   // -123456
        0x75,                                     // CA, CY, sequence number 21
        0x04, 0x1C, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:07.172
    ];
    let header = head(32, 2, types::M_IT_TB, causes::SPONTANEOUS, 0, 47);
    says(
        &frame,
        header,
        &[(
            66_066,
            Value::Counter(Bcr { total: -123_456, notes: 0x75 }),
            Quality::GOOD,
            Some("2026-11-24T12:35:07.172Z"),
        )],
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x17,                               // start, 23 octets follow
        0x42, 0x00, 0x04, 0x00,                   // N(S) = 33, N(R) = 2
        0x26, 0x01,                               // M_EP_TD_1 (38), one object
        0x03, 0x00,                               // spontaneous
        0x2F, 0x00,                               // common address 47
        0x0D, 0x02, 0x01,                         // object 66061
        0x12,                                     // SEP: BL, ON
        0x39, 0x30,                               // after 12345 ms
        0x77, 0xE6, 0x3B, 0x17, 0x1D, 0x02, 0x18, // 29 February 2024, 23:59:58.999
    ];
    let header = head(33, 2, types::M_EP_TD, causes::SPONTANEOUS, 0, 47);
    says(
        &frame,
        header,
        &[(
            66_061,
            Value::ProtectionEvent { state: 2, elapsed_ms: Some(12_345) },
            Quality::BLOCKED,
            Some("2024-02-29T23:59:58.999Z"),
        )],
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x18,                               // start, 24 octets follow
        0x44, 0x00, 0x04, 0x00,                   // N(S) = 34, N(R) = 2
        0x27, 0x01,                               // M_EP_TE_1 (39), one object
        0x03, 0x00,                               // spontaneous
        0x2F, 0x00,                               // common address 47
        0x0E, 0x02, 0x01,                         // object 66062
        0x03,                                     // SPE: GS, SL1
        0x00,                                     // QDP: good
        0x41, 0x01,                               // for 321 ms
        0x77, 0xE6, 0x3B, 0x17, 0x1D, 0x02, 0x18, // 29 February 2024, 23:59:58.999
    ];
    let header = head(34, 2, types::M_EP_TE, causes::SPONTANEOUS, 0, 47);
    says(
        &frame,
        header,
        &[(
            66_062,
            Value::ProtectionStarts { starts: 3, elapsed_ms: Some(321) },
            Quality::GOOD,
            Some("2024-02-29T23:59:58.999Z"),
        )],
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x18,                               // start, 24 octets follow
        0x46, 0x00, 0x04, 0x00,                   // N(S) = 35, N(R) = 2
        0x28, 0x01,                               // M_EP_TF_1 (40), one object
        0x03, 0x00,                               // spontaneous
        0x2F, 0x00,                               // common address 47
        0x0F, 0x02, 0x01,                         // object 66063
        0x04,                                     // OCI: CL2
        0x00,                                     // QDP: good
        0x4D, 0x00,                               // after 77 ms
        0x77, 0xE6, 0x3B, 0x17, 0x1D, 0x02, 0x18, // 29 February 2024, 23:59:58.999
    ];
    let header = head(35, 2, types::M_EP_TF, causes::SPONTANEOUS, 0, 47);
    says(
        &frame,
        header,
        &[(
            66_063,
            Value::ProtectionTrips { circuits: 4, elapsed_ms: Some(77) },
            Quality::GOOD,
            Some("2024-02-29T23:59:58.999Z"),
        )],
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x12,             // start, 18 octets follow
        0x48, 0x00, 0x04, 0x00, // N(S) = 36, N(R) = 2
        0x14, 0x01,             // M_PS_NA_1 (20), one object
        0x03, 0x00,             // spontaneous
        0x2F, 0x00,             // common address 47
        0x1D, 0x02, 0x01,       // object 66077
        0x05, 0x00,             // states: points 1 and 3 on
        0x06, 0x00,             // changed: points 2 and 3
        0x80,                   // QDS: IV
    ];
    let header = head(36, 2, types::M_PS_NA, causes::SPONTANEOUS, 0, 47);
    says(&frame, header, &[(66_077, Value::Packed { states: 5, changed: 6 }, Quality::INVALID, None)]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0F,             // start, 15 octets follow
        0x4A, 0x00, 0x04, 0x00, // N(S) = 37, N(R) = 2
        0x15, 0x01,             // M_ME_ND_1 (21), one object
        0x03, 0x00,             // spontaneous
        0x2F, 0x00,             // common address 47
        0x16, 0x02, 0x01,       // object 66070
        0x00, 0x40,             // 0.5 of full scale
    ];
    let header = head(37, 2, types::M_ME_ND, causes::SPONTANEOUS, 0, 47);
    says(&frame, header, &[(66_070, Value::Normalized(16_384), Quality::GOOD, None)]);
}

/// SQ = 1 for one object, also for types with a time, where the standard has none.
#[test]
fn what_lib60870_says_when_it_is_interrogated_reads_field_by_field() {
    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x6E, 0x00, 0x26, 0x00, // N(S) = 55, N(R) = 19
        0x01, 0x81,             // M_SP_NA_1 (1), SQ = 1, one object
        0x14, 0x00,             // interrogated by station
        0x2F, 0x00,             // common address 47
        0x1E, 0x02, 0x01,       // object 66078
        0x11,                   // SIQ: BL, ON
    ];
    let header = Head { sequence: true, ..head(55, 19, types::M_SP_NA, causes::INTERROGATED, 0, 47) };
    says(&frame, header, &[(66_078, Value::Single(true), Quality::BLOCKED, None)]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x19,                               // start, 25 octets follow
        0x88, 0x00, 0x26, 0x00,                   // N(S) = 68, N(R) = 19
        0x24, 0x81,                               // M_ME_TF_1 (36), SQ = 1, one object
        0x14, 0x00,                               // interrogated by station
        0x2F, 0x00,                               // common address 47
        0x1C, 0x02, 0x01,                         // object 66076
        0x00, 0x00, 0x4C, 0xC1,                   // -12.75
        0x80,                                     // QDS: IV
        0xD5, 0x1A, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:06.869
    ];
    let header = Head { sequence: true, ..head(68, 19, types::M_ME_TF, causes::INTERROGATED, 0, 47) };
    says(&frame, header, &[(66_076, Value::Float(-12.75), Quality::INVALID, Some("2026-11-24T12:35:06.869Z"))]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x12,             // start, 18 octets follow
        0x8E, 0x00, 0x28, 0x00, // N(S) = 71, N(R) = 20
        0x0F, 0x81,             // M_IT_NA_1 (15), SQ = 1, one object
        0x25, 0x00,             // counters requested, general
        0x2F, 0x00,             // common address 47
        0x10, 0x02, 0x01,       // object 66064
        0xC0, 0x1D, 0xFE, 0xFF, // -123456
        0x75,                   // CA, CY, sequence number 21
    ];
    let header = Head { sequence: true, ..head(71, 20, types::M_IT_NA, causes::COUNTER_INTERROGATED, 0, 47) };
    says(&frame, header, &[(66_064, Value::Counter(Bcr { total: -123_456, notes: 0x75 }), Quality::GOOD, None)]);
}
