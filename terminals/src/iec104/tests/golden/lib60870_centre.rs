//! What lib60870-C sends as a controlling station, and how it refuses: captured from PyPI `c104` 2.2.1, which wraps it.

use super::{Head, carries, commands, head};
use crate::iec104::asdu::element::{Qcc, Qoi};
use crate::iec104::asdu::{CommandValue, Element, causes, types};
use crate::iec104::time::Cp56;

/// lib60870-C as the controlling station: commands with and without a time, and its refusal of a select.
#[test]
fn what_lib60870_switches_reads_field_by_field() {
    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x04, 0x00, 0x4C, 0x00, // N(S) = 2, N(R) = 38
        0x2D, 0x01,             // C_SC_NA_1 (45), one object
        0x06, 0x00,             // activation
        0x2F, 0x00,             // common address 47
        0x0C, 0x00, 0x02,       // object 131084
        0x05,                   // SCO: execute, short pulse, ON
    ];
    let header = head(2, 38, types::C_SC_NA, causes::ACTIVATION, 0, 47);
    commands(&frame, header, (131_084, Some(CommandValue::Single(true)), false, 1), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x15,                               // start, 21 octets follow
        0x08, 0x00, 0x50, 0x00,                   // N(S) = 4, N(R) = 40
        0x3A, 0x01,                               // C_SC_TA_1 (58), one object
        0x06, 0x00,                               // activation
        0x2F, 0x00,                               // common address 47
        0x0D, 0x00, 0x02,                         // object 131085
        0x05,                                     // SCO: execute, short pulse, ON
        0xB4, 0x21, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:08.628
    ];
    let header = head(4, 40, types::C_SC_TA, causes::ACTIVATION, 0, 47);
    commands(&frame, header, (131_085, Some(CommandValue::Single(true)), false, 1), Some("2026-11-24T12:35:08.628Z"));

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x06, 0x00, 0x4E, 0x00, // N(S) = 3, N(R) = 39
        0x2D, 0x01,             // C_SC_NA_1 (45), one object
        0x06, 0x00,             // activation
        0x2F, 0x00,             // common address 47
        0x0C, 0x00, 0x02,       // object 131084
        0x85,                   // SCO: select, short pulse, ON
    ];
    let header = head(3, 39, types::C_SC_NA, causes::ACTIVATION, 0, 47);
    commands(&frame, header, (131_084, Some(CommandValue::Single(true)), true, 1), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x0A, 0x00, 0x52, 0x00, // N(S) = 5, N(R) = 41
        0x2E, 0x01,             // C_DC_NA_1 (46), one object
        0x06, 0x00,             // activation
        0x2F, 0x00,             // common address 47
        0x05, 0x00, 0x02,       // object 131077
        0x09,                   // DCO: execute, long pulse, OFF
    ];
    let header = head(5, 41, types::C_DC_NA, causes::ACTIVATION, 0, 47);
    commands(&frame, header, (131_077, Some(CommandValue::Double(false)), false, 2), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x15,                               // start, 21 octets follow
        0x0C, 0x00, 0x54, 0x00,                   // N(S) = 6, N(R) = 42
        0x3B, 0x01,                               // C_DC_TA_1 (59), one object
        0x06, 0x00,                               // activation
        0x2F, 0x00,                               // common address 47
        0x06, 0x00, 0x02,                         // object 131078
        0x09,                                     // DCO: execute, long pulse, OFF
        0x45, 0x23, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:09.029
    ];
    let header = head(6, 42, types::C_DC_TA, causes::ACTIVATION, 0, 47);
    commands(&frame, header, (131_078, Some(CommandValue::Double(false)), false, 2), Some("2026-11-24T12:35:09.029Z"));

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x0E, 0x00, 0x56, 0x00, // N(S) = 7, N(R) = 43
        0x2F, 0x01,             // C_RC_NA_1 (47), one object
        0x06, 0x00,             // activation
        0x2F, 0x00,             // common address 47
        0x08, 0x00, 0x02,       // object 131080
        0x0E,                   // RCO: execute, persistent, higher
    ];
    let header = head(7, 43, types::C_RC_NA, causes::ACTIVATION, 0, 47);
    commands(&frame, header, (131_080, Some(CommandValue::Step(true)), false, 3), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x15,                               // start, 21 octets follow
        0x10, 0x00, 0x58, 0x00,                   // N(S) = 8, N(R) = 44
        0x3C, 0x01,                               // C_RC_TA_1 (60), one object
        0x06, 0x00,                               // activation
        0x2F, 0x00,                               // common address 47
        0x09, 0x00, 0x02,                         // object 131081
        0x0E,                                     // RCO: execute, persistent, higher
        0xD7, 0x24, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:09.431
    ];
    let header = head(8, 44, types::C_RC_TA, causes::ACTIVATION, 0, 47);
    commands(&frame, header, (131_081, Some(CommandValue::Step(true)), false, 3), Some("2026-11-24T12:35:09.431Z"));

    #[rustfmt::skip]
    let frame = [
        0x68, 0x10,             // start, 16 octets follow
        0x12, 0x00, 0x5A, 0x00, // N(S) = 9, N(R) = 45
        0x30, 0x01,             // C_SE_NA_1 (48), one object
        0x06, 0x00,             // activation
        0x2F, 0x00,             // common address 47
        0x0E, 0x00, 0x02,       // object 131086
        0x00, 0x60,             // 0.75 of full scale
        0x05,                   // QOS: execute, QL 5
    ];
    let header = head(9, 45, types::C_SE_NA, causes::ACTIVATION, 0, 47);
    commands(&frame, header, (131_086, Some(CommandValue::SetNormalized(24_576)), false, 5), None);
}

