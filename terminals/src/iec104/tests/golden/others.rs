//! What crates.io `iec104` 0.6.0 writes of the types that lib60870-C has no part in, and frames in circulation.

use headroom_rules::model::{Quality, SwitchPosition};

use super::{carries, head, says};
use crate::iec104::asdu::element::{Coi, Qcc, Qpa, Qpm, Qrp};
use crate::iec104::asdu::{Element, Value, causes, types};
use crate::iec104::time::Cp16;

/// crates.io `iec104` 0.6.0: the types with a short time, of which the hour is that of the arrival.
#[test]
fn old_tags_of_the_crate_iec104_read_field_by_field() {
    #[rustfmt::skip]
    let frame = [
        0x68, 0x11,             // start, 17 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x02, 0x01,             // M_SP_TA_1 (2), one object
        0x03, 0x03,             // spontaneous, originator 3
        0x02, 0x01,             // common address 258
        0x70, 0x11, 0x01,       // object 70000
        0x81,                   // SIQ: IV, ON
        0x5E, 0xEA, 0x29,       // 41 min 59.998 s
    ];
    let header = head(300, 5, types::M_SP_TA, causes::SPONTANEOUS, 3, 258);
    says(&frame, header, &[(70_000, Value::Single(true), Quality::INVALID, Some("2026-01-31T17:41:59.998Z"))]);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x11,             // start, 17 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x04, 0x01,             // M_DP_TA_1 (4), one object
        0x03, 0x03,             // spontaneous, originator 3
        0x02, 0x01,             // common address 258
        0x70, 0x11, 0x01,       // object 70000
        0x21,                   // DIQ: SB, OFF
        0x5E, 0xEA, 0x29,       // 41 min 59.998 s
    ];
    let header = head(300, 5, types::M_DP_TA, causes::SPONTANEOUS, 3, 258);
    says(
        &frame,
        header,
        &[(70_000, Value::Double(SwitchPosition::Open), Quality::SUBSTITUTED, Some("2026-01-31T17:41:59.998Z"))],
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x12,             // start, 18 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x06, 0x01,             // M_ST_TA_1 (6), one object
        0x03, 0x03,             // spontaneous, originator 3
        0x02, 0x01,             // common address 258
        0x70, 0x11, 0x01,       // object 70000
        0xFB,                   // VTI: transient, -5
        0x41,                   // QDS: NT, OV
        0x5E, 0xEA, 0x29,       // 41 min 59.998 s
    ];
    let header = head(300, 5, types::M_ST_TA, causes::SPONTANEOUS, 3, 258);
    says(
        &frame,
        header,
        &[(
            70_000,
            Value::Step { position: -5, transient: true },
            Quality::NOT_TOPICAL.with(Quality::OVERFLOW),
            Some("2026-01-31T17:41:59.998Z"),
        )],
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x13,             // start, 19 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x0A, 0x01,             // M_ME_TA_1 (10), one object
        0x03, 0x03,             // spontaneous, originator 3
        0x02, 0x01,             // common address 258
        0x70, 0x11, 0x01,       // object 70000
        0x00, 0xC0,             // -0.5 of full scale
        0x41,                   // QDS: NT, OV
        0x5E, 0xEA, 0x29,       // 41 min 59.998 s
    ];
    let header = head(300, 5, types::M_ME_TA, causes::SPONTANEOUS, 3, 258);
    says(
        &frame,
        header,
        &[(
            70_000,
            Value::Normalized(-16_384),
            Quality::NOT_TOPICAL.with(Quality::OVERFLOW),
            Some("2026-01-31T17:41:59.998Z"),
        )],
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x13,             // start, 19 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x0C, 0x01,             // M_ME_TB_1 (12), one object
        0x03, 0x03,             // spontaneous, originator 3
        0x02, 0x01,             // common address 258
        0x70, 0x11, 0x01,       // object 70000
        0xFE, 0xFF,             // -2
        0x41,                   // QDS: NT, OV
        0x5E, 0xEA, 0x29,       // 41 min 59.998 s
    ];
    let header = head(300, 5, types::M_ME_TB, causes::SPONTANEOUS, 3, 258);
    says(
        &frame,
        header,
        &[(70_000, Value::Scaled(-2), Quality::NOT_TOPICAL.with(Quality::OVERFLOW), Some("2026-01-31T17:41:59.998Z"))],
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x15,             // start, 21 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x0E, 0x01,             // M_ME_TC_1 (14), one object
        0x03, 0x03,             // spontaneous, originator 3
        0x02, 0x01,             // common address 258
        0x70, 0x11, 0x01,       // object 70000
        0x00, 0x00, 0x20, 0x3E, // 0.15625
        0x41,                   // QDS: NT, OV
        0x5E, 0xEA, 0x29,       // 41 min 59.998 s
    ];
    let header = head(300, 5, types::M_ME_TC, causes::SPONTANEOUS, 3, 258);
    says(
        &frame,
        header,
        &[(
            70_000,
            Value::Float(0.156_25),
            Quality::NOT_TOPICAL.with(Quality::OVERFLOW),
            Some("2026-01-31T17:41:59.998Z"),
        )],
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x13,             // start, 19 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x11, 0x01,             // M_EP_TA_1 (17), one object
        0x03, 0x03,             // spontaneous, originator 3
        0x02, 0x01,             // common address 258
        0x70, 0x11, 0x01,       // object 70000
        0x12,                   // SEP: BL, ON
        0xD2, 0x04,             // after 1234 ms
        0x5E, 0xEA, 0x29,       // 41 min 59.998 s
    ];
    let header = head(300, 5, types::M_EP_TA, causes::SPONTANEOUS, 3, 258);
    says(
        &frame,
        header,
        &[(
            70_000,
            Value::ProtectionEvent { state: 2, elapsed_ms: Some(1_234) },
            Quality::BLOCKED,
            Some("2026-01-31T17:41:59.998Z"),
        )],
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x14,             // start, 20 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x12, 0x01,             // M_EP_TB_1 (18), one object
        0x03, 0x03,             // spontaneous, originator 3
        0x02, 0x01,             // common address 258
        0x70, 0x11, 0x01,       // object 70000
        0x25,                   // SPE: SRD, SL2, GS
        0x20,                   // QDP: SB
        0xD2, 0x04,             // for 1234 ms
        0x5E, 0xEA, 0x29,       // 41 min 59.998 s
    ];
    let header = head(300, 5, types::M_EP_TB, causes::SPONTANEOUS, 3, 258);
    says(
        &frame,
        header,
        &[(
            70_000,
            Value::ProtectionStarts { starts: 0x25, elapsed_ms: Some(1_234) },
            Quality::SUBSTITUTED,
            Some("2026-01-31T17:41:59.998Z"),
        )],
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x14,             // start, 20 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x13, 0x01,             // M_EP_TC_1 (19), one object
        0x03, 0x03,             // spontaneous, originator 3
        0x02, 0x01,             // common address 258
        0x70, 0x11, 0x01,       // object 70000
        0x09,                   // OCI: CL3, GC
        0x20,                   // QDP: SB
        0xD2, 0x04,             // after 1234 ms
        0x5E, 0xEA, 0x29,       // 41 min 59.998 s
    ];
    let header = head(300, 5, types::M_EP_TC, causes::SPONTANEOUS, 3, 258);
    says(
        &frame,
        header,
        &[(
            70_000,
            Value::ProtectionTrips { circuits: 0x09, elapsed_ms: Some(1_234) },
            Quality::SUBSTITUTED,
            Some("2026-01-31T17:41:59.998Z"),
        )],
    );
}

