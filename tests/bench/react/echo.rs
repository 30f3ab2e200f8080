//! The least that any reaction to something durable takes: octets come in over loopback, are appended to a file, synced
//! (fdatasync) and sent back. The server is a thread that does nothing else and knows no runtime.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection to a running server, which ends with it.
pub(crate) struct Echo {
    stream: TcpStream,
    octets: Vec<u8>,
}

impl Echo {
    /// For messages of so many octets, kept in the file.
    pub(crate) async fn start(file: &Path, octets: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut file = File::create(file).unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            let mut message = vec![0; octets];
            while stream.read_exact(&mut message).is_ok() {
                file.write_all(&message).unwrap();
                file.sync_data().unwrap();
                stream.write_all(&message).unwrap();
            }
        });
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, octets: vec![0x68; octets] }
    }

    /// From the write to the whole answer.
    pub(crate) async fn once(&mut self) -> Duration {
        let began = Instant::now();
        self.stream.write_all(&self.octets).await.unwrap();
        self.stream.read_exact(&mut self.octets).await.unwrap();
        began.elapsed()
    }
}