/// As before: set points and bits, and the refusal of a select.
#[test]
fn what_lib60870_sets_reads_field_by_field() {
    #[rustfmt::skip]
    let frame = [
        0x68, 0x17,                               // start, 23 octets follow
        0x14, 0x00, 0x5C, 0x00,                   // N(S) = 10, N(R) = 46
        0x3D, 0x01,                               // C_SE_TA_1 (61), one object
        0x06, 0x00,                               // activation
        0x2F, 0x00,                               // common address 47
        0x11, 0x00, 0x02,                         // object 131089
        0x00, 0x60,                               // 0.75 of full scale
        0x05,                                     // QOS: execute, QL 5
        0x68, 0x26, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:09.832
    ];
    let header = head(10, 46, types::C_SE_TA, causes::ACTIVATION, 0, 47);
    commands(
        &frame,
        header,
        (131_089, Some(CommandValue::SetNormalized(24_576)), false, 5),
        Some("2026-11-24T12:35:09.832Z"),
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x10,             // start, 16 octets follow
        0x16, 0x00, 0x5E, 0x00, // N(S) = 11, N(R) = 47
        0x31, 0x01,             // C_SE_NB_1 (49), one object
        0x06, 0x00,             // activation
        0x2F, 0x00,             // common address 47
        0x0F, 0x00, 0x02,       // object 131087
        0xE1, 0x10,             // 4321
        0x06,                   // QOS: execute, QL 6
    ];
    let header = head(11, 47, types::C_SE_NB, causes::ACTIVATION, 0, 47);
    commands(&frame, header, (131_087, Some(CommandValue::SetScaled(4_321)), false, 6), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x17,                               // start, 23 octets follow
        0x18, 0x00, 0x60, 0x00,                   // N(S) = 12, N(R) = 48
        0x3E, 0x01,                               // C_SE_TB_1 (62), one object
        0x06, 0x00,                               // activation
        0x2F, 0x00,                               // common address 47
        0x12, 0x00, 0x02,                         // object 131090
        0xE1, 0x10,                               // 4321
        0x06,                                     // QOS: execute, QL 6
        0xF9, 0x27, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:10.233
    ];
    let header = head(12, 48, types::C_SE_TB, causes::ACTIVATION, 0, 47);
    commands(
        &frame,
        header,
        (131_090, Some(CommandValue::SetScaled(4_321)), false, 6),
        Some("2026-11-24T12:35:10.233Z"),
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x12,             // start, 18 octets follow
        0x1A, 0x00, 0x62, 0x00, // N(S) = 13, N(R) = 49
        0x32, 0x01,             // C_SE_NC_1 (50), one object
        0x06, 0x00,             // activation
        0x2F, 0x00,             // common address 47
        0x10, 0x00, 0x02,       // object 131088
        0x00, 0x00, 0xC7, 0x42, // 99.5
        0x07,                   // QOS: execute, QL 7
    ];
    let header = head(13, 49, types::C_SE_NC, causes::ACTIVATION, 0, 47);
    commands(&frame, header, (131_088, Some(CommandValue::SetFloat(99.5)), false, 7), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x19,                               // start, 25 octets follow
        0x1E, 0x00, 0x66, 0x00,                   // N(S) = 15, N(R) = 51
        0x3F, 0x01,                               // C_SE_TC_1 (63), one object
        0x06, 0x00,                               // activation
        0x2F, 0x00,                               // common address 47
        0x13, 0x00, 0x02,                         // object 131091
        0x00, 0x00, 0xC7, 0x42,                   // 99.5
        0x07,                                     // QOS: execute, QL 7
        0x5B, 0x2A, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:10.843
    ];
    let header = head(15, 51, types::C_SE_TC, causes::ACTIVATION, 0, 47);
    commands(&frame, header, (131_091, Some(CommandValue::SetFloat(99.5)), false, 7), Some("2026-11-24T12:35:10.843Z"));

    #[rustfmt::skip]
    let frame = [
        0x68, 0x12,             // start, 18 octets follow
        0x1C, 0x00, 0x64, 0x00, // N(S) = 14, N(R) = 50
        0x32, 0x01,             // C_SE_NC_1 (50), one object
        0x06, 0x00,             // activation
        0x2F, 0x00,             // common address 47
        0x10, 0x00, 0x02,       // object 131088
        0x00, 0x00, 0xC7, 0x42, // 99.5
        0x87,                   // QOS: select, QL 7
    ];
    let header = head(14, 50, types::C_SE_NC, causes::ACTIVATION, 0, 47);
    commands(&frame, header, (131_088, Some(CommandValue::SetFloat(99.5)), true, 7), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x11,             // start, 17 octets follow
        0x20, 0x00, 0x68, 0x00, // N(S) = 16, N(R) = 52
        0x33, 0x01,             // C_BO_NA_1 (51), one object
        0x06, 0x00,             // activation
        0x2F, 0x00,             // common address 47
        0x00, 0x00, 0x02,       // object 131072
        0xDE, 0xAD, 0xBE, 0xEF, // bits EFBEADDE
    ];
    let header = head(16, 52, types::C_BO_NA, causes::ACTIVATION, 0, 47);
    commands(&frame, header, (131_072, Some(CommandValue::SetBits(0xEFBE_ADDE)), false, 0), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x18,                               // start, 24 octets follow
        0x22, 0x00, 0x6A, 0x00,                   // N(S) = 17, N(R) = 53
        0x40, 0x01,                               // C_BO_TA_1 (64), one object
        0x06, 0x00,                               // activation
        0x2F, 0x00,                               // common address 47
        0x01, 0x00, 0x02,                         // object 131073
        0xDE, 0xAD, 0xBE, 0xEF,                   // bits EFBEADDE
        0xEC, 0x2B, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:11.244
    ];
    let header = head(17, 53, types::C_BO_TA, causes::ACTIVATION, 0, 47);
    commands(
        &frame,
        header,
        (131_073, Some(CommandValue::SetBits(0xEFBE_ADDE)), false, 0),
        Some("2026-11-24T12:35:11.244Z"),
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x12,             // start, 18 octets follow
        0x64, 0x00, 0x1E, 0x00, // N(S) = 50, N(R) = 15
        0x32, 0x01,             // C_SE_NC_1 (50), one object
        0x47, 0x00,             // activation confirmation, P/N = 1
        0x2F, 0x00,             // common address 47
        0x10, 0x00, 0x02,       // object 131088
        0x00, 0x00, 0xC7, 0x42, // 99.5
        0x87,                   // QOS: select, QL 7
    ];
    let header = Head { negative: true, ..head(50, 15, types::C_SE_NC, causes::ACTIVATION_CON, 0, 47) };
    commands(&frame, header, (131_088, Some(CommandValue::SetFloat(99.5)), true, 7), None);
}

