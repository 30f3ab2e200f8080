//! Files of the station: its directory, and one transfer at a time on a connection (60870-5-101, 7.4.11).

use std::time::Instant;

use super::super::asdu::element::{Frq, Scq, Sof};
use super::super::asdu::{Asdu, Element, HEADER_LEN, causes, types};
use super::super::files::{FileId, FileInfo, NOT_READY, Receiver, Sender, Transfer, scq};
use super::super::time::{Cp56, Zone};
use super::link::{Answer, Link};
use super::{Session, Station};

/// LFD of SOF: the last file of the directory (7.2.6.38).
const LAST_FILE: u8 = 0x20;
/// STATUS of SOF.
const STATUS: u8 = 0x1F;
/// Octets of an entry of a directory.
const ENTRY: usize = 13;
/// Entries that one message takes.
const ENTRIES_MAX: usize = (super::super::apci::ASDU_MAX - HEADER_LEN - 3) / ENTRY;

/// A transfer and who asked for it.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) transfer: Transfer,
    pub(super) originator: u8,
}

impl<S: Station> Session<S> {
    pub(super) fn on_file(&mut self, now: Instant, link: &mut Link, asdu: &Asdu<'_>) {
        let Some(information) = asdu.information().next() else { return };
        let element = information.element;
        let Some(name) = element.file_name() else { return };
        let file = FileId { ioa: information.ioa, name };
        let under_way = link.file.as_ref().is_some_and(|exchange| exchange.transfer.file() == file);
        match element {
            Element::FileCall(..) if asdu.cause == causes::REQUEST => self.on_directory(link, asdu),
            Element::FileCall(_, _, Scq(what)) if what & 0x0F == scq::SELECT_FILE => {
                // A peer that selects anew has given up what it selected before.
                link.file = None;
                match self.station.read_file(file) {
                    Some(data) => link.transfer(asdu, Transfer::Sending(Sender::new(now, file, data))),
                    None => self.file_ready(link, asdu, file, false),
                }
            }
            Element::FileCall(_, _, Scq(what)) if what & 0x0F == scq::DELETE_FILE => {
                let done = !asdu.test && !under_way && self.station.delete_file(file);
                self.file_ready(link, asdu, file, done);
            }
            Element::FileCall(_, _, Scq(what)) if what & 0x0F == scq::DEACTIVATE_FILE => {
                if under_way {
                    link.file = None;
                }
                self.file_ready(link, asdu, file, under_way);
            }
            Element::QueryLog(_, from, to) => {
                let zone = self.config.zone;
                match self.station.query_log(file, from.instant(zone), to.instant(zone)) {
                    Some(data) => link.transfer(asdu, Transfer::Sending(Sender::new(now, file, data))),
                    None => link.answer(asdu, causes::UNKNOWN_OBJECT, true),
                }
            }
            Element::FileReady(_, length, Frq(frq)) if frq & NOT_READY == 0 => {
                let most = self.config.file_max;
                let taken = !asdu.test
                    && usize::try_from(length).is_ok_and(|length| length <= most)
                    && self.station.takes_file(file, length);
                if taken {
                    link.transfer(asdu, Transfer::Receiving(Receiver::offered(now, file, length, most)));
                } else {
                    self.file_ready(link, asdu, file, false);
                }
            }
            element => match link.file.as_mut().filter(|_| under_way) {
                Some(exchange) => {
                    exchange.transfer.on(now, &element);
                    if let Transfer::Receiving(receiver) = &mut exchange.transfer
                        && let Some(data) = receiver.arrived()
                    {
                        let taken = self.station.write_file(file, data);
                        receiver.accept(taken);
                    }
                }
                None => link.answer(asdu, causes::UNKNOWN_OBJECT, true),
            },
        }
    }

    /// Confirms or refuses a select, a deactivation, a deletion or an offer.
    fn file_ready(&self, link: &mut Link, asdu: &Asdu<'_>, file: FileId, done: bool) {
        let element = Element::FileReady(file.name, 0, Frq(if done { 0 } else { NOT_READY }));
        link.say(asdu.originator, causes::FILE_TRANSFER, self.config.common_address, file.ioa, &element);
    }

    fn on_directory(&mut self, link: &mut Link, asdu: &Asdu<'_>) {
        let mut files = Vec::new();
        self.station.files(&mut files);
        if files.is_empty() {
            // The standard has no directory of nothing: an entry without a name says so.
            let none = FileId { ioa: asdu.ioa(), name: 0 };
            files.push(FileInfo { file: none, length: 0, created: None, status: 0 });
        }
        let header = [causes::REQUEST, asdu.originator];
        let messages = directory(&files, header, self.config.common_address, self.config.zone);
        link.answers.extend(messages.into_iter().map(|message| Answer { message, of: None }));
    }
}

/// F_DR: consecutive addresses share a message, SQ = 1.
fn directory(files: &[FileInfo], [cause, originator]: [u8; 2], common_address: u16, zone: Zone) -> Vec<Vec<u8>> {
    let [ca_low, ca_high] = common_address.to_le_bytes();
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let (mut count, mut next) = (0, None);
    for (n, FileInfo { file, length, created, status }) in files.iter().enumerate() {
        if next != Some(file.ioa) || usize::from(count) >= ENTRIES_MAX {
            let [a, b, c, _] = file.ioa.to_le_bytes();
            messages.push(vec![types::F_DR_TA, 0x80, cause, originator, ca_low, ca_high, a, b, c]);
            count = 0;
        }
        let Some(message) = messages.last_mut() else { break };
        count += 1;
        next = file.ioa.checked_add(1);
        if let Some(vsq) = message.get_mut(1) {
            *vsq = 0x80 | count;
        }
        let status = status & STATUS | if n + 1 == files.len() { LAST_FILE } else { 0 };
        Element::Directory(file.name, *length, Sof(status), Cp56::of(*created, zone)).encode(message);
    }
    messages
}
