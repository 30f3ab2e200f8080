use std::fs;
use std::path::{Path, PathBuf};

use headroom_rules::measures::{Agreed, MeasureKind, Window};
use headroom_rules::model::{
    Customer, Inventory, Node, NodeKind, Power, PriorityClass, Round, RoundNo, Span, Terminal, TerminalId,
};
use headroom_terminals::iec104::access::registration::Registration;
use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::config::{ConfigErrors, LinkEntry, Reached, STANDARD_PROFILE};

const FLEET: &str = "fleet.toml";

fn example() -> Fleet {
    Fleet::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/examples/fleet.toml")).unwrap()
}

fn files(tables: &[(Table, String)]) -> Vec<(PathBuf, Vec<u8>)> {
    tables.iter().map(|(table, text)| (table.file_name().into(), text.clone().into_bytes())).collect()
}

fn file(name: &str, text: &str) -> (PathBuf, Vec<u8>) {
    (name.into(), text.as_bytes().to_vec())
}

fn into(before: &Fleet, files: &[(PathBuf, Vec<u8>)]) -> Result<Imported, ConfigErrors> {
    import(before, Path::new(FLEET), files, Encoding::Utf8, false)
}

fn said(before: &Fleet, files: &[(PathBuf, Vec<u8>)]) -> String {
    into(before, files).unwrap_err().to_string()
}

fn changes(imported: &Imported) -> String {
    imported.changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// As another spreadsheet writes it.
fn rewritten(text: &str, delimiter: u8, ends: csv::Terminator, quotes: csv::QuoteStyle) -> Vec<u8> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let mut writer =
        csv::WriterBuilder::new().delimiter(delimiter).terminator(ends).quote_style(quotes).from_writer(Vec::new());
    reader.records().for_each(|record| writer.write_record(&record.unwrap()).unwrap());
    writer.into_inner().unwrap()
}

fn a_name() -> impl Strategy<Value = String> {
    let part =
        prop_oneof![Just(","), Just(";"), Just("\""), Just("\t#"), Just("码头"), Just("x "), Just("'"), Just("\\")];
    let fits = |parts: Vec<&str>| crate::config::label(&parts.concat()).map(str::to_owned);
    prop::collection::vec(part, 1..6).prop_filter_map("no name", fits)
}

fn a_reached(n: usize) -> impl Strategy<Value = Reached> {
    let address = move |port: usize| format!("10.4.{n}.1:{}", 2404 + port);
    prop_oneof![
        (1..3_usize).prop_map(move |count| Reached::Dialled((0..count).map(address).collect())),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(move |rest| {
            let packet = [format!("DTU-{n:04}").as_bytes(), &rest].concat();
            Reached::Calls(Registration { packet, heartbeat: vec![0xFE; rest.len()], answer: rest })
        }),
    ]
}

/// None, one all day, or two of a kind at different hours and a limit, as far as the contract leaves room for them.
fn a_few_measures(n: usize, contract: Power, floor: Power) -> Vec<Agreed> {
    let agreed = |kind, power, days: &[&str], (from, to), per_week_max| Agreed {
        kind,
        power,
        notice: Span::from_s(60 * i64::try_from(n).unwrap()),
        lasts_max: Span::from_s(7_200),
        window: Window { days: days.iter().map(|day| day.parse().unwrap()).collect(), from, to },
        per_week_max,
    };
    let kw = Power::from_kw(1);
    let few = match n % 3 {
        0 => vec![],
        1 => vec![agreed(MeasureKind::Avoid, kw, &[], (0, 1_440), None)],
        _ => vec![
            agreed(MeasureKind::Shift, kw, &["workday", "restday"], (480, 720), Some(2)),
            agreed(MeasureKind::Shift, kw, &["workday"], (720, 1_440), None),
            agreed(MeasureKind::Limit, floor.max(kw), &["holiday"], (0, 1_440), None),
        ],
    };
    let mut few: Vec<Agreed> = few.into_iter().filter(|agreed| agreed.check(contract, floor).is_none()).collect();
    few.sort_by(|a, b| (a.kind, &a.window).cmp(&(b.kind, &b.window)));
    few
}

