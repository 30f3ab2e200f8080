use std::path::Path;

use headroom_rules::own::{Act, ForEach, Own};

use crate::config::{Fleet, rules};

const FLEET: &str = r#"
[[node]]
id = "S1"
kind = "substation"
name = "x"
parent = "R"
[[node]]
id = "R"
kind = "region"
name = "x"
[[node]]
id = "F1"
kind = "feeder"
name = "x"
parent = "S1"
[[customer]]
id = "C1"
name = "x"
supplied_by = "F1"
contract_kw = 100
priority = 3
[[terminal]]
id = "T1"
customer = "C1"
address = "127.0.0.1:2404"
common_address = 1
rounds = [{ no = 1, name = "x" }, { no = 2, name = "y" }]
"#;

fn read(text: &str) -> Result<Own, Vec<String>> {
    let fleet = Fleet::parse(Path::new("fleet.toml"), FLEET).unwrap();
    let read = rules::parse(Path::new("rules.toml"), text, Some(&fleet.inventory));
    read.map(|policy| policy.own).map_err(|faults| faults.faults().iter().map(ToString::to_string).collect())
}

fn refused(text: &str) -> Vec<String> {
    read(text).unwrap_err()
}

/// A rule with these lines beside its id and alarm.
fn rule(lines: &str) -> String {
    format!("[[rule]]\nid = \"R1\"\nalarm = {{ text = \"much\" }}\n{lines}\n")
}

#[test]
fn a_rule_is_read_with_what_it_leaves_out() {
    let own = read(&rule("reads = { load = \"node F1 load\" }\nwhen = \"load > 5\"")).unwrap();
    let rule = &own.rules[0];
    assert_eq!((rule.hold.s(), rule.clear.as_deref(), rule.for_each), (0, None, None));
    assert!(matches!(&rule.acts[0], Act::Alarm { text, .. } if text == "much"));
}

#[test]
fn the_packs_that_ship_are_without_fault() {
    let own = read("packs = [\"standard/headroom\", \"standard/supply-quality\"]").unwrap();
    assert_eq!(own.rules.len(), 5);
    assert!(own.rules.iter().any(|rule| rule.for_each == Some(ForEach::Terminal)));
    assert!(refused("packs = \"standard/nothing\"")[0].contains("wanted the path of a pack"));
}

#[test]
fn a_condition_is_refused_with_file_line_and_column() {
    let text = rule("reads = { load = \"node F1 load\" }\nwhen = \"load > lod\"");
    assert_eq!(refused(&text), ["rules.toml:5: rule.when: column 16: Undefined variable: lod"]);
    let text = rule("reads = { load = \"node F1 load\" }\nwhen = \"\"\"\nload > 5 &&\n  lod\"\"\"");
    assert_eq!(refused(&text), ["rules.toml:7: rule.when: column 3: Undefined variable: lod"]);
    let text = rule("reads = { load = \"node F1 load\" }\nwhen = \"load > 5\"\nclear = \"load - 5\"");
    assert_eq!(refused(&text).len(), 1);
    assert!(
        refused(&text)[0].contains("rule.clear = \"load - 5\": gives a number: wanted a condition"),
        "{:?}",
        refused(&text)
    );
    let text = rule("reads = { load = \"node F1 load\" }\nwhen = \"while load > -1 {} true\"");
    assert!(refused(&text)[0].contains("does not end"), "{:?}", refused(&text));
}

#[test]
fn what_is_not_there_is_named() {
    let text = rule("reads = { load = \"node F9 load\", t = \"terminal T-9 cover\" }\nwhen = \"load > 5 && t\"");
    let faults = refused(&text);
    assert!(faults[0].contains("node F9 is not in the fleet") && faults[1].contains("terminal T-9"), "{faults:?}");
    let text = rule("reads = { load = \"feeder F1\" }\nwhen = \"load > 5\"");
    assert!(refused(&text)[0].starts_with("rules.toml:4: rule.reads.load = \"feeder F1\": wanted \"node ID load\""));
    let text = rule("reads = { load = \"node F1 load\", limit = \"node F1 limit\" }\nwhen = \"load > 5\"");
    assert!(refused(&text)[0].contains("limit is not used"));
    let text = rule("reads = { Load = \"node F1 load\" }\nwhen = \"true\"");
    assert!(refused(&text)[0].contains("wanted a name of small letters"));
    assert!(refused(&rule("when = \"true\""))[0].contains("reads"));
}

#[test]
fn a_star_needs_a_for_each_and_a_name_in_the_text_has_to_be_read() {
    let text = rule("reads = { load = \"node * load\" }\nwhen = \"load > 5\"");
    assert!(refused(&text)[0].contains("wanted a for_each that fits"));
    let text = rule("for_each = \"terminal\"\nreads = { load = \"node * load\" }\nwhen = \"load > 5\"");
    assert!(refused(&text)[0].contains("wanted a for_each that fits"));
    let text = "[[rule]]\nid = \"R\"\nreads = { a = \"node F1 load\" }\nwhen = \"a > 1\"\nalarm = { text = \"{b}\" }";
    assert!(refused(text)[0].contains("{b} is not in reads"), "{:?}", refused(text));
}

