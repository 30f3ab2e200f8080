//! What is asked of a station besides commands, and who waits for the answer.

use std::collections::BTreeMap;
use std::time::Instant;

use headroom_rules::orders::NotSent;
use tokio::sync::{mpsc, oneshot};

use crate::iec104::asdu::Command;
use crate::iec104::controlling::{Answer, FileAnswer, FileRequest, Request, Session};
use crate::iec104::files::Failure;

/// What became of a request for files.
pub type FileResult = Result<FileAnswer, Failure>;

/// A question to a station. Every one is answered; who no longer listens when its turn comes is not asked for.
#[derive(Debug)]
pub enum Ask {
    /// A procedure; what it brings comes to the handler before the answer.
    Request(Request, oneshot::Sender<Answer>),
    /// About files.
    Files(FileRequest, oneshot::Sender<FileResult>),
}

impl Ask {
    /// Answers without asking.
    pub(super) fn refuse(self, why: NotSent) {
        match self {
            Self::Request(_, reply) => tell(reply, Answer::NotSent(why)),
            Self::Files(_, reply) => tell(reply, Err(Failure::LinkLost)),
        }
    }
}

/// What a link is given to do. Both queues may end before the link does.
#[derive(Debug)]
pub struct Work {
    /// Commands; each ends in an outcome.
    pub commands: mpsc::Receiver<Command>,
    /// Questions.
    pub asks: mpsc::Receiver<Ask>,
}

impl From<mpsc::Receiver<Command>> for Work {
    /// Commands only.
    fn from(commands: mpsc::Receiver<Command>) -> Self {
        Self { commands, asks: mpsc::channel(1).1 }
    }
}

/// Who waits. The session takes a limited number of requests, and says of each what became of it.
#[derive(Debug, Default)]
pub(super) struct Askers {
    last: u64,
    requests: BTreeMap<u64, oneshot::Sender<Answer>>,
    files: BTreeMap<u64, oneshot::Sender<FileResult>>,
}

impl Askers {
    pub(super) fn ask(&mut self, session: &mut Session, now: Instant, ask: Ask) {
        self.last += 1;
        let id = self.last;
        match ask {
            Ask::Request(_, reply) if reply.is_closed() => {}
            Ask::Files(_, reply) if reply.is_closed() => {}
            Ask::Request(request, reply) => {
                self.requests.insert(id, reply);
                session.request(now, id, request);
            }
            Ask::Files(request, reply) => {
                self.files.insert(id, reply);
                session.transfer(now, id, request);
            }
        }
    }

    pub(super) fn answered(&mut self, id: u64, answer: Answer) {
        if let Some(reply) = self.requests.remove(&id) {
            tell(reply, answer);
        }
    }

    pub(super) fn filed(&mut self, id: u64, result: FileResult) {
        if let Some(reply) = self.files.remove(&id) {
            tell(reply, result);
        }
    }
}

fn tell<T>(reply: oneshot::Sender<T>, answer: T) {
    // Who asked may have gone since.
    let _ = reply.send(answer);
}
