//! The program as a process.

use std::process::Command;

#[test]
fn a_console_without_a_terminal_says_so_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "0".repeat(64)).unwrap();
    let arguments = ["console", "--token-file", token.to_str().unwrap()];
    let output = Command::new(env!("CARGO_BIN_EXE_headroom")).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    assert!(said.contains("--once") && said.contains("--json"), "{said}");
}
