use std::fs;
use std::path::{Path, PathBuf};

use headroom_rules::input::Authority;
use headroom_rules::measures::MeasureRule;
use headroom_rules::model::{Power, PriorityClass, Span};
use headroom_rules::notices::{NoticeRule, Unreached};
use headroom_rules::output::AlarmCause;
use headroom_rules::policy::PassCaps;
use insta::assert_snapshot;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;
use crate::store::Place;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/examples")
}

fn said<T: std::fmt::Debug>(result: Result<T, ConfigErrors>) -> String {
    result.unwrap_err().to_string()
}

fn serve(text: &str) -> Result<ServeConfig, ConfigErrors> {
    ServeConfig::parse(Path::new("serve.toml"), text)
}

fn fleet(text: &str) -> Result<Fleet, ConfigErrors> {
    Fleet::parse(Path::new("fleet.toml"), text)
}

fn sim(text: &str) -> Result<SimConfig, ConfigErrors> {
    SimConfig::parse(Path::new("sim.toml"), text)
}

fn terminal(text: &str) -> Result<TerminalConfig, ConfigErrors> {
    TerminalConfig::parse(Path::new("terminal.toml"), text)
}

const TREE: &str = r#"
[[node]]
id = "R"
kind = "region"
name = "East"

[[node]]
id = "F1"
kind = "feeder"
name = "Harbour"
parent = "R"
measured_by = "H1"

[[terminal]]
id = "H1"
address = "10.4.0.1:2404"
common_address = 1
"#;

fn rules(text: &str) -> Result<headroom_rules::policy::Policy, ConfigErrors> {
    rules::parse(Path::new("rules.toml"), text, Some(&fleet(TREE).unwrap().inventory))
}

#[test]
fn each_example_passes_alone() {
    for name in ["serve", "fleet", "rules", "northbound", "sim", "terminal"] {
        check(&[examples().join(format!("{name}.toml"))]).unwrap();
    }
}

