//! A controlled station that does nothing but report: M_ME_TF_1, one value a frame, as fast as the window k lets it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use headroom_rules::model::{Quality, Timestamp};
use headroom_terminals::iec104::asdu::{self, causes, types};
use headroom_terminals::iec104::time::Zone;
use headroom_terminals::iec104::{Object, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use crate::wire::Wire;

/// Active power in the standard point map.
const POWER: u32 = 2001;

/// What all stations share.
#[derive(Debug, Default)]
pub(crate) struct Common {
    /// Without it they only answer.
    pub(crate) reporting: watch::Sender<bool>,
    /// Values that the centre acknowledged.
    pub(crate) acknowledged: AtomicU64,
}

/// A running station; it ends when dropped.
pub(crate) struct Station {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Station {
    pub(crate) async fn start(common_address: u16, common: Arc<Common>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                Link::new(common_address, &common).run(stream).await;
            }
        });
        Self { address, task }
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Link<'a> {
    common_address: u16,
    common: &'a Common,
    reporting: watch::Receiver<bool>,
    wire: Wire,
    /// Values that are counted as acknowledged.
    counted: u64,
    value: u16,
}

impl<'a> Link<'a> {
    fn new(common_address: u16, common: &'a Common) -> Self {
        Self {
            common_address,
            common,
            reporting: common.reporting.subscribe(),
            wire: Wire::new(),
            counted: 0,
            value: 0,
        }
    }

    /// One connection to its end.
    async fn run(mut self, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut input = Vec::new();
        loop {
            self.report();
            if let Some(bytes) = self.wire.flow.take_output()
                && stream.write_all(&bytes).await.is_err()
            {
                return;
            }
            tokio::select! {
                read = stream.read_buf(&mut input) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(_) => self.take(&mut input),
                },
                Ok(()) = self.reporting.changed() => {}
                () = sleep_until(self.wire.flow.next_deadline().into()) => if self.wire.flow.on_deadline(Instant::now()).is_err() {
                    return;
                },
            }
        }
    }

    fn take(&mut self, input: &mut Vec<u8>) {
        self.wire.take(input, |asdu, _, answers| {
            answers.push(asdu.mirrored(causes::ACTIVATION_CON, false));
            if matches!(asdu.type_id, types::C_IC_NA | types::C_CI_NA) {
                answers.push(asdu.mirrored(causes::TERMINATION, false));
            }
        });
        let values = self.wire.acknowledged();
        self.common.acknowledged.fetch_add(values.saturating_sub(self.counted), Ordering::Relaxed);
        self.counted = self.counted.max(values);
    }

    fn report(&mut self) {
        let Self { wire, common, value, common_address, .. } = self;
        wire.send(|_| (*common.reporting.borrow()).then(|| next_value(value, *common_address)));
    }
}

/// Small enough for no limit to be exceeded, and another one each time.
fn next_value(value: &mut u16, common_address: u16) -> Vec<u8> {
    *value = (*value + 1) % 50;
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let object = Object {
        common_address,
        ioa: POWER,
        value: Value::Float((*value).into()),
        quality: Quality::GOOD,
        time: Some(Timestamp::new(i64::try_from(ms).unwrap())),
        cause: causes::SPONTANEOUS,
    };
    asdu::pack(&[object], Zone::UTC).remove(0).0
}
