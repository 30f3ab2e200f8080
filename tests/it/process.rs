//! The program as a process.

use std::path::Path;
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

#[test]
fn check_reads_the_example_files_and_names_what_is_wrong_with_a_bad_one() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/examples");
    let check = |file: &Path| Command::new(env!("CARGO_BIN_EXE_headroom")).arg("check").arg(file).output().unwrap();
    for name in ["serve", "fleet", "sim", "terminal"] {
        let output = check(&examples.join(name).with_extension("toml"));
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("rules.toml");
    std::fs::write(&bad, "[[limit]]\nnode = \"F\"\nlimit_kw = -4\n").unwrap();
    let output = check(&bad);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("rules.toml:3") && said.contains("limit_kw"), "{said}");
}
