//! The program as a process.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use headroom::api::Operators;
use headroom::config;

use crate::program::Program;

/// Where a program says that it listens.
pub(crate) fn listening(line: &str) -> Option<SocketAddr> {
    let (_, rest) =
        line.split_once(" on ").filter(|(what, _)| what.ends_with("listen") || what.ends_with("listens"))?;
    rest.split([' ', ',']).next()?.parse().ok()
}

fn headroom(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_headroom")).args(arguments).output().unwrap()
}

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file
}

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
    for name in ["serve", "fleet", "northbound", "sim", "terminal"] {
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

#[tokio::test]
async fn sim_writes_what_a_centre_needs_and_ends_with_0_when_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[sim]\nterminals = 6\ntime_factor = 60\nwrite_fleet = \"f.toml\"\nwrite_rules = \"r.toml\"\n";
    let sim = file(folder.path(), "sim.toml", text);
    let mut program = Program::headroom(&["sim", "--config", sim.to_str().unwrap()]);
    program.line("that it listens", listening).await;
    let config_line = |key| move |line: &str| line.trim().starts_with(key).then(|| line.trim().to_owned());
    let serve = program.line("the fleet's line", config_line("fleet = ")).await
        + "\n"
        + program.line("the rules' line", config_line("rules = ")).await.as_str();
    program.line("how to end it", |line| line.contains("Ctrl-C").then_some(())).await;

    let serve = file(folder.path(), "serve.toml", &serve);
    let centre = config::Centre::read(&serve).unwrap();
    assert_eq!(centre.fleet.links.len(), 6);
    for link in &centre.fleet.links {
        std::net::TcpStream::connect(&link.addresses()[0]).unwrap();
    }
    let checked = headroom(&["check", serve.to_str().unwrap()]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert_eq!(program.terminate().await.code(), Some(0));
}

#[test]
fn sim_names_the_terminal_the_port_and_the_key_when_a_port_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    // The fleet counts up from the port, so there has to be room above it.
    let mut binding = std::iter::repeat_with(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let taken = binding.find(|taken| taken.local_addr().unwrap().port() < 65_530).unwrap();
    let port = taken.local_addr().unwrap().port();
    let text = format!("[sim]\nterminals = 6\nlisten_from = {port}\nwrite_fleet = \"fleet.toml\"\n");
    let sim = file(folder.path(), "sim.toml", &text);
    let output = headroom(&["sim", "--config", sim.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["H-01", &port.to_string(), "sim.listen_from", "sim.toml"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!folder.path().join("fleet.toml").exists(), "nothing is written of what does not run");
}

#[test]
#[cfg(target_os = "linux")]
fn sim_says_to_raise_the_limit_of_open_files_when_they_run_out() {
    let folder = tempfile::tempdir().unwrap();
    let sim = file(folder.path(), "sim.toml", "[sim]\nterminals = 100\n");
    let script = "ulimit -n 64; exec \"$0\" sim --config \"$1\"";
    let output = Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_headroom")]).arg(&sim).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ulimit -n") && said.contains("sim.terminals"), "{said}");
}

#[tokio::test]
async fn a_terminal_ends_with_0_when_told_to_and_names_the_key_when_its_port_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let text = |port| format!("listen = \"127.0.0.1:{port}\"\ncommon_address = 7\n[site]\ncontract_kw = 100\n");
    let first = file(folder.path(), "first.toml", &text(0));
    let mut running = Program::headroom(&["terminal", "--config", first.to_str().unwrap()]);
    let address = running.line("where it listens", listening).await;

    let second = file(folder.path(), "second.toml", &text(address.port()));
    let output = headroom(&["terminal", "--config", second.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["terminal 7", &address.to_string(), "change listen in", "second.toml"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(running.terminate().await.code(), Some(0));
}

#[test]
fn a_token_comes_with_lines_that_a_serve_toml_takes() {
    let output = headroom(&["token", "li.wei"]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    let is_token = |line: &&str| line.len() == 64 && line.chars().all(|c| c.is_ascii_hexdigit());
    let tokens: Vec<_> = said.lines().filter(is_token).collect();
    assert_eq!(tokens.len(), 1, "{said}");
    let serve = config::ServeConfig::parse(Path::new("serve.toml"), &said[said.find("[[operator]]").unwrap()..]);
    let operators = serve.unwrap().operators;
    assert_eq!(Operators::new(&operators).authenticate(tokens[0]).as_deref(), Some("li.wei"));

    let output = headroom(&["token", " "]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 to 64 characters"));
}
