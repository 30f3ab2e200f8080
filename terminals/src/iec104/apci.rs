//! Frames: the APCI of IEC 60870-5-104, clause 5.

use super::error::FrameError;

/// 68H begins every APDU.
pub const START: u8 = 0x68;
/// Most octets of one APDU.
pub const APDU_MAX: usize = 255;
/// Most octets of an ASDU in one APDU.
pub const ASDU_MAX: usize = 249;
/// Sequence numbers run modulo 2^15.
pub const SEQ_MASK: u16 = 0x7FFF;

/// The unnumbered control functions; the number is the first control octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Control {
    /// STARTDT act.
    StartAct = 0x07,
    /// STARTDT con.
    StartCon = 0x0B,
    /// STOPDT act.
    StopAct = 0x13,
    /// STOPDT con.
    StopCon = 0x23,
    /// TESTFR act.
    TestAct = 0x43,
    /// TESTFR con.
    TestCon = 0x83,
}

/// One APDU, borrowed from the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Numbered information transfer.
    I {
        /// N(S), 0..=32767.
        send: u16,
        /// N(R), 0..=32767.
        receive: u16,
        /// The message.
        asdu: &'a [u8],
    },
    /// Numbered supervision: acknowledges only.
    S {
        /// N(R), 0..=32767.
        receive: u16,
    },
    /// Unnumbered control.
    U(Control),
}

/// The first frame of a stream and the octets that it takes, or none while it is incomplete.
///
/// # Errors
/// The stream is not of this protocol; nothing after this point can be trusted.
pub fn split(stream: &[u8]) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some((&start, rest)) = stream.split_first() else { return Ok(None) };
    if start != START {
        return Err(FrameError::Start(start));
    }
    let Some((&length, rest)) = rest.split_first() else { return Ok(None) };
    if !(4..=253).contains(&length) {
        return Err(FrameError::Length(length));
    }
    let Some(body) = rest.get(..usize::from(length)) else { return Ok(None) };
    let Some((&control, asdu)) = body.split_first_chunk::<4>() else { return Ok(None) };
    let [c1, c2, c3, c4] = control;
    let number = |low, high| u16::from_le_bytes([low, high]) >> 1;
    let frame = if c1 & 1 == 0 {
        Frame::I { send: number(c1, c2), receive: number(c3, c4), asdu }
    } else {
        if length != 4 {
            return Err(FrameError::Length(length));
        }
        match c1 {
            0x01 => Frame::S { receive: number(c3, c4) },
            0x07 => Frame::U(Control::StartAct),
            0x0B => Frame::U(Control::StartCon),
            0x13 => Frame::U(Control::StopAct),
            0x23 => Frame::U(Control::StopCon),
            0x43 => Frame::U(Control::TestAct),
            0x83 => Frame::U(Control::TestCon),
            _ => return Err(FrameError::Control(control)),
        }
    };
    Ok(Some((frame, usize::from(length) + 2)))
}

/// Appends one APDU. An ASDU longer than [`ASDU_MAX`] is a defect of the caller and is left out.
pub fn write(frame: Frame<'_>, out: &mut Vec<u8>) {
    let octets = |n: u16| ((n & SEQ_MASK) << 1).to_le_bytes();
    let (control, asdu): ([u8; 4], &[u8]) = match frame {
        Frame::I { send, receive, asdu } => {
            let ([s1, s2], [r1, r2]) = (octets(send), octets(receive));
            ([s1, s2, r1, r2], asdu)
        }
        Frame::S { receive } => {
            let [r1, r2] = octets(receive);
            ([1, 0, r1, r2], &[])
        }
        Frame::U(control) => ([control as u8, 0, 0, 0], &[]),
    };
    let Some(length) = u8::try_from(asdu.len() + 4).ok().filter(|&n| n <= 253) else {
        debug_assert!(false, "ASDU of {} octets", asdu.len());
        return;
    };
    out.extend_from_slice(&[START, length]);
    out.extend_from_slice(&control);
    out.extend_from_slice(asdu);
}