/// crates.io `iec104` 0.6.0: several objects, procedures, parameters.
#[test]
fn what_the_crate_iec104_sends_reads_field_by_field() {
    #[rustfmt::skip]
    let frame = [
        0x68, 0x12,             // start, 18 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x01, 0x02,             // M_SP_NA_1 (1), two objects
        0x02, 0x03,             // background, originator 3
        0x02, 0x01,             // common address 258
        0x01, 0x00, 0x00,       // object 1
        0x01,                   // SIQ: ON
        0x03, 0x00, 0x00,       // object 3
        0x00,                   // SIQ: OFF
    ];
    let header = head(300, 5, types::M_SP_NA, causes::BACKGROUND, 3, 258);
    says(
        &frame,
        header,
        &[(1, Value::Single(true), Quality::GOOD, None), (3, Value::Single(false), Quality::GOOD, None)],
    );

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x46, 0x01,             // M_EI_NA_1 (70), one object
        0x04, 0x03,             // initialized, originator 3
        0x02, 0x01,             // common address 258
        0x00, 0x00, 0x00,       // no object
        0x82,                   // COI: remote reset, parameters changed
    ];
    let header = head(300, 5, types::M_EI_NA, causes::INITIALIZED, 3, 258);
    carries(&frame, header, 0, Element::Initialized(Coi(0x82)), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0D,             // start, 13 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x66, 0x01,             // C_RD_NA_1 (102), one object
        0x05, 0x03,             // request, originator 3
        0x02, 0x01,             // common address 258
        0x70, 0x11, 0x01,       // object 70000
    ];
    let header = head(300, 5, types::C_RD_NA, causes::REQUEST, 3, 258);
    carries(&frame, header, 70_000, Element::Read, None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0F,             // start, 15 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x68, 0x01,             // C_TS_NA_1 (104), one object
        0x06, 0x03,             // activation, originator 3
        0x02, 0x01,             // common address 258
        0x00, 0x00, 0x00,       // no object
        0xAA, 0x55,             // FBP, 55AA
    ];
    let header = head(300, 5, types::C_TS_NA, causes::ACTIVATION, 3, 258);
    carries(&frame, header, 0, Element::Test(0x55AA), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x69, 0x01,             // C_RP_NA_1 (105), one object
        0x06, 0x03,             // activation, originator 3
        0x02, 0x01,             // common address 258
        0x00, 0x00, 0x00,       // no object
        0x02,                   // QRP: events with a time
    ];
    let header = head(300, 5, types::C_RP_NA, causes::ACTIVATION, 3, 258);
    carries(&frame, header, 0, Element::Reset(Qrp(2)), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0F,             // start, 15 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x6A, 0x01,             // C_CD_NA_1 (106), one object
        0x06, 0x03,             // activation, originator 3
        0x02, 0x01,             // common address 258
        0x00, 0x00, 0x00,       // no object
        0x41, 0x01,             // 321 ms
    ];
    let header = head(300, 5, types::C_CD_NA, causes::ACTIVATION, 3, 258);
    carries(&frame, header, 0, Element::Delay(Cp16([0x41, 0x01])), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x10,             // start, 16 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x6E, 0x01,             // P_ME_NA_1 (110), one object
        0x06, 0x03,             // activation, originator 3
        0x02, 0x01,             // common address 258
        0x70, 0x11, 0x01,       // object 70000
        0xE8, 0x03,             // 1000 x 2^-15
        0x80,                   // QPM: kind 0, POP
    ];
    let header = head(300, 5, types::P_ME_NA, causes::ACTIVATION, 3, 258);
    carries(&frame, header, 70_000, Element::ParameterNormalized(1_000, Qpm(0x80)), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x10,             // start, 16 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x6F, 0x01,             // P_ME_NB_1 (111), one object
        0x06, 0x03,             // activation, originator 3
        0x02, 0x01,             // common address 258
        0x70, 0x11, 0x01,       // object 70000
        0x18, 0xFC,             // -1000
        0x80,                   // QPM: kind 0, POP
    ];
    let header = head(300, 5, types::P_ME_NB, causes::ACTIVATION, 3, 258);
    carries(&frame, header, 70_000, Element::ParameterScaled(-1_000, Qpm(0x80)), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x12,             // start, 18 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x70, 0x01,             // P_ME_NC_1 (112), one object
        0x06, 0x03,             // activation, originator 3
        0x02, 0x01,             // common address 258
        0x70, 0x11, 0x01,       // object 70000
        0x00, 0x00, 0xC0, 0x3F, // 1.5
        0x80,                   // QPM: kind 0, POP
    ];
    let header = head(300, 5, types::P_ME_NC, causes::ACTIVATION, 3, 258);
    carries(&frame, header, 70_000, Element::ParameterFloat(1.5, Qpm(0x80)), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x58, 0x02, 0x0A, 0x00, // N(S) = 300, N(R) = 5
        0x71, 0x01,             // P_AC_NA_1 (113), one object
        0x08, 0x03,             // deactivation, originator 3
        0x02, 0x01,             // common address 258
        0x70, 0x11, 0x01,       // object 70000
        0x00,                   // QPA: not used
    ];
    let header = head(300, 5, types::P_AC_NA, causes::DEACTIVATION, 3, 258);
    carries(&frame, header, 70_000, Element::ParameterActivation(Qpa(0)), None);
}