#[test]
fn a_serve_file_brings_its_fleet_and_its_rules_along() {
    let summary = check(&[examples().join("serve.toml")]).unwrap();
    let kinds: Vec<_> = summary.files.iter().map(|checked| checked.kind).collect();
    assert_eq!(kinds, [Kind::Serve, Kind::Fleet, Kind::Rules]);
    let text = summary.to_string().replace(&format!("{}/", examples().display()), "");
    assert_snapshot!(text, @r#"
    serve.toml: centre: API at 127.0.0.1:8104, no operators, so a token is made at the start
    fleet.toml: fleet: 5 nodes, 3 customers, 4 terminals
    rules.toml: rules: 1 limit
    "#);
}

#[test]
fn files_given_twice_are_read_once() {
    let files = ["rules", "fleet", "serve"].map(|name| examples().join(format!("{name}.toml")));
    assert_eq!(check(&files).unwrap().files.len(), 3);
}

#[test]
fn values_left_out_are_the_ones_that_the_examples_document() {
    let documented = ServeConfig::read(&examples().join("serve.toml")).unwrap();
    assert_eq!(ServeConfig::parse(&examples().join("serve.toml"), "").unwrap(), documented);
    let documented = rules::read(&examples().join("rules.toml"), None).unwrap();
    let least = "[[limit]]\nnode = \"F11\"\nlimit_kw = 2400\n";
    assert_eq!(rules::parse(Path::new("rules.toml"), least, None).unwrap(), documented);
}

#[test]
fn paths_are_relative_to_the_file_that_names_them() {
    let config = ServeConfig::parse(Path::new("/etc/headroom/serve.toml"), "data = \"/var/lib/headroom\"").unwrap();
    assert_eq!(config.data, Path::new("/var/lib/headroom"));
    assert_eq!(config.fleet, Path::new("/etc/headroom/fleet.toml"));
}

#[test]
fn a_fleet_written_parses_back_to_the_same() {
    let mut fleet = Fleet::read(&examples().join("fleet.toml")).unwrap();
    for node in fleet.inventory.nodes.values_mut() {
        node.name = "\"Quay\" \\ 码头 '''".to_owned();
    }
    assert!(fleet.inventory.customers.values().any(|customer| !customer.measures.is_empty()));
    assert_eq!(Fleet::parse(Path::new("fleet.toml"), &fleet.to_toml()).unwrap(), fleet);
}

#[test]
fn rules_written_parse_back_to_the_same() {
    let mut policy = rules::read(&examples().join("rules.toml"), None).unwrap();
    let rule = policy.limits.first_mut().unwrap();
    (rule.warning_percent, rule.hysteresis_percent, rule.effect_percent_min) = (81, 7, 33);
    (rule.restore_below_percent, rule.passes_max, rule.cold_load_percent) = (66, 9, 210);
    (rule.delay, rule.verify_after, rule.off_time_min) = (Span::from_s(1), Span::from_s(2), Span::from_s(3));
    (rule.restore_hold, rule.restore_step, rule.on_time_min) = (Span::from_s(4), Span::from_s(5), Span::from_s(6));
    (rule.restore_spread, rule.settle, rule.cold_load_learn) = (Span::from_s(5), Span::from_s(7), false);
    rule.pass = PassCaps { power_max: Some(Power::from_kw(400)), rounds_max: Some(20) };
    rule.notice = NoticeRule { before: Span::from_s(300), unreached: Unreached::Spare, urgent_percent: 115 };
    rule.measures = MeasureRule { asks: true, from_percent: 83, wait: Span::from_s(420) };
    policy.notice_texts.measures.release = "{node}: 限电结束 {until}".to_owned();
    policy.notice_texts.trip = "{node} 限电 \"{time}\" \\".to_owned();
    rule.shed_class_from = PriorityClass::try_from(2).ok();
    policy.fairness_weeks = 3;
    assert_eq!(rules::parse(Path::new("rules.toml"), &rules::to_toml(&policy), None).unwrap(), policy);
}

#[test]
fn powers_written_never_promise_more_than_they_were() {
    let mut fleet = Fleet::read(&examples().join("fleet.toml")).unwrap();
    fleet.inventory.customers.values_mut().for_each(|customer| customer.safety_floor = Power::new(1_001));
    let back = Fleet::parse(Path::new("fleet.toml"), &fleet.to_toml()).unwrap();
    assert!(back.inventory.customers.values().all(|customer| customer.safety_floor == Power::from_kw(2)));
    let mut policy = rules::read(&examples().join("rules.toml"), None).unwrap();
    policy.limits[0].limit = Power::new(1_999);
    let back = rules::parse(Path::new("rules.toml"), &rules::to_toml(&policy), None).unwrap();
    assert_eq!(back.limits[0].limit, Power::from_kw(1));
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    assert_snapshot!(said(serve("data = \"d\"\n[api\nlisten = 5\nlisten = 6\n")), @r#"
    serve.toml:2: not TOML: unclosed table, expected `]`
    "#);
}

#[test]
fn collection_has_its_time_of_day_and_a_wrong_one_is_said() {
    let settings = serve("[collection]\nat = \"23:59\"\nutc_offset_minutes = 480\n").unwrap().collection;
    let wanted = CollectionSettings { at: Span::from_s(86_340), utc_offset_minutes: 480, ..Default::default() };
    assert_eq!(settings, wanted);
    assert_snapshot!(
        said(serve("[collection]\nat = \"24:00\"\nat_once = 0\nlook_back_days = 61\nspread_s = 43201\n")),
        @r#"
    serve.toml:2: collection.at = "24:00": wanted a time of day, as "01:00"
    serve.toml:3: collection.at_once = 0: wanted a whole number of terminals, 1 to 1000
    serve.toml:4: collection.look_back_days = 61: wanted a whole number of days, 1 to 60
    serve.toml:5: collection.spread_s = 43201: wanted a whole number of seconds, 0 to 43200
    "#
    );
    for bad in ["1:00", "+1:00", "01:60", "0100", "01:00:00", ""] {
        assert!(serve(&format!("[collection]\nat = \"{bad}\"\n")).is_err(), "{bad}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_known_ones() {
    assert_snapshot!(said(serve("[api]\nlissten = \"127.0.0.1:1\"\n[extra]\n")), @r#"
    serve.toml:2: api.lissten: unknown key: wanted one of listen
    serve.toml:3: extra: unknown key: wanted one of data, fleet, rules, northbound, api, operator, journal, iec104, readings_keep_days, store, collection
    "#);
}

#[test]
fn a_store_on_a_server_keeps_its_password_out_of_every_fault_and_dump() {
    let good = "readings_keep_days = 500\n[store]\nurl = \"postgres://li:s3cret@db:5433/grid\"\nchunk_hours = 6\n";
    let settings = serve(good).unwrap().store;
    let Place::Server(server) = &settings.place else { panic!("{settings:?}") };
    assert_eq!((server.url.shown().as_str(), &server.password_file), ("postgres://li@db:5433/grid", &None));
    assert_eq!((settings.readings_keep, settings.minutes_keep), (Span::from_s(43_200_000), Span::from_s(43_200_000)));
    assert!(!format!("{settings:?}").contains("s3cret"));
    let bad = "[store]\nurl = \"postgres://li:s3cret@db/grid\"\npassword_file = \"p\"\nminutes_keep_days = 7\n";
    assert_snapshot!(said(serve(bad)), @r#"
    serve.toml:3: store.password_file = "p": beside a password in url: wanted one of them
    serve.toml:4: store.minutes_keep_days = 7: what it is made of is kept for 400 days: wanted as many
    "#);
    let said = said(serve("[store]\nurl = \"mysql://li:s3cret@db/grid\"\n"));
    assert!(
        said.starts_with("serve.toml:2: store.url: wanted a URL as \"postgres://") && !said.contains("s3cret"),
        "{said}"
    );
    assert!(serve("[store]\npassword_file = \"p\"\n").is_err(), "a password for nobody");
}

#[test]
fn what_would_steer_a_terminal_is_refused_and_only_shows() {
    let text = "[[operator]]\nname = \"li\u{202e}iew\"\n\"k\\u001b[2J\" = 1\n";
    let said = said(serve(text));
    assert!(said.contains(r#"name = "li\u{202e}iew": wanted a text"#), "{said}");
    assert!(said.contains(r"operator.k\u{1b}[2J: unknown key"), "{said}");
    assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said}");
}

#[test]
fn all_faults_of_a_file_are_reported_at_once() {
    let text = r#"
[[customer]]
id = "C 1"
name = ""
supplied_by = "F1"
contract_kw = -5
guaranteed = "no"
safety_floor_kw = 1.5
"#;
    assert_snapshot!(said(fleet(&format!("{TREE}{text}"))), @r#"
    fleet.toml:19: customer.priority is missing: wanted a priority class (1 is shed last), 1 to 5
    fleet.toml:20: customer.id = "C 1": wanted 1 to 16 letters, digits, '-', '_' or '.'
    fleet.toml:21: customer.name = "": wanted a text in one line, 1 to 64 characters, none of them invisible
    fleet.toml:23: customer.contract_kw = -5: wanted a whole number of kW, 1 to 1000000
    fleet.toml:24: customer.guaranteed = "no": wanted true or false
    fleet.toml:25: customer.safety_floor_kw = 1.5: wanted a whole number of kW, 0 to 1000000
    "#);
}

#[test]
fn a_token_that_is_no_digest_is_refused_and_not_repeated() {
    let text = said(serve("[[operator]]\nname = \"li\"\ntoken_sha256 = \"my secret\"\n"));
    assert!(!text.contains("secret\""));
    assert_snapshot!(text, @r#"
    serve.toml:3: operator.token_sha256: wanted 64 hexadecimal digits, as `headroom token NAME` prints them
    "#);
}

#[test]
fn operators_share_neither_name_nor_token() {
    let digest = "ab".repeat(32);
    let one = format!("[[operator]]\nname = \"li\"\ntoken_sha256 = \"{digest}\"\n");
    assert_snapshot!(said(serve(&format!("{one}{one}"))), @r#"
    serve.toml:5: operator.name = "li": has the token of line 1: wanted a token of its own
    serve.toml:5: operator.name = "li": taken at line 2: wanted a name of its own
    "#);
}

#[test]
fn an_operators_area_is_ids_of_nodes_or_absent() {
    let digest = "ab".repeat(32);
    let one = |more: &str| serve(&format!("[[operator]]\nname = \"li\"\ntoken_sha256 = \"{digest}\"\n{more}"));
    assert_snapshot!(said(one("area = []\nsupervisor = 1\n")), @r#"
    serve.toml:4: operator.area = []: wanted ids of nodes, at least one, as "F03"; without the key the operator answers for all; several stand in brackets
    serve.toml:5: operator.supervisor = 1: wanted true or false
    "#);
    let authority = one("area = [\"F03\", \"A1\"]\nsupervisor = true\n").unwrap().operators.remove(0).authority;
    let area = vec!["F03".parse().unwrap(), "A1".parse().unwrap()];
    assert_eq!(authority, Authority { area: Some(area), supervisor: true });
    assert_eq!(one("").unwrap().operators[0].authority, Authority::default(), "everywhere, nobody's supervisor");
}

#[test]
fn timers_that_contradict_each_other_are_refused() {
    assert_snapshot!(said(serve("[iec104]\nk = 4\nt1_s = 5\nt2_s = 5\nt3_s = 0\nclock_every_s = 9\n")), @r#"
    serve.toml:2: iec104.k = 4: w = 8 is above k = 4: wanted w at most k
    serve.toml:4: iec104.t2_s = 5: t2_s = 5 is not below t1_s = 5: wanted t2_s below t1_s
    serve.toml:5: iec104.t3_s = 0: wanted a whole number of seconds, 1 to 172800
    serve.toml:6: iec104.clock_every_s = 9: wanted a whole number of seconds, 10 to 86400
    "#);
}

#[test]
fn contradictions_of_the_tree_stand_at_the_line_that_makes_them() {
    let text = r#"
[[node]]
id = "A1"
kind = "transformer_area"
name = "Quay"
parent = "F9"

[[customer]]
id = "C1"
name = "Foundry"
supplied_by = "R"
contract_kw = 100
safety_floor_kw = 200
priority = 3

[[terminal]]
id = "T1"
customer = "C2"
address = "10.4.0.1:2404"
common_address = 1
rounds = [{ no = 1, name = "lighting" }]
"#;
    assert_snapshot!(said(fleet(&format!("{TREE}{text}"))), @r#"
    fleet.toml:23: node.parent = "F9": node A1: its parent F9 is not in the inventory: wanted a node of a higher kind
    fleet.toml:28: customer.supplied_by = "R": customer C1: supplied by R, a region: wanted a feeder or a transformer area
    fleet.toml:30: customer.safety_floor_kw = 200: customer C1: the safety floor 200.0 kW is above the contract's 100.0 kW: wanted at most contract_kw
    fleet.toml:35: terminal.customer = "C2": terminal T1: serves customer C2, who is not in the inventory: wanted the id of a customer
    fleet.toml:36: terminal.address = "10.4.0.1:2404": terminal T1 is reached like H1: wanted an address or a common_address of its own
    "#);
}

#[test]
fn an_id_taken_twice_is_refused_with_the_first_line() {
    assert_snapshot!(said(fleet(&format!("{TREE}{}", "[[node]]\nid = \"R\"\nkind = \"region\"\nname = \"West\"\n"))), @r#"
    fleet.toml:19: node.id = "R": taken at line 3: wanted an id of its own
    "#);
}

#[test]
fn a_terminal_needs_an_address_a_point_map_and_rounds_that_exist() {
    let text = r#"
[[terminal]]
id = "T1"
address = "10.4.0.2"
common_address = 65535
profile = "nowhere.toml"
rounds = [{ no = 9, name = "a" }, { no = 1, nam = "b" }]
"#;
    assert_snapshot!(said(fleet(&format!("{TREE}{text}"))), @r#"
    fleet.toml:21: terminal.address = "10.4.0.2": wanted HOST:PORT, as "10.4.0.17:2404"; several stand in brackets
    fleet.toml:22: terminal.common_address = 65535: wanted a whole number, 1 to 65534
    fleet.toml:23: terminal.profile = "nowhere.toml": wanted "standard", or the path of a point map that exists
    fleet.toml:24: terminal.rounds.nam: unknown key: wanted one of no, name
    fleet.toml:24: terminal.rounds.name is missing: wanted a text in one line, 1 to 64 characters, none of them invisible
    fleet.toml:24: terminal.rounds.no = 9: wanted a whole number, 1 to 8
    "#);
}

#[test]
fn a_limit_is_for_a_node_of_the_fleet_and_only_one() {
    let limit = |node| format!("[[limit]]\nnode = \"{node}\"\nlimit_kw = 100\n");
    assert_snapshot!(said(rules(&format!("{}{}{}", limit("F1"), limit("F1"), limit("F2")))), @r#"
    rules.toml:5: limit.node = "F1": has a limit at line 2 already: wanted one limit for each node
    rules.toml:8: limit.node = "F2": not in the fleet: wanted the id of one of its nodes
    "#);
}

#[test]
fn figures_of_a_limit_out_of_range_are_refused() {
    let text = "[general]\norder_expiry_s = 10\n[[limit]]\nnode = \"F1\"\nlimit_kw = 0\nhysteresis_percent = 51\n\
                cold_load_percent = 99\nwarning_percent = \"90 %\"\n";
    assert_snapshot!(said(rules(text)), @r#"
    rules.toml:2: general.order_expiry_s = 10: a select would outlive its order: wanted select_timeout_s at most order_expiry_s
    rules.toml:5: limit.limit_kw = 0: wanted a whole number of kW, 1 to 10000000
    rules.toml:6: limit.hysteresis_percent = 51: wanted a whole number of %, 0 to 50
    rules.toml:7: limit.cold_load_percent = 99: wanted a whole number of %, 100 to 1000
    rules.toml:8: limit.warning_percent = "90 %": wanted a whole number of %, 1 to 100
    "#);
}

#[test]
fn ports_of_a_simulated_fleet_have_to_fit() {
    let text =
        "[sim]\nterminals = 1000\nlisten_from = 65000\ntime_factor = 0.5\nwrite_fleet = \"no/such/folder/f.toml\"\n";
    assert_snapshot!(said(sim(text)), @r#"
    sim.toml:3: sim.listen_from = 65000: 1000 terminals do not fit: wanted at most 64536, or 0 for free ports
    sim.toml:4: sim.time_factor = 0.5: wanted a number, 1 to 600
    sim.toml:5: sim.write_fleet = "no/such/folder/f.toml": wanted the path of a file to write, in a folder that exists
    "#);
}

#[test]
fn a_simulation_without_its_table_is_refused() {
    assert_snapshot!(said(sim("terminals = 5\n")), @r#"
    sim.toml:1: sim: missing: wanted a table [sim]
    "#);
}

#[test]
fn a_site_cannot_shed_more_than_it_has() {
    let text = r#"listen = "localhost:2404"
common_address = 1
[site]
contract_kw = 100
safety_floor_kw = 101
load = "night_shift"
rounds = [
  { no = 1, name = "a", share_percent = 60 },
  { no = 1, name = "b", share_percent = 50 },
]
"#;
    assert_snapshot!(said(terminal(text)), @r#"
    terminal.toml:1: listen = "localhost:2404": wanted IP:PORT, as "0.0.0.0:2404"
    terminal.toml:5: site.safety_floor_kw = 101: above the contract: wanted at most contract_kw
    terminal.toml:6: site.load = "night_shift": wanted residential, office, two_shift, three_shift, shop or cold_store
    terminal.toml:7: site.rounds = […: the shares sum up to 110 %: wanted 100 % at most
    terminal.toml:9: site.rounds.no = 1: taken by an earlier entry: wanted each round once
    "#);
}

#[test]
fn a_terminal_has_one_connection_and_takes_commands_of_any_age_unless_told() {
    let text = |more: &str| format!("common_address = 1\n{more}\n[site]\ncontract_kw = 100\n");
    let read = |more: &str| terminal(&text(more)).map(|terminal| (terminal.connections, terminal.command_age_max));
    assert_eq!(read("").ok(), Some((1, None)));
    let age = Some(std::time::Duration::from_secs(30));
    assert_eq!(read("connections = 2\ncommand_age_max_s = 30").ok(), Some((2, age)));
    assert_snapshot!(said(read("connections = 0\ncommand_age_max_s = -1")), @r#"
    terminal.toml:2: connections = 0: wanted a whole number, 1 to 8
    terminal.toml:3: command_age_max_s = -1: wanted a whole number of s, 0 to 86400
    "#);
}

#[test]
fn check_reports_the_faults_of_all_files() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let files = [
        put("serve.toml", "fleet = \"f.toml\"\nrules = \"r.toml\"\n"),
        put("empty.toml", ""),
        put("bad.toml", "[sim\n"),
        folder.path().join("absent.toml"),
    ];
    put("f.toml", TREE);
    put("r.toml", "[[limit]]\nnode = \"X\"\nlimit_kw = 1\n");
    let text = said(check(&files)).replace(&format!("{}/", folder.path().display()), "");
    assert_snapshot!(text, @r#"
    absent.toml: cannot be read (No such file or directory (os error 2)): wanted a readable TOML file
    bad.toml:1: not TOML: unclosed table, expected `]`
    empty.toml: of no known kind: wanted the tables of a serve.toml, fleet.toml, rules.toml, northbound.toml, sim.toml or terminal.toml
    r.toml:2: limit.node = "X": not in the fleet: wanted the id of one of its nodes
    "#);
}

#[test]
fn no_text_whatever_makes_the_parsers_panic() {
    use proptest::prelude::*;
    let word = prop_oneof![
        Just("[[node]]\n"),
        Just("[[terminal]]\n"),
        Just("[[limit]]\n"),
        Just("[sim]\n"),
        Just("[site]\n"),
        Just("rounds = [{ no = 1 }, 5, {}]\n"),
        Just("id = \"A\"\n"),
        Just("id = 99999999999999999999\n"),
        Just("contract_kw = 0xFFFFFFFFFFFFFFFF\n"),
        Just("limit_kw = nan\n"),
        Just("[api]\n"),
        Just("[northbound]\n"),
        Just("[[point]]\nshows = \"alarm\"\ncause = \"no_effect\"\n"),
        Just("\"\" = 馈\n"),
        Just("[operator]\n"),
        Just("time_factor = -inf\n"),
        Just("listen_from = 1\r\n"),
        Just("x.y.z = '''\n"),
    ];
    proptest!(|(words in prop::collection::vec(word, 0..12), junk in ".{0,40}")| {
        let text = format!("{}{junk}", words.concat());
        let _ = (serve(&text), fleet(&text), sim(&text), terminal(&text), rules(&text), northbound(&text));
    });
}

#[test]
fn every_load_of_the_simulated_plant_has_a_name_in_files() {
    use headroom_sim::plant::LoadType;
    assert_eq!(sim::LOADS.map(|(_, load)| load), LoadType::ALL);
}

#[test]
fn a_point_map_is_read_along_with_the_fleet_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = folder.path().join("fleet.toml");
    let parse = |map: &str| {
        fs::write(folder.path().join("own.toml"), map).unwrap();
        let text = "[[node]]\nid = \"R\"\nkind = \"region\"\nname = \"r\"\n[[node]]\nid = \"F\"\nkind = \"feeder\"\n\
                    name = \"f\"\nparent = \"R\"\n[[customer]]\nid = \"C\"\nname = \"c\"\nsupplied_by = \"F\"\n\
                    contract_kw = 9\npriority = 3\n[[terminal]]\nid = \"T\"\ncustomer = \"C\"\naddress = \"h:1\"\n\
                    common_address = 1\nprofile = \"own.toml\"\nrounds = [{ no = 1, name = \"r\" }]\n";
        Fleet::parse(&fleet, text).map_err(|errors| errors.to_string())
    };
    let position = "[[points]]\npoint = { round_position = 1 }\nioa = 1\ntype = \"double\"\n";
    let command = "[[commands.rounds]]\nround = 1\nioa = 2\n";
    parse(&format!("{position}{command}")).unwrap();
    for (map, wanted) in [
        ("no map".to_owned(), "terminal.profile = \"own.toml\": point map: line 1"),
        (position.to_owned(), "has not a command of round 1"),
        (format!("points = []\n{command}"), "has not a point for its position of round 1"),
    ] {
        let said = parse(&map).unwrap_err();
        assert!(said.contains("fleet.toml:") && said.contains(wanted), "{said}");
    }
}

fn northbound(text: &str) -> Result<NorthboundConfig, ConfigErrors> {
    NorthboundConfig::parse(Path::new("northbound.toml"), text, Some(&fleet(TREE).unwrap().inventory))
}

const NORTHBOUND: &str = "[northbound]\nlisten = \"127.0.0.1:2404\"\ncommon_address = 1\nname = \"above\"\n";

#[test]
fn what_a_centre_above_sees_and_sets_is_in_the_fleet_at_an_address_of_its_own() {
    let point = "[[point]]\nioa = 1\nshows = \"load\"\nnode = \"F1\"\n";
    let config = northbound(&format!("{NORTHBOUND}{point}")).unwrap();
    assert_eq!((config.require_select, config.connections_max), (true, 2));
    let shows = Shows::Load("F1".parse().unwrap());
    let deadband = Power::from_kw(1);
    assert_eq!(config.points.into_iter().collect::<Vec<_>>(), [(1, NorthboundPoint { shows, deadband })]);
    for (name, cause) in [
        ("journal_damaged", AlarmCause::JournalDamaged),
        ("journal_failing", AlarmCause::JournalFailing),
        ("journal_oversize", AlarmCause::JournalOversize),
        ("replay_differs", AlarmCause::ReplayDiffers),
        ("clock_moved", AlarmCause::ClockMoved),
        ("store_damaged", AlarmCause::StoreDamaged),
        ("automatic_stopped", AlarmCause::AutomaticStopped),
    ] {
        let alarm = format!("{NORTHBOUND}[[point]]\nioa = 1\nshows = \"alarm\"\ncause = \"{name}\"\n");
        assert_eq!(northbound(&alarm).unwrap().points[&1].shows, Shows::Alarm(cause));
        assert!(northbound(&format!("{alarm}node = \"F1\"\n")).is_err(), "{name} is of no node");
    }
    let text = format!(
        "{NORTHBOUND}{point}\
         [[point]]\nioa = 1\nshows = \"limit\"\nnode = \"F1\"\n\
         [[point]]\nioa = 0\nshows = \"limit\"\nnode = \"F9\"\n\
         [[point]]\nioa = 2\nshows = \"weather\"\nnode = \"F1\"\n\
         [[point]]\nioa = 3\nshows = \"position\"\nterminal = \"H1\"\nround = 1\n\
         [[point]]\nioa = 4\nshows = \"alarm\"\ncause = \"link_down\"\nterminal = \"H9\"\n\
         [[limit_command]]\nioa = 1\nnode = \"F1\"\n"
    );
    assert_snapshot!(said(northbound(&text)), @r#"
    northbound.toml:10: point.ioa = 1: taken at line 6: wanted an address of its own
    northbound.toml:14: point.ioa = 0: wanted a whole number, 1 to 16777215
    northbound.toml:16: point.node = "F9": not in the fleet: wanted the id of one of its nodes
    northbound.toml:19: point.shows = "weather": wanted one of "load", "limit", "headroom", "rounds_shed", "links_up", "position", "alarm"
    northbound.toml:25: point.round = 1: H1 has no such round: wanted one of its rounds
    northbound.toml:30: point.terminal = "H9": not in the fleet: wanted the id of one of its terminals
    northbound.toml:32: limit_command.ioa = 1: taken at line 10: wanted an address of its own
    "#);
}

#[test]
fn a_northbound_door_is_for_those_whom_its_file_names() {
    let point = "[[point]]\nioa = 1\nshows = \"load\"\nnode = \"F1\"\n";
    let config =
        northbound(&format!("{NORTHBOUND}{point}[access]\nallowed = [\"10.0.0.0/8\"]\nlinks_max = 4\n")).unwrap();
    assert_eq!((config.access.allowed.len(), config.access.links_max, config.tls), (1, 4, None));
    let text = format!("{NORTHBOUND}{point}[tls]\nca = \"none.pem\"\n");
    assert_snapshot!(said(northbound(&text)), @r#"
    northbound.toml:9: tls.certificate is missing: wanted the path of a PEM file
    northbound.toml:9: tls.key is missing: wanted the path of a PEM file
    northbound.toml:9: tls.peer is missing: wanted "sha256:" and 64 hexadecimal digits of the certificate's fingerprint, or "name:" and a DNS or URI name in it; several stand in brackets
    "#);
}

#[test]
fn a_northbound_file_without_a_point_or_its_table_is_refused() {
    assert_snapshot!(said(northbound(NORTHBOUND)), @"northbound.toml:1: point: missing: wanted at least one [[point]]");
    assert_snapshot!(said(northbound("")), @"northbound.toml:1: northbound: missing: wanted a table [northbound]");
}

const TERMINAL: &str = "[[terminal]]\nid = \"T1\"\ncommon_address = 9\n";

#[test]
fn a_terminal_is_dialled_or_calls_and_a_fleet_with_both_parses_back() {
    let sum = "ab".repeat(32);
    let text = format!(
        "{TREE}{TERMINAL}address = [\"10.4.0.2:2404\", \"10.4.0.3:2404\"]\ntls = true\npeer = [\"sha256:{sum}\", \"name:t-1\"]\n\
         [[terminal]]\nid = \"T2\"\ncommon_address = 9\n\
         dial_in = {{ registration = \"DTU-2\", heartbeat = \"hex:fe FE\", answer = \"hex:06\" }}\n"
    );
    let read = fleet(&text).unwrap();
    assert_eq!(read.links[1].addresses(), ["10.4.0.2:2404", "10.4.0.3:2404"]);
    assert_eq!(read.links[1].tls.as_ref().unwrap().len(), 2);
    let Reached::Calls(registration) = &read.links[2].reached else { panic!("{:?}", read.links[2]) };
    assert_eq!((&registration.packet[..], &registration.heartbeat[..]), (&b"DTU-2"[..], &[0xFE, 0xFE][..]));
    assert_eq!(fleet(&read.to_toml()).unwrap(), read);
}

#[test]
fn a_terminal_that_is_reached_in_two_ways_or_in_none_is_refused() {
    let with = |lines: &str| said(fleet(&format!("{TREE}{TERMINAL}{lines}")));
    let calls = "dial_in = { registration = \"DTU\" }\n";
    assert_snapshot!(with(&format!("address = \"h:1\"\n{calls}")), @r#"
    fleet.toml:22: terminal.dial_in = { registration = "DTU" }: beside address: wanted one of them, as either the centre dials or the terminal does
    "#);
    assert_snapshot!(with(""), @r#"
    fleet.toml:18: terminal.address is missing: wanted HOST:PORT, as "10.4.0.17:2404"; several stand in brackets
    "#);
    assert_snapshot!(with("address = \"h:1\"\ntls = true\n"), @r#"
    fleet.toml:18: terminal.peer is missing: wanted "sha256:" and 64 hexadecimal digits of the certificate's fingerprint, or "name:" and a DNS or URI name in it; several stand in brackets
    "#);
    assert_snapshot!(with("address = []\npeer = \"name:x\"\n"), @r#"
    fleet.toml:21: terminal.address = []: wanted HOST:PORT, as "10.4.0.17:2404"; several stand in brackets
    fleet.toml:22: terminal.peer = "name:x": without tls: wanted tls = true beside it, or none
    "#);
}

#[test]
fn registrations_that_cannot_be_told_apart_or_recognized_are_refused() {
    let calls =
        |id: &str, keys: &str| format!("[[terminal]]\nid = \"{id}\"\ncommon_address = 9\ndial_in = {{ {keys} }}\n");
    let with = |text: &str| said(fleet(&format!("{TREE}{text}")));
    let alike = calls("T1", "registration = \"DTU-1\"") + calls("T2", "registration = \"DTU-12\"").as_str();
    assert_snapshot!(with(&alike), @r#"
    fleet.toml:25: terminal.dial_in = { registration = "DTU-12" }: terminal T2 registers with octets that begin like those of T1: wanted ones that begin otherwise
    "#);
    assert_snapshot!(with(&calls("T1", "registration = \"\", heartbeat = \"hex:6804\"")), @r#"
    fleet.toml:21: terminal.dial_in.registration = "": wanted a text, or "hex:" and pairs of hexadecimal digits, 1 to 256 octets
    "#);
    assert_snapshot!(with(&calls("T1", "registration = \"A\", heartbeat = \"hex:6804\", answer = \"hex:0\"")), @r#"
    fleet.toml:21: terminal.dial_in.answer = "hex:0": wanted a text, or "hex:" and pairs of hexadecimal digits, 1 to 256 octets
    fleet.toml:21: terminal.dial_in.heartbeat = "hex:6804": a heartbeat that begins with 68H is an APDU: wanted another one
    "#);
}

#[test]
fn what_the_fleet_wants_of_the_links_the_centre_has_to_have() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let serve = folder.path().join("serve.toml");
    put("rules.toml", "");
    put("serve.toml", "rules = \"rules.toml\"\n");
    put(
        "fleet.toml",
        &format!(
            "{TREE}{TERMINAL}address = \"h:1\"\ntls = true\npeer = \"name:t\"\n[[terminal]]\nid = \"T2\"\n\
             common_address = 9\ndial_in = {{ registration = \"DTU\" }}\n"
        ),
    );
    let said = |result: Result<(), ConfigErrors>| said(result).replace(&format!("{}/", folder.path().display()), "");
    let wanted = "fleet.toml: terminal T1: tls: wanted a table [iec104.tls] in the centre's file\n\
                  fleet.toml: terminal T2: dial_in: wanted a table [iec104.dial_in] in the centre's file";
    assert_eq!(said(Centre::read(&serve).map(drop)), wanted);
    assert_eq!(said(check(std::slice::from_ref(&serve)).map(drop)), wanted);
    let digest = "ab".repeat(32);
    let li = format!("[[operator]]\nname = \"li\"\ntoken_sha256 = \"{digest}\"\narea = [\"F1\", \"F99\"]\n");
    put("serve.toml", &format!("rules = \"rules.toml\"\n{li}"));
    put("fleet.toml", TREE);
    let wanted = "serve.toml:5: operator.area: F99 of li is not in the fleet: wanted ids of its nodes";
    assert!(said(Centre::read(&serve).map(drop)).lines().any(|line| line == wanted));
}

#[test]
fn certificates_that_cannot_be_used_are_named_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serve.toml");
    fs::write(folder.path().join("ca.pem"), "no certificate\n").unwrap();
    let text = "[iec104.tls]\nca = \"ca.pem\"\ncertificate = \"none.pem\"\nkey = \"\"\nmin_version = \"1.1\"\ncheck_every_s = 0\n";
    let said = |text: &str| said(ServeConfig::parse(&file, text)).replace(&format!("{}/", folder.path().display()), "");
    assert_snapshot!(said(text), @r#"
    serve.toml:4: iec104.tls.key = "": wanted the path of a PEM file
    serve.toml:5: iec104.tls.min_version = "1.1": wanted "1.2" or "1.3"
    serve.toml:6: iec104.tls.check_every_s = 0: wanted a whole number of seconds, 1 to 86400
    "#);
    let text = "[iec104.tls]\nca = \"ca.pem\"\ncertificate = \"none.pem\"\nkey = \"ca.pem\"\n";
    assert_snapshot!(said(text), @r#"
    serve.toml:2: iec104.tls.ca = "ca.pem": holds no such thing: wanted a CA's certificate in PEM
    serve.toml:3: iec104.tls.certificate = "none.pem": cannot be read (No such file or directory (os error 2)): wanted a PEM file with a certificate
    serve.toml:4: iec104.tls.key = "ca.pem": holds no such thing: wanted a private key in PEM
    "#);
    // Nor are they said to be missing where they are only bad.
    let calls = format!("{text}[iec104.dial_in]\nlisten = \"127.0.0.1:1\"\ntls = true\n");
    assert_eq!(said(&calls), said(text));
    assert_snapshot!(said("[iec104.dial_in]\nlisten = \"here\"\ntls = true\nallowed = [\"10.4.0.0/33\"]\n"), @r#"
    serve.toml:2: iec104.dial_in.listen = "here": wanted IP:PORT, as "127.0.0.1:8104"
    serve.toml:4: iec104.dial_in.allowed = ["10.4.0.0/33"]: wanted IP addresses or networks, as "10.4.0.0/16"; several stand in brackets
    "#);
}

#[test]
fn certificates_are_read_once_with_the_file_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    put("ca.pem", &ca.pem());
    put("own.key", &key.serialize_pem());
    put("own.pem", &CertificateParams::new(vec!["centre".to_owned()]).unwrap().signed_by(&key, &ca).unwrap().pem());
    let text = "[iec104.tls]\nca = \"ca.pem\"\ncertificate = \"own.pem\"\nkey = \"own.key\"\n";
    let config = ServeConfig::parse(&folder.path().join("serve.toml"), text).unwrap();
    drop(folder);
    let identity = config.transport.tls.unwrap();
    assert!(identity.dialling(Vec::new()).is_ok() && identity.listening(None).is_ok());
}

#[test]
fn a_terminal_either_listens_or_dials() {
    let text = "listen = \"127.0.0.1:1\"\ncommon_address = 1\n[dial]\naddress = \"c:1\"\nregistration = \"A\"\n[site]\ncontract_kw = 1\n";
    assert_snapshot!(said(terminal(text)), @r#"
    terminal.toml:1: listen = "127.0.0.1:1": beside [dial]: wanted one of them, as a terminal either listens or dials
    "#);
}

#[test]
fn a_notice_that_says_nothing_or_cannot_be_read_is_refused() {
    let limit = "[[limit]]\nnode = \"F11\"\nlimit_kw = 2400\n";
    let refused = |text: &str| rules::parse(Path::new("rules.toml"), text, None).unwrap_err().to_string();
    assert!(refused(&format!("{limit}notice_min = 61\n")).contains("wanted a whole number of minutes, 0 to 60"));
    assert!(
        refused(&format!("{limit}urgent_percent = 120\n"))
            .contains("wanted notice_min above 0, or measures = true, beside it")
    );
    let wrong = refused(&format!("{limit}notice_min = 5\nunreached = \"ask\"\n"));
    assert!(wrong.contains("limit.unreached = \"ask\": wanted \"trip\" or \"spare\""), "{wrong}");
    for text in ["{when}", "", "a\\u001bb"] {
        let wrong = refused(&format!("[notice]\ntrip_text = \"{text}\"\n{limit}"));
        assert!(wrong.contains("rules.toml:2: notice.trip_text"), "{wrong}");
    }
}