#[test]
fn packs_are_files_beside_and_their_faults_are_told_at_them() {
    let folder = tempfile::tempdir().unwrap();
    let pack = folder.path().join("mine.toml");
    let main = folder.path().join("rules.toml");
    let text = format!("packs = [\"mine.toml\"]\n{}", rule("reads = { load = \"node F1 load\" }\nwhen = \"load > 5\""));
    std::fs::write(&pack, rule("reads = { load = \"node F1 load\" }\nwhen = \"load > \"")).unwrap();
    let faults = rules::parse(&main, &text, None).unwrap_err().to_string();
    assert!(faults.contains("mine.toml:5: rule.when") && faults.contains("mine.toml:2: rule.id"), "{faults}");
    std::fs::write(&pack, rule("reads = { load = \"node F1 load\" }\nwhen = \"load > 9\"").replace("R1", "R2"))
        .unwrap();
    assert_eq!(rules::parse(&main, &text, None).unwrap().own.rules.len(), 2);
    std::fs::remove_file(&pack).unwrap();
    assert!(rules::parse(&main, &text, None).unwrap_err().to_string().contains("mine.toml: cannot be read"));
}

#[test]
fn an_interlock_names_its_switches_and_its_condition() {
    let lines = "reads = { load = \"node F1 load\" }\nrequire = \"load < 90\"";
    let interlock = |place: &str| format!("[[interlock]]\nid = \"I1\"\n{place}\nbefore = \"restore\"\n{lines}\n");
    let own = read(&interlock("node = \"F1\"")).unwrap();
    assert!(own.interlocks[0].restore && !own.interlocks[0].trip);
    assert!(refused(&interlock("terminal = \"T-9\""))[0].contains("not in the fleet"));
    assert!(refused(&interlock("node = \"F1\"\nround = 1"))[0].contains("wanted a node, or a terminal"));
    assert!(refused(&interlock(""))[0].contains("wanted a node, or a terminal"));
    let number = interlock("node = \"F1\"").replace("load < 90", "load");
    assert!(refused(&number)[0].contains("gives a number: wanted a condition"));
}

#[test]
fn a_rule_may_set_a_limit_or_shed_at_a_node_that_has_a_limit() {
    let limited = "[[limit]]\nnode = \"F1\"\nlimit_kw = 100\n";
    let acts = |acts: &str| {
        let rule = "[[rule]]\nid = \"R\"\nreads = { a = \"node F1 load\" }\nwhen = \"a > 1\"\n";
        format!("{limited}{rule}{acts}\n")
    };
    let own =
        read(&acts("limit = { node = \"F1\", kw = 80 }\nshed = { node = \"F1\", kw = 5, automatic = true }")).unwrap();
    assert!(matches!(own.rules[0].acts.as_slice(), [Act::Limit { .. }, Act::Shed { automatic: true, .. }]));
    assert!(
        refused(&acts("limit = { node = \"S1\", kw = 80 }"))[0]
            .contains("has no limit: wanted a node with a [[limit]]")
    );
    let nothing = refused(&acts("limit = { node = \"F1\", kw = 100 }\nshed = { node = \"F1\", kw = 100 }"));
    let why = "100.0 kW is not below limit_kw of the node, the rating of 100.0 kW: wanted less than that";
    assert_eq!(
        nothing,
        [format!("rules.toml:8: rule.limit.kw = 100: {why}"), format!("rules.toml:9: rule.shed.kw = 100: {why}")]
    );
    assert!(refused(&acts("shed = { kw = 80 }"))[0].contains("node: is missing"));
    assert!(refused(&acts(""))[0].contains("what the rule does"));
}

#[test]
fn what_will_never_have_a_value_is_refused() {
    let reads = |source: &str| rule(&format!("reads = {{ a = \"{source}\" }}\nwhen = \"a > 1\""));
    let limited = "[[limit]]\nnode = \"F1\"\nlimit_kw = 100\n";
    let refused = |source: &str| refused(&format!("{limited}{}", reads(source))).remove(0);
    assert!(refused("terminal T9 active power").ends_with("terminal T9 is not in the fleet: wanted one of its ids"));
    let why = "terminal T1 has no round 3: wanted one of its rounds (1, 2)";
    assert_eq!(
        refused("terminal T1 round 3 power"),
        format!("rules.toml:7: rule.reads.a = \"terminal T1 round 3 power\": {why}")
    );
    assert!(refused("node S1 headroom").ends_with("node S1 has no limit: wanted a node with a [[limit]]"));
    assert!(read(&format!("{limited}{}", reads("terminal T1 round 2 power"))).is_ok());
    assert!(read(&format!("{limited}{}", reads("node F1 limit"))).is_ok());
}

#[test]
fn calculated_points_are_read_in_their_order() {
    let sum = "[[calculated]]\nid = \"SUM\"\nunit = \"kW\"\nsum_below = \"S1\"\n";
    let twice = "[[calculated]]\nid = \"TWICE\"\nreads = { s = \"point SUM\" }\nformula = \"2 * s\"\n";
    let mean = "[[calculated]]\nid = \"DEMAND\"\nmean_of = \"node F1 load\"\nblock = true\n";
    assert_eq!(read(&format!("{sum}{twice}{mean}")).unwrap().calculated.len(), 3);
    assert!(refused(&format!("{twice}{sum}"))[0].contains("there is no point SUM"));
    assert!(refused(&sum.replace("S1", "F1"))[0].contains("has no nodes below it"));
    assert!(refused(&mean.replace("block = true", "window_s = 100"))[0].contains("wanted a multiple of 15"));
    assert!(refused(&mean.replace("F1 load", "F7 load"))[0].contains("node F7 is not in the fleet"));
    assert!(
        refused(&twice.replace("formula = \"2 * s\"", "sum_below = \"S1\"\nformula = \"1\""))[0]
            .contains("wanted one of")
    );
    let flag = twice.replace("point SUM", "node F1 load").replace("2 * s", "s > 1");
    assert!(refused(&flag)[0].contains("gives true or false: wanted a number"));
}