prop_compose! {
    fn a_fleet()(
        sites in prop::collection::vec(
            (a_name(), a_name(), 1..1_000_000_i32, any::<bool>(), 0..=100_i64, 1..=5_u8, 0..=8_usize, any::<bool>(), 1..=65_534_u16),
            0..6,
        ),
        reached in (0..6_usize).map(a_reached).collect::<Vec<_>>(),
        top in a_name(),
    ) -> Fleet {
        let mut fleet = Fleet::default();
        let Inventory { nodes, customers, terminals } = &mut fleet.inventory;
        let node = |kind, name: &str, parent: Option<&str>| {
            Node { kind, name: name.to_owned(), parent: parent.map(|id| id.parse().unwrap()), measured_by: None }
        };
        nodes.insert("R".parse().unwrap(), node(NodeKind::Region, &top, None));
        nodes.insert("F".parse().unwrap(), node(NodeKind::Feeder, &top, Some("R")));
        for (n, (site, reached)) in sites.into_iter().zip(reached).enumerate() {
            let (name, round, kw, guaranteed, floor, class, rounds, tls, common_address) = site;
            let (terminal, customer): (TerminalId, _) = (format!("T-{n}").parse().unwrap(), format!("C-{n}").parse().unwrap());
            let contract = Power::from_kw(kw);
            let floor = Power::from_kw(i32::try_from(i64::from(kw) * floor / 100).unwrap());
            let priority = PriorityClass::try_from(class).unwrap();
            let supplied_by = "F".parse().unwrap();
            let measures = a_few_measures(n, contract, floor);
            customers.insert(customer, Customer { name, supplied_by, contract, guaranteed, safety_floor: floor, priority, measures });
            let rounds = RoundNo::ALL.into_iter().take(rounds).map(|no| (no, Round { name: round.clone() })).collect();
            terminals.insert(terminal, Terminal { customer: Some(customer), rounds, warns_for: Span::ZERO });
            let tls = tls.then(|| vec!["name:t.example".parse().unwrap(), format!("sha256:{}", "ab".repeat(32)).parse().unwrap()]);
            fleet.links.push(LinkEntry { terminal, reached, tls, common_address, profile: STANDARD_PROFILE.to_owned() });
        }
        fleet
    }
}

proptest! {
    #[test]
    fn what_is_exported_and_imported_is_the_same_fleet_whatever_program_saved_it_between(
        fleet in a_fleet(),
        delimiter in prop::sample::select(vec![b',', b';', b'\t']),
        crlf: bool,
        all_quoted: bool,
        gb18030: bool,
    ) {
        let ends = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let quotes = if all_quoted { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
        let tables = export(&fleet);
        prop_assert_eq!(&into(&Fleet::default(), &files(&tables)).unwrap().fleet, &fleet);
        let encoding = if gb18030 { Encoding::Gb18030 } else { Encoding::Utf8 };
        let files: Vec<_> = tables.iter().map(|(table, text)| {
            let octets = rewritten(text, delimiter, ends, quotes);
            let text = String::from_utf8(octets).unwrap();
            let octets = if gb18030 { encoding_rs::GB18030.encode(&text).0.into_owned() } else { text.into_bytes() };
            (PathBuf::from(table.file_name()), octets)
        }).collect();
        let imported = import(&Fleet::default(), Path::new(FLEET), &files, encoding, false).unwrap();
        prop_assert_eq!(&imported.fleet, &fleet);
        prop_assert_eq!(&Fleet::parse(Path::new(FLEET), &fleet.to_toml()).unwrap(), &fleet);
        let again = import(&fleet, Path::new(FLEET), &files, encoding, true).unwrap();
        prop_assert_eq!(again, Imported { fleet, changes: vec![] });
    }

    #[test]
    fn no_octets_whatever_make_an_import_panic(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "id,kind,name\n", "terminal,no,name\n", "id;common_address;tls\r\n", "\"", "\n", ",", ";", "T-1,", "T-1,1,x\n",
                "\u{feff}", "\u{0}", "TRUE", "é", "\"\"", "\r",
            ]),
            0..12,
        ),
        junk in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let octets = [parts.concat().as_bytes(), &junk].concat();
        for encoding in [Encoding::Utf8, Encoding::Gb18030] {
            let _ = import(&example(), Path::new(FLEET), &[("x.csv".into(), octets.clone())], encoding, true);
        }
    }
}

