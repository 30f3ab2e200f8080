//! Files that the centre fetches from a station or sends to it: one request at a time on a link.

use std::time::Instant;

use headroom_rules::model::Timestamp;

use super::super::asdu::element::{Scq, Sof};
use super::super::asdu::{Asdu, Element, Tag, causes, message};
use super::super::files::{FILE_MAX, Failure, FileId, FileInfo, Receiver, Sender, TIMEOUT, Transfer};
use super::super::time::Cp56;
use super::{Output, Phase, Session};

/// Most entries of a directory that are taken.
const DIRECTORY_MAX: usize = 4_096;
/// LFD of SOF: the last file of the directory (60870-5-101, 7.2.6.38).
const LAST_FILE: u8 = 0x20;

/// What the centre asks of a station's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileRequest {
    /// The directory.
    Directory,
    /// A file whole.
    ReadFile(FileId),
    /// The part of a log between two times.
    QueryLog(FileId, [Timestamp; 2]),
    /// A file for the station, 16777215 octets at most.
    SendFile(FileId, Vec<u8>),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileAnswer {
    /// The directory.
    Directory(Vec<FileInfo>),
    /// What was read.
    Read(Vec<u8>),
    /// The station has it.
    Sent,
}

#[derive(Debug)]
enum Asked {
    Directory { sent: bool, files: Vec<FileInfo>, until: Instant },
    Transfer(Transfer),
}

/// The request under way.
#[derive(Debug)]
pub(super) struct Work {
    request: u64,
    asked: Asked,
}

impl Work {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.asked {
            Asked::Directory { until, .. } => Some(*until),
            Asked::Transfer(transfer) => transfer.deadline(),
        }
    }
}

impl Session {
    /// Asks for files; [`Output::File`] says what came of it.
    pub fn transfer(&mut self, now: Instant, request: u64, wanted: FileRequest) {
        let refused = match (self.phase, &self.work) {
            (Phase::Started, None) => None,
            (Phase::Started, Some(_)) => Some(Failure::Busy),
            _ => Some(Failure::LinkLost),
        };
        if let Some(failure) = refused {
            return self.tell(Output::File { request, result: Err(failure) });
        }
        let receive = |receiver| Asked::Transfer(Transfer::Receiving(receiver));
        let asked = match wanted {
            FileRequest::Directory => Asked::Directory { sent: false, files: Vec::new(), until: now + TIMEOUT },
            FileRequest::ReadFile(file) => receive(Receiver::select(now, file, FILE_MAX)),
            FileRequest::QueryLog(file, times) => {
                let times = times.map(|time| Cp56::new(time, self.config.zone));
                receive(Receiver::query(now, file, times, FILE_MAX))
            }
            FileRequest::SendFile(_, data) if data.len() > FILE_MAX => {
                return self.tell(Output::File { request, result: Err(Failure::TooLong) });
            }
            FileRequest::SendFile(file, data) => Asked::Transfer(Transfer::Sending(Sender::new(now, file, data))),
        };
        self.work = Some(Work { request, asked });
        self.pump(now);
    }

    pub(super) fn on_file(&mut self, now: Instant, asdu: &Asdu<'_>) {
        let Some(Work { asked, .. }) = &mut self.work else { return };
        let unknown = matches!(asdu.cause, causes::UNKNOWN_TYPE..=causes::UNKNOWN_OBJECT);
        match asked {
            Asked::Directory { .. } if unknown => self.end_work(Err(Failure::Refused)),
            Asked::Directory { files, until, .. } => {
                let mut last = false;
                for information in asdu.information() {
                    if let Element::Directory(name, length, Sof(sof), created) = information.element {
                        let file = FileId { ioa: information.ioa, name };
                        let created = created.instant(self.config.zone);
                        // An entry without a name stands for a directory of nothing.
                        files.extend((name != 0).then_some(FileInfo { file, length, created, status: sof & 0x1F }));
                        last |= sof & LAST_FILE != 0;
                        *until = now + TIMEOUT;
                    }
                }
                if files.len() > DIRECTORY_MAX {
                    self.end_work(Err(Failure::TooLong));
                } else if last {
                    let files = std::mem::take(files);
                    self.end_work(Ok(FileAnswer::Directory(files)));
                }
            }
            Asked::Transfer(transfer) => {
                for information in asdu.information() {
                    let file = transfer.file();
                    if information.ioa != file.ioa || information.element.file_name() != Some(file.name) {
                        continue;
                    }
                    if unknown {
                        transfer.on_unknown();
                    } else {
                        transfer.on(now, &information.element);
                    }
                    if let Transfer::Receiving(receiver) = transfer {
                        receiver.accept(true);
                    }
                }
            }
        }
    }

    /// Says what is due as far as the window allows, and reports the end.
    pub(super) fn pump_files(&mut self, now: Instant) {
        let ours = self.config.common_address;
        while self.flow.window_open()
            && let Some(Work { asked, .. }) = &mut self.work
        {
            let said = match asked {
                Asked::Directory { sent: true, .. } => None,
                Asked::Directory { sent, .. } => {
                    *sent = true;
                    message(causes::REQUEST, ours, 0, &Element::FileCall(0, 0, Scq(0)), Tag::None)
                }
                Asked::Transfer(transfer) => {
                    let FileId { ioa, .. } = transfer.file();
                    let element = transfer.next(now);
                    element.and_then(|element| message(causes::FILE_TRANSFER, ours, ioa, &element, Tag::None))
                }
            };
            let Some(said) = said else { break };
            self.flow.send(now, &said);
        }
        if let Some(Work { asked: Asked::Transfer(transfer), .. }) = &mut self.work
            && let Some(result) = transfer.ended()
        {
            let answer = match transfer {
                Transfer::Receiving(receiver) => FileAnswer::Read(receiver.take()),
                Transfer::Sending(_) => FileAnswer::Sent,
            };
            self.end_work(result.map(|()| answer));
        }
    }

    pub(super) fn on_file_deadline(&mut self, now: Instant) {
        match &mut self.work {
            Some(Work { asked: Asked::Directory { until, .. }, .. }) if now >= *until => {
                self.end_work(Err(Failure::TimedOut));
            }
            Some(Work { asked: Asked::Transfer(transfer), .. }) => transfer.on_deadline(now),
            _ => {}
        }
    }

    pub(super) fn end_work(&mut self, result: Result<FileAnswer, Failure>) {
        if let Some(Work { request, .. }) = self.work.take() {
            self.tell(Output::File { request, result });
        }
    }
}