/// Two frames that explanations of the protocol show everywhere: the end of a counter interrogation, seven scaled values.
#[test]
fn samples_that_tutorials_pass_on_read_field_by_field() {
    #[rustfmt::skip]
    let frame = [
        0x68, 0x0E,             // start, 14 octets follow
        0x4E, 0x14, 0x7C, 0x00, // N(S) = 2599, N(R) = 62
        0x65, 0x01,             // C_CI_NA_1 (101), one object
        0x0A, 0x00,             // termination
        0x0C, 0x00,             // common address 12
        0x00, 0x00, 0x00,       // no object
        0x05,                   // QCC: read, general
    ];
    let header = head(2_599, 62, types::C_CI_NA, causes::TERMINATION, 0, 12);
    carries(&frame, header, 0, Element::CounterInterrogation(Qcc(5)), None);

    #[rustfmt::skip]
    let frame = [
        0x68, 0x34,             // start, 52 octets follow
        0x5A, 0x14, 0x7C, 0x00, // N(S) = 2605, N(R) = 62
        0x0B, 0x07,             // M_ME_NB_1 (11), seven objects
        0x03, 0x00,             // spontaneous
        0x0C, 0x00,             // common address 12
        0x10, 0x30, 0x00,       // object 12304
        0xBE, 0x09,             // 2494
        0x00,                   // QDS: good
        0x11, 0x30, 0x00,       // object 12305
        0x90, 0x09,             // 2448
        0x00,                   // QDS: good
        0x0E, 0x30, 0x00,       // object 12302
        0x75, 0x00,             // 117
        0x00,                   // QDS: good
        0x28, 0x30, 0x00,       // object 12328
        0x25, 0x09,             // 2341
        0x00,                   // QDS: good
        0x29, 0x30, 0x00,       // object 12329
        0x75, 0x00,             // 117
        0x00,                   // QDS: good
        0x0F, 0x30, 0x00,       // object 12303
        0x0F, 0x0A,             // 2575
        0x00,                   // QDS: good
        0x2E, 0x30, 0x00,       // object 12334
        0xAE, 0x05,             // 1454
        0x00,                   // QDS: good
    ];
    let header = head(2_605, 62, types::M_ME_NB, causes::SPONTANEOUS, 0, 12);
    says(
        &frame,
        header,
        &[
            (12_304, Value::Scaled(2_494), Quality::GOOD, None),
            (12_305, Value::Scaled(2_448), Quality::GOOD, None),
            (12_302, Value::Scaled(117), Quality::GOOD, None),
            (12_328, Value::Scaled(2_341), Quality::GOOD, None),
            (12_329, Value::Scaled(117), Quality::GOOD, None),
            (12_303, Value::Scaled(2_575), Quality::GOOD, None),
            (12_334, Value::Scaled(1_454), Quality::GOOD, None),
        ],
    );
}