#[test]
fn every_bad_row_is_named_as_the_spreadsheet_numbers_it_with_what_is_wanted() {
    let customers = file(
        "customers.csv",
        "id,name,supplied_by,contract_kw,guaranteed,safety_floor_kw,priority\n\
         C900,\"Foundry\nat the harbour\",F11,2000,TRUE,,3\n\
         \n\
         C901,Mill,F11,2 000,perhaps,0,3\n\
         C902,Mill,F99,100,false,200,3\n\
         C902,Mill twice,F11,100,false,0,3\n\
         ,,,,,,\n\
         C903,Mill,F11,100,false,0,3,surplus\n",
    );
    let terminals = file(
        "east.csv",
        "id;customer;address;common_address\n\
         T-900;C-none;10.4.0.9:2404 10.4.0.9;7\n\
         T 901;;10.4.0.8:2404;007\n\
         T-902;;;8\n",
    );
    let rounds =
        file("rounds.csv", "terminal,no,name\nT-001,9,lighting\nT-001,3,one\nT-001,3,two\nT-77,1,lost\n,1,lost\n");
    assert_snapshot!(said(&example(), &[customers, terminals, rounds]), @r#"
    customers.csv:2: name = "Foundry\nat the harbour": wanted a text in one line, 1 to 64 characters, none of them invisible
    customers.csv:4: contract_kw = "2 000": wanted a whole number of kW, 1 to 1000000
    customers.csv:4: guaranteed = "perhaps": wanted true or false
    customers.csv:6: id = "C902": taken at customers.csv:5: wanted an id of its own
    customers.csv:8: 8 cells where the header has 7: wanted as many; a text with the separator in it stands in quotation marks
    east.csv:2: address = ["10.4.0.9:2404", "10.4.0.9"]: wanted HOST:PORT, as "10.4.0.17:2404"; several stand apart by a blank
    east.csv:3: common_address = "007": wanted a whole number, 1 to 65534
    east.csv:3: id = "T 901": wanted 1 to 16 letters, digits, '-', '_' or '.'
    east.csv:4: address is missing: wanted HOST:PORT, as "10.4.0.17:2404"; several stand apart by a blank
    rounds.csv:2: no = 9: wanted a whole number, 1 to 8
    rounds.csv:4: no = 3: taken at rounds.csv:3: wanted each round once
    rounds.csv:5: terminal = "T-77": not among the terminals: wanted the id of one
    rounds.csv:6: terminal is missing: wanted the id of a terminal
    "#);
}

#[test]
fn contradictions_that_only_the_whole_shows_stand_at_the_row_that_makes_them() {
    let terminals = "id,customer,address,common_address\nT-900,C001,127.0.0.1:24042,3\nT-901,C77,10.4.0.1:1,3\n";
    let customers = "id,supplied_by,safety_floor_kw\nC001,F77,150\nC002,A111,999\nC003,EAST,\n";
    let nodes = "id,kind,name,parent\nF12,feeder,West,\nF13,feeder,West,A111\n";
    let files = [file("t.csv", terminals), file("c.csv", customers), file("n.csv", nodes)];
    assert_snapshot!(said(&example(), &files), @r#"
    c.csv:2: supplied_by = "F77": customer C001: supplied by F77, which is not in the inventory: wanted a feeder or a transformer area
    c.csv:3: safety_floor_kw = 999: customer C002: the safety floor 999.0 kW is above the contract's 400.0 kW: wanted at most contract_kw
    c.csv:4: supplied_by = "EAST": customer C003: supplied by EAST, a region: wanted a feeder or a transformer area
    n.csv:2: parent: node F12: a feeder needs a parent: wanted the id of a node of a higher kind
    n.csv:3: parent = "A111": node F13: a feeder cannot be supplied by A111, a transformer area: wanted a node of a higher kind
    t.csv:2: address = "127.0.0.1:24042": terminal T-900 is reached like T-002: wanted an address or a common_address of its own
    t.csv:2: customer = "C001": terminal T-900: customer C001 is already served by T-001: wanted one terminal for each customer
    t.csv:3: customer = "C77": terminal T-901: serves customer C77, who is not in the inventory: wanted the id of a customer
    "#);
}

#[test]
fn a_text_that_nothing_closes_is_named_where_it_opens() {
    let text = "id,kind,name,parent\nF12,feeder,\"West,S1\nF13,feeder,East,S1\nF14,feeder,North,S1\n";
    assert_snapshot!(said(&example(), &[file("nodes.csv", text)]), @r#"
    nodes.csv:2: a quotation mark opens a text here that nothing closes: wanted a second one
    nodes.csv:2: name = "West,S1\nF13,feeder,East,S1\nF14,feeder,North,S1": wanted a text in one line, 1 to 64 characters, none of them invisible
    "#);
}

#[test]
fn a_file_that_is_no_table_of_a_fleet_says_what_one_has() {
    let said = |text: &[u8]| said(&example(), &[("x.csv".into(), text.to_vec())]);
    assert_snapshot!(said(b""), @"x.csv: empty: wanted a header line");
    assert_snapshot!(said(b"id,name\nA,b\n"), @"x.csv:1: the header is of no one table: wanted the columns of nodes.csv (id, kind, name, parent, measured_by), customers.csv (id, name, supplied_by, contract_kw, guaranteed, safety_floor_kw, priority), terminals.csv (id, customer, address, registration, heartbeat, answer, tls, peer, common_address, profile), rounds.csv (terminal, no, name), measures.csv (customer, kind, days, from, to, kw, to_kw, notice_min, lasts_min_max, per_week_max)");
    assert_snapshot!(said(b"id,kind,nam,kind,name\nA,feeder,b,,\n"), @r#"
    x.csv:1: column "kind": there twice: wanted once
    x.csv:1: column "nam": unknown: wanted one of id, kind, name, parent, measured_by
    "#);
    assert_snapshot!(said(b"no,name\n1,lighting\n"), @r#"x.csv:1: column "terminal" is missing: wanted it, as rows are known by it"#);
    assert_snapshot!(said(b"\xFF\xFEi\0d\0"), @r#"x.csv: UTF-16: wanted UTF-8, in Excel "CSV UTF-8" among the file types"#);
    let gb = encoding_rs::GB18030.encode("id,kind,name,parent\nF12,feeder,码头,S1\n").0;
    assert_snapshot!(said(&gb), @r#"x.csv:2: not UTF-8: wanted "CSV UTF-8" among Excel's file types, or --encoding gb18030 for what a Chinese Excel saves as CSV"#);
    assert_snapshot!(
        import(&example(), Path::new(FLEET), &[("x.csv".into(), b"id,kind\n\xFF,".to_vec())], Encoding::Gb18030, false)
            .unwrap_err(),
        @"x.csv: neither UTF-8 nor GB18030: wanted one of them"
    );
}

#[test]
fn no_empty_cell_and_no_short_row_takes_away_what_protects_a_customer() {
    let customers = file("customers.csv", "id,guaranteed,safety_floor_kw\nC003,,0\nC001,false,\nC002\n");
    assert_snapshot!(said(&example(), &[customers]), @r#"
    customers.csv:2: guaranteed is empty where it was true: wanted it written out, also false or 0
    customers.csv:3: safety_floor_kw is empty where it was 150: wanted it written out, also false or 0
    customers.csv:4: 1 cells where the header has 3: wanted as many
    customers.csv:4: safety_floor_kw is empty where it was 120: wanted it written out, also false or 0
    "#);
    let written_out = file("customers.csv", "id,guaranteed,safety_floor_kw\nC003,false,0\n");
    let imported = into(&example(), &[written_out]).unwrap();
    assert_snapshot!(changes(&imported), @"~ customer C003: guaranteed true -> false");
}

#[test]
fn what_has_no_column_stays_and_what_has_is_set() {
    let customers = file("customers.csv", "\u{feff}ID,Contract_kW,guaranteed\nC001, 1800 ,True\nC002,400,\n");
    let terminals =
        file("terminals.csv", "id,customer,address,common_address\nT-001,C001,127.0.0.1:24041 127.0.0.2:24041,2\n");
    let rounds = file("rounds.csv", "terminal,no,name\nT-002,3,office\nT-003,1,\"laundry, east\"\n");
    let imported = into(&example(), &[customers, terminals, rounds]).unwrap();
    assert_snapshot!(changes(&imported), @r#"
    ~ customer C001: contract_kw 2000 -> 1800, guaranteed false -> true
    ~ terminal T-001: address 127.0.0.1:24041 -> 127.0.0.1:24041 127.0.0.2:24041
    + round T-002 3
    ~ round T-003 1: name laundry -> laundry, east
    "#);
    let unchanged = into(&imported.fleet, &files(&export(&imported.fleet))).unwrap();
    assert_eq!((unchanged.changes, unchanged.fleet), (vec![], imported.fleet));
}

#[test]
fn rows_go_only_when_that_is_asked_for_and_a_terminal_takes_its_rounds_along() {
    let terminals = file("terminals.csv", "id\nT-F11\nT-001\nT-003\n");
    let kept = into(&example(), std::slice::from_ref(&terminals)).unwrap();
    assert_eq!(kept, Imported { fleet: example(), changes: vec![] });
    let removed = import(&example(), Path::new(FLEET), std::slice::from_ref(&terminals), Encoding::Utf8, true).unwrap();
    assert_snapshot!(changes(&removed), @r#"
    - terminal T-002
    - round T-002 1
    - round T-002 2
    "#);
    assert_eq!(removed.fleet.links.len(), 3);
    let nodes = file("nodes.csv", "id\nEAST\nS1\nF11\n");
    let refused = import(&example(), Path::new(FLEET), &[nodes], Encoding::Utf8, true).unwrap_err();
    assert_snapshot!(refused, @r#"
    fleet.toml: supplied_by = "A111": customer C002: supplied by A111, which is not in the inventory: wanted a feeder or a transformer area
    fleet.toml: supplied_by = "A112": customer C003: supplied by A112, which is not in the inventory: wanted a feeder or a transformer area
    "#);
}

#[test]
fn point_maps_are_looked_for_beside_the_fleet() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("own.toml"), "points = []\n").unwrap();
    let terminals = [file("terminals.csv", "id,profile\nT-F11,own.toml\n")];
    let fleet = folder.path().join(FLEET);
    let imported = import(&example(), &fleet, &terminals, Encoding::Utf8, false).unwrap();
    assert_eq!(changes(&imported), "~ terminal T-F11: profile standard -> own.toml");
    assert!(
        into(&example(), &terminals)
            .unwrap_err()
            .to_string()
            .starts_with("terminals.csv:2: profile = \"own.toml\": wanted")
    );
}

#[test]
fn measures_of_customers_come_as_a_table_and_every_bad_row_is_named() {
    let good = "customer,kind,days,from,to,kw,to_kw,notice_min,lasts_min_max,per_week_max\n\
                C002,shift,workday restday,08:00,12:00,100,,1440,240,2\nC002,limit,,,,,200,30,120,\n";
    let imported = into(&example(), &[file("measures.csv", good)]).unwrap();
    assert_snapshot!(changes(&imported), @r"
    + measure C002 limit
    + measure C002 shift workday restday 08:00
    ");
    let again = into(&imported.fleet, &files(&export(&imported.fleet))).unwrap();
    assert_eq!((again.changes, &again.fleet), (vec![], &imported.fleet));
    let less = file("measures.csv", "customer,kind,days,from,kw\nC002,shift,workday restday,08:00,80\n");
    let removed = import(&imported.fleet, Path::new(FLEET), &[less], Encoding::Utf8, true).unwrap();
    assert_snapshot!(changes(&removed), @r"
    - measure C001 limit
    - measure C001 shift
    - measure C002 limit
    ~ measure C002 shift workday restday 08:00: kw 100 -> 80
    ");
    let bad = "customer,kind,days,from,to,kw,to_kw,notice_min,lasts_min_max\n\
               C003,move,,,,500,,10,60\nC003,avoid,,12:00,08:00,500,,10,60\nC77,avoid,,,,500,,10,60\n,avoid,,,,500,,10,60\n\
               C001,avoid,,,,1900,,10,60\nC002,limit,,,,,100,10,60\nC002,shift,,,,5,,10,60\nC002,shift,workday,08:00,09:00,5,,10,60\n";
    let refused = said(&example(), &[file("measures.csv", bad)]);
    for line in [
        "measures.csv:2: kind = \"move\": wanted shift, avoid or limit",
        "measures.csv:3: to = \"08:00\": the window would end before it begins: wanted from before to, within one day",
        "measures.csv:4: customer = \"C77\": not among the customers: wanted the id of one",
        "measures.csv:5: customer is missing: wanted the id of a customer",
        "measures.csv:6: kw = 1900: 1900.0 kW off a contract of 2000.0 kW would leave less than the safety floor of 150.0 kW",
        "measures.csv:7: to_kw = 100: 100.0 kW is below the safety floor of 120.0 kW: wanted at least 120.0 kW",
        "measures.csv:9: kind = \"shift\": the same kind is agreed twice over the same hours",
    ] {
        assert!(refused.contains(line), "{line} in\n{refused}");
    }
}
