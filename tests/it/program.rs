//! A program under test, and what it says line by line.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// Nothing here takes longer, on a machine that is busy with everything else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running program; it is killed when the test is over.
pub(crate) struct Program {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
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
            while let Some(line) = self.lines.next_line().await.unwrap() {
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
        let pid = self.child.id().expect("it runs");
        let sent = Command::new("sh").arg("-c").arg(format!("kill -TERM {pid}")).status().await.unwrap();
        assert!(sent.success());
        timeout(PATIENCE, self.child.wait()).await.expect("it ends when told to").unwrap()
    }
}