/// Interrogations, clock, tests; both of its answers to an unknown common address: a refusal, then cause 46 without P/N.
#[test]
fn what_lib60870_asks_and_how_it_refuses_reads_field_by_field() {
    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x24, 0x00, 0x6C, 0x00, // N(S) = 18, N(R) = 54
        0x64, 0x01,             // C_IC_NA_1 (100), one object
        0x06, 0x00,             // activation
        0x2F, 0x00,             // common address 47
        0x00, 0x00, 0x00,       // no object
        0x14,                   // QOI: station
    ];
    let header = head(18, 54, types::C_IC_NA, causes::ACTIVATION, 0, 47);
    carries(&frame, header, 0, Element::Interrogation(Qoi(20)), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x8A, 0x00, 0x26, 0x00, // N(S) = 69, N(R) = 19
        0x64, 0x01,             // C_IC_NA_1 (100), one object
        0x0A, 0x00,             // termination
        0x2F, 0x00,             // common address 47
        0x00, 0x00, 0x00,       // no object
        0x14,                   // QOI: station
    ];
    let header = head(69, 19, types::C_IC_NA, causes::TERMINATION, 0, 47);
    carries(&frame, header, 0, Element::Interrogation(Qoi(20)), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x26, 0x00, 0x8C, 0x00, // N(S) = 19, N(R) = 70
        0x65, 0x01,             // C_CI_NA_1 (101), one object
        0x06, 0x00,             // activation
        0x2F, 0x00,             // common address 47
        0x00, 0x00, 0x00,       // no object
        0x05,                   // QCC: read, general
    ];
    let header = head(19, 70, types::C_CI_NA, causes::ACTIVATION, 0, 47);
    carries(&frame, header, 0, Element::CounterInterrogation(Qcc(5)), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x14,                               // start, 20 octets follow
        0x28, 0x00, 0x94, 0x00,                   // N(S) = 20, N(R) = 74
        0x67, 0x01,                               // C_CS_NA_1 (103), one object
        0x06, 0x00,                               // activation
        0x2F, 0x00,                               // common address 47
        0x00, 0x00, 0x00,                         // no object
        0xDB, 0x2F, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:12.251
    ];
    let header = head(20, 74, types::C_CS_NA, causes::ACTIVATION, 0, 47);
    carries(&frame, header, 0, Element::Clock(Cp56([0xDB, 0x2F, 0x23, 0x0C, 0x18, 0x0B, 0x1A])), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0F,             // start, 15 octets follow
        0x2A, 0x00, 0x96, 0x00, // N(S) = 21, N(R) = 75
        0x68, 0x01,             // C_TS_NA_1 (104), one object
        0x06, 0x00,             // activation
        0x2F, 0x00,             // common address 47
        0x00, 0x00, 0x00,       // no object
        0xCC, 0x55,             // 55CC, where the standard has 55AA
    ];
    let header = head(21, 75, types::C_TS_NA, causes::ACTIVATION, 0, 47);
    carries(&frame, header, 0, Element::Test(0x55CC), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x16,                               // start, 22 octets follow
        0x2C, 0x00, 0x96, 0x00,                   // N(S) = 22, N(R) = 75
        0x6B, 0x01,                               // C_TS_TA_1 (107), one object
        0x06, 0x00,                               // activation
        0x2F, 0x00,                               // common address 47
        0x00, 0x00, 0x00,                         // no object
        0x00, 0x00,                               // counter 0
        0xE5, 0x36, 0x23, 0x0C, 0x18, 0x0B, 0x1A, // 24 November 2026, 12:35:14.053
    ];
    let header = head(22, 75, types::C_TS_TA, causes::ACTIVATION, 0, 47);
    carries(&frame, header, 0, Element::TestTimed(0), Some("2026-11-24T12:35:14.053Z"));

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x98, 0x00, 0x30, 0x00, // N(S) = 76, N(R) = 24
        0x64, 0x01,             // C_IC_NA_1 (100), one object
        0x47, 0x00,             // activation confirmation, P/N = 1
        0x30, 0x00,             // common address 48
        0x00, 0x00, 0x00,       // no object
        0x14,                   // QOI: station
    ];
    let header = Head { negative: true, ..head(76, 24, types::C_IC_NA, causes::ACTIVATION_CON, 0, 48) };
    carries(&frame, header, 0, Element::Interrogation(Qoi(20)), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x9A, 0x00, 0x30, 0x00, // N(S) = 77, N(R) = 24
        0x64, 0x01,             // C_IC_NA_1 (100), one object
        0x2E, 0x00,             // unknown common address
        0x30, 0x00,             // common address 48
        0x00, 0x00, 0x00,       // no object
        0x14,                   // QOI: station
    ];
    let header = head(77, 24, types::C_IC_NA, causes::UNKNOWN_ADDRESS, 0, 48);
    carries(&frame, header, 0, Element::Interrogation(Qoi(20)), None);
}
