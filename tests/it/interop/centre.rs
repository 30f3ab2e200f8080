//! Our controlling station: its session on a socket, with all its doors open to a test.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headroom_rules::orders::{Outcome, Step};
use headroom_terminals::iec104::controlling::{Answer, FileAnswer, FileRequest, Output, Request, Session, State};
use headroom_terminals::iec104::files::Failure;
use headroom_terminals::iec104::{Command, CommandValue, LinkConfig, Object};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

use super::COMMON_ADDRESS;
use crate::peer::now;
use crate::program::PATIENCE;

type Ask = Box<dyn FnOnce(&mut Session, Instant) + Send>;

/// A running link; it ends with the test.
pub(crate) struct Centre {
    asks: mpsc::UnboundedSender<Ask>,
    outputs: mpsc::UnboundedReceiver<Output>,
    asked: u64,
    /// Of what came together.
    unheard: VecDeque<Object>,
    task: JoinHandle<()>,
}

/// With time-outs that a test can wait for.
pub(crate) fn config(address: SocketAddr) -> LinkConfig {
    let command_timeout = Duration::from_secs(3);
    LinkConfig { command_timeout, ..LinkConfig::new(address.to_string(), COMMON_ADDRESS) }
}

impl Centre {
    /// Connected, until data transfer is started.
    pub(crate) async fn start(config: LinkConfig) -> Self {
        let stream = TcpStream::connect(&config.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let session = Session::new(config, Instant::now(), now());
        let (asks, asked) = mpsc::unbounded_channel();
        let (tell, outputs) = mpsc::unbounded_channel();
        let task = tokio::spawn(serve(stream, session, asked, tell));
        let mut centre = Self { asks, outputs, asked: 0, unheard: VecDeque::new(), task };
        centre.state(State::Started).await;
        centre
    }

    /// Asks the session anything.
    pub(crate) fn ask(&self, ask: impl FnOnce(&mut Session, Instant) + Send + 'static) {
        assert!(self.asks.send(Box::new(ask)).is_ok(), "the link is over");
    }

    /// What `find` gives for the first output from here on for which it gives anything.
    pub(crate) async fn until<T>(&mut self, what: &str, mut find: impl FnMut(&Output) -> Option<T>) -> T {
        let found = timeout(PATIENCE, async {
            loop {
                let output = self.outputs.recv().await.expect("the link goes on");
                match &output {
                    Output::Malformed { .. } | Output::Unknown { .. } => panic!("before {what}: {output:?}"),
                    Output::State(State::Closed { reason }) => panic!("before {what}: closed, {reason}"),
                    _ => {}
                }
                if let Some(found) = find(&output) {
                    return found;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("never came: {what}"))
    }

    /// The next object at this address.
    pub(crate) async fn object(&mut self, ioa: u32) -> Object {
        loop {
            while let Some(object) = self.unheard.pop_front() {
                if object.ioa == ioa {
                    return object;
                }
            }
            self.unheard = self.objects().await.into();
        }
    }

    /// The objects that come together next.
    pub(crate) async fn objects(&mut self) -> Vec<Object> {
        let of = |output: &Output| match output {
            Output::Objects { objects, .. } => Some(objects.clone()),
            _ => None,
        };
        self.until("objects", of).await
    }

    /// What the session goes through by itself at the start; all objects of it.
    pub(crate) async fn settled(&mut self) -> Vec<Object> {
        let (id, mut objects) = (self.next_id(), Vec::new());
        // Its own come before: the clock, the interrogation, the counters.
        self.ask(move |session, now| session.request(now, id, Request::Clock));
        self.until("the procedures of the start", |output| match output {
            Output::Objects { objects: more, .. } => {
                objects.extend(more.iter().copied());
                None
            }
            Output::Answered { request, answer } if *request == id => {
                assert_eq!(*answer, Answer::Done);
                Some(())
            }
            _ => None,
        })
        .await;
        objects
    }

    fn next_id(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    /// What became of a request, and the objects that it brought.
    pub(crate) async fn request(&mut self, request: Request) -> (Answer, Vec<Object>) {
        let (id, mut objects) = (self.next_id(), Vec::new());
        self.ask(move |session, now| session.request(now, id, request));
        let what = format!("the answer to {request:?}");
        let answer = self.until(&what, |output| match output {
            Output::Objects { objects: more, .. } => {
                objects.extend(more.iter().copied());
                None
            }
            Output::Answered { request, answer } if *request == id => Some(*answer),
            _ => None,
        });
        let answer = answer.await;
        (answer, objects)
    }

    /// What came of a request for files.
    pub(crate) async fn transfer(&mut self, wanted: FileRequest) -> Result<FileAnswer, Failure> {
        let id = self.next_id();
        let what = format!("{wanted:?}");
        self.ask(move |session, now| session.transfer(now, id, wanted));
        self.until(&what, |output| match output {
            Output::File { request, result } if *request == id => Some(result.clone()),
            _ => None,
        })
        .await
    }

    /// What became of a step of `order`; a termination is not it.
    pub(crate) async fn step(&mut self, order: u64, to: (u16, u32), value: CommandValue, step: Step) -> Outcome {
        self.pulse(order, to, (value, 0), step).await
    }

    /// Likewise, with a qualifier.
    pub(crate) async fn pulse(
        &mut self,
        order: u64,
        to: (u16, u32),
        (value, qualifier): (CommandValue, u8),
        step: Step,
    ) -> Outcome {
        let ((common_address, ioa), expires_in) = (to, Duration::from_secs(60));
        let command = Command { id: order, common_address, ioa, value, qualifier, step, expires_in };
        self.ask(move |session, now| session.submit(now, command));
        self.until(&format!("the outcome of {command:?}"), |output| match output {
            Output::Outcome { command, outcome, .. } if *command == order && *outcome != Outcome::Terminated => {
                Some(*outcome)
            }
            _ => None,
        })
        .await
    }

    /// Until the station says that the execution ended.
    pub(crate) async fn terminated(&mut self, order: u64) {
        let of = |output: &Output| match output {
            Output::Outcome { command, outcome: Outcome::Terminated, .. } => (*command == order).then_some(()),
            _ => None,
        };
        self.until(&format!("the termination of {order}"), of).await;
    }

    /// Until the session says this of its state.
    pub(crate) async fn state(&mut self, state: State) {
        let of = |output: &Output| matches!(output, Output::State(seen) if *seen == state).then_some(());
        self.until(&format!("{state:?}"), of).await;
    }
}

impl Drop for Centre {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    mut session: Session,
    mut asks: mpsc::UnboundedReceiver<Ask>,
    outputs: mpsc::UnboundedSender<Output>,
) {
    let mut buffer = vec![0; 4_096];
    loop {
        while let Some(output) = session.next_output() {
            match &output {
                Output::Bytes(bytes) => {
                    if stream.write_all(bytes).await.is_err() {
                        session.close("write");
                    }
                    continue;
                }
                Output::Objects { received, .. } | Output::Outcome { received: Some(received), .. } => {
                    session.durable(Instant::now(), *received);
                }
                _ => {}
            }
            let _ = outputs.send(output);
        }
        if session.is_closed() {
            return;
        }
        let deadline = session.next_deadline().unwrap();
        tokio::select! {
            ask = asks.recv() => match ask {
                Some(ask) => {
                    session.set_wall(now());
                    ask(&mut session, Instant::now());
                }
                None => return,
            },
            read = stream.read(&mut buffer) => match read {
                Ok(0) | Err(_) => session.close("the peer closed the connection"),
                Ok(count) => session.on_bytes(Instant::now(), &buffer[..count]),
            },
            () = sleep_until(deadline.into()) => session.on_deadline(Instant::now()),
        }
    }
}
