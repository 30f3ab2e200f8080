//! `headroom terminal` calls `headroom serve`, over TLS.

use std::path::Path;

use headroom_rules::model::SwitchPosition;
use headroom_rules::orders::OrderState;
use headroom_rules::view::View;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::c104_serve::{request, until_order};
use crate::centre::{Site, customer};
use crate::peer::free_port;
use crate::program::Program;

const COMMON_ADDRESS: u16 = 47;

/// A CA, and certificates and keys of `names`.
fn certificates(folder: &Path, names: &[&str]) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    for name in names {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![(*name).to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

fn terminal(site: &Site, port: u16, certificate: &str) -> Program {
    let name = format!("{certificate}.toml");
    site.write(
        &name,
        &format!(
            "common_address = {COMMON_ADDRESS}\n\
             [dial]\naddress = \"127.0.0.1:{port}\"\nregistration = \"DTU-47\"\nanswer = \"hex:06\"\nheartbeat = \"hex:fe\"\n\
             heartbeat_every_s = 1\n\
             [tls]\nca = \"ca.pem\"\ncertificate = \"{certificate}.pem\"\nkey = \"{certificate}.key\"\npeer = \"name:centre\"\n\
             [site]\ncontract_kw = 400\nload = \"three_shift\"\n\
             rounds = [{{ no = 1, name = \"furnace\", share_percent = 40 }}]\n"
        ),
    );
    Program::headroom(&["terminal", "--config", site.file(&name).to_str().unwrap()])
}

#[tokio::test]
async fn a_terminal_calls_over_tls_is_read_and_switched_and_comes_back_and_others_do_not_get_in() {
    let port = free_port();
    let dialled = "address = \"127.0.0.1:1\"\n";
    let fleet = customer("127.0.0.1:1".parse().unwrap(), COMMON_ADDRESS);
    let calls = "dial_in = { registration = \"DTU-47\", heartbeat = \"hex:fe\", answer = \"hex:06\" }\n\
                 tls = true\npeer = \"name:terminal\"\n";
    let site = Site::new(&fleet.replace(dialled, calls), "");
    certificates(site.file("fleet.toml").parent().unwrap(), &["centre", "terminal", "intruder"]);
    site.write(
        "serve.toml",
        &format!(
            "[api]\nlisten = \"127.0.0.1:0\"\n[iec104.tls]\nca = \"ca.pem\"\ncertificate = \"centre.pem\"\nkey = \"centre.key\"\n\
             [iec104.dial_in]\nlisten = \"127.0.0.1:{port}\"\ntls = true\n"
        ),
    );
    let centre = site.start().await;

    // Of the same CA, and it knows the registration.
    let mut intruder = terminal(&site, port, "intruder");
    intruder.line("that it runs", |line| line.contains("dials 127.0.0.1").then_some(())).await;
    let refused = async |kind: &str| loop {
        let (_, health) = centre.get("/api/v1/health").await;
        if health["links"]["refused"][kind].as_u64().unwrap() > 0 {
            return;
        }
        tokio::task::yield_now().await;
    };
    refused("tls").await;
    // And one that knows nothing at all.
    let mut stranger = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stranger.write_all(b"DTU-47").await.unwrap();
    while stranger.read(&mut [0; 64]).await.is_ok_and(|n| n > 0) {}
    assert_eq!(intruder.terminate().await.code(), Some(0));
    assert!(!centre.view().await.terminals[0].link_up);

    let up = |view: &View| {
        let terminal = &view.terminals[0];
        let closed = terminal.rounds[0].position == Some(SwitchPosition::Closed);
        (terminal.link_up && closed).then_some(terminal.power).flatten()
    };
    let first = terminal(&site, port, "terminal");
    let power = centre.until("the terminal's power", up).await;
    assert!((200_000..320_000).contains(&power.get()), "{power}");
    let action = json!({ "action": "trip", "round": 1 });
    let select = json!({ "request": "select", "terminal": "T-1", "action": action, "reason": "try-out" });
    let order = request(&centre, select).await;
    until_order(&centre, order, OrderState::Selected).await;
    request(&centre, json!({ "request": "execute", "order": order })).await;
    until_order(&centre, order, OrderState::Confirmed).await;

    first.kill().await;
    centre.until("the link down", |view| (!view.terminals[0].link_up).then_some(())).await;
    let again = terminal(&site, port, "terminal");
    centre.until("the link up again", up).await;
    assert_eq!(again.terminate().await.code(), Some(0));
    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");
    let refusals: Vec<_> = said.iter().filter(|line| line.contains("connection refused")).collect();
    let because =
        |why: &str| refusals.iter().filter(|line| line.contains(why) && line.contains("peer=127.0.0.1")).count();
    // One line a minute for each address and kind, and both are of one kind.
    assert_eq!((refusals.len(), because("registers as T-1, whose certificate it does not show")), (1, 1), "{said:#?}");
}
