//! A program under test, and what it says line by line.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Nothing here takes longer, on a machine that is busy with everything else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running program; it is killed when the test is over.
pub(crate) struct Program {
    child: Child,
    stdin: ChildStdin,
    lines: mpsc::UnboundedReceiver<String>,
    said: Vec<String>,
}

impl Program {
    /// Heard on stdout.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let said = child.stdout.take().unwrap();
        Self::hearing(child, said)
    }

    /// Heard on stderr, where its log goes.
    pub(crate) fn start_logging(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).env_remove("RUST_LOG");
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let said = child.stderr.take().unwrap();
        Self::hearing(child, said)
    }

    /// Reads whether a test looks or not: a pipe that is full would hold the program up.
    fn hearing(mut child: Child, said: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let stdin = child.stdin.take().unwrap();
        let (heard, lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = BufReader::new(said).lines();
            while let Some(line) = lines.next_line().await.unwrap() {
                if heard.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, stdin, lines, said: Vec::new() }
    }

    /// `headroom` itself.
    pub(crate) fn headroom(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
        command.args(arguments);
        Self::start(command)
    }

    pub(crate) async fn tell(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// What `find` gives for the first line from here on for which it gives anything.
    pub(crate) async fn line<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let found = timeout(PATIENCE, async {
            while let Some(line) = self.lines.recv().await {
                let found = find(&line);
                self.said.push(line);
                if found.is_some() {
                    return found;
                }
            }
            None
        });
        match found.await {
            Ok(Some(found)) => found,
            Ok(None) => panic!("ended without saying: {what}; it said {:#?}", self.said),
            Err(_) => panic!("never said: {what}; it said {:#?}", self.said),
        }
    }

    /// Asks it to stop as a service manager does.
    pub(crate) async fn terminate(mut self) -> ExitStatus {
        self.signal("TERM").await;
        self.ended().await.0
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends it a signal, as `TERM`.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.process();
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().await.unwrap();
        assert!(sent.success());
    }

    /// Waits for its end; how it ended, and all that it ever said.
    pub(crate) async fn ended(&mut self) -> (ExitStatus, &[String]) {
        let ending = async {
            while let Some(line) = self.lines.recv().await {
                self.said.push(line);
            }
            self.child.wait().await.unwrap()
        };
        let ended = timeout(PATIENCE, ending).await;
        let status = ended.unwrap_or_else(|_| panic!("it does not end; it said {:#?}", self.said));
        (status, &self.said)
    }

    /// Ends it by SIGKILL, with no chance to do anything more.
    pub(crate) async fn kill(mut self) {
        self.child.start_kill().unwrap();
        timeout(PATIENCE, self.child.wait()).await.expect("nothing survives that").unwrap();
    }
}
