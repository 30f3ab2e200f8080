//! What users' own rules do besides alarms, and calculated points.

use super::fleet::Centre;
use super::own::{id, rule, with};
use crate::expression::Value;
use crate::input::Request;
use crate::model::{NodeId, Power, TerminalId};
use crate::output::{CalculatedMinute, Happening, Output, Refusal};
use crate::own::{Act, Calculated, Formula, Own, ProposalId, Rule};
use crate::policy::Policy;
use crate::testing::{Site, kw, node, s, site, terminal};

/// T1 to T3 draw 30 kW each, 20 of them behind a switch; F 90 kW.
fn sites() -> Vec<Site> {
    vec![site("T1", "A1", &[20]).class(5), site("T2", "A1", &[20]).class(4), site("T3", "A2", &[20])]
}

fn draw(centre: &mut Centre, id: &str, base_kw: i32) {
    centre.plants.get_mut(&terminal(id)).unwrap().site.base = kw(base_kw);
}

/// Begins when A2 draws more than 60 kW, ends when it draws less than 40 again.
fn when_a2_is_high(act: Act) -> Rule {
    let reads = [("load", "node A2 load")];
    Rule { acts: vec![act], clear: Some("load < 40".into()), ..rule("A2-HIGH", &reads, "load > 60") }
}

fn limit_of(centre: &Centre) -> Option<Power> {
    centre.node("F").limit
}

fn told(centre: &Centre, what: &str) -> usize {
    centre.events().filter(|event| event.to_string().contains(what)).count()
}

#[test]
fn a_limit_of_a_rule_is_in_force_while_the_rule_stands_and_given_back_after() {
    let act = Act::Limit { node: Some(node("F")), limit: kw(110) };
    let mut centre = Centre::new(with(vec![when_a2_is_high(act)]), &sites());
    centre.run(10);
    assert_eq!(limit_of(&centre), Some(kw(1_000)));
    draw(&mut centre, "T3", 45);
    centre.run(5);
    assert_eq!(limit_of(&centre), Some(kw(110)));
    assert!(centre.run_until(60, |centre| centre.off() > 0), "125 kW are above it");
    let by_plan = |event: &Happening| matches!(event, Happening::Planned { .. });
    assert!(centre.events().any(by_plan), "by planner and checker, as any other limit");
    draw(&mut centre, "T3", 10);
    centre.run(10);
    assert_eq!(limit_of(&centre), Some(kw(1_000)));
}

#[test]
fn a_rule_cannot_raise_a_limit() {
    let act = Act::Limit { node: Some(node("F")), limit: kw(5_000) };
    let mut centre = Centre::new(with(vec![when_a2_is_high(act)]), &sites());
    draw(&mut centre, "T3", 45);
    centre.run(10);
    assert_eq!(limit_of(&centre), Some(kw(1_000)));
}

#[test]
fn a_limit_below_what_may_not_be_shed_is_refused_and_told() {
    let act = Act::Limit { node: Some(node("F")), limit: kw(20) };
    let sites = [site("T1", "A1", &[20]).guaranteed(), site("T3", "A2", &[20])];
    let mut centre = Centre::new(with(vec![when_a2_is_high(act)]), &sites);
    draw(&mut centre, "T3", 45);
    centre.run(10);
    assert_eq!(limit_of(&centre), Some(kw(1_000)));
    assert_eq!(told(&centre, "does not get it: a limit of 20.0 kW is below the 30.0 kW that may not be shed"), 1);
}

#[test]
fn a_rule_that_sheds_takes_so_much_off_the_load_of_that_instant() {
    let act = Act::Shed { node: Some(node("F")), power: kw(20), automatic: true };
    let mut centre = Centre::new(with(vec![when_a2_is_high(act)]), &sites());
    draw(&mut centre, "T3", 45);
    centre.run(5);
    assert_eq!(limit_of(&centre), Some(kw(105)), "125 kW less 20 kW");
    centre.run(60);
    assert!(centre.off() >= 1 && centre.node("F").load.power().unwrap() <= kw(105));
}

#[test]
fn stopped_is_stopped_for_rules_own_acts_which_wait_for_the_resumption() {
    let act = Act::Shed { node: Some(node("F")), power: kw(20), automatic: true };
    let mut centre = Centre::new(with(vec![when_a2_is_high(act)]), &sites());
    centre.ask("wang", Request::StopAutomatic { reason: String::new() }).unwrap();
    draw(&mut centre, "T3", 45);
    centre.run(60);
    assert_eq!((limit_of(&centre), centre.off()), (Some(kw(1_000)), 0));
    centre.ask("wang", Request::ResumeAutomatic { reason: String::new() }).unwrap();
    centre.run(60);
    assert_eq!(limit_of(&centre), Some(kw(105)));
    assert!(centre.off() >= 1);
}

#[test]
fn a_proposal_does_nothing_until_a_person_approves_it() {
    let act = Act::Shed { node: Some(node("F")), power: kw(20), automatic: false };
    let mut centre = Centre::new(with(vec![when_a2_is_high(act)]), &sites());
    draw(&mut centre, "T3", 45);
    centre.run(60);
    let proposals = centre.engine.view().proposals;
    assert_eq!((proposals.len(), proposals[0].node, proposals[0].power), (1, node("F"), kw(20)));
    assert_eq!((limit_of(&centre), centre.off()), (Some(kw(1_000)), 0));
    let proposal = proposals[0].id;
    let decide = |approve| Request::DecideProposal { proposal, approve, reason: "peak".into() };
    centre.ask("wang", decide(true)).unwrap();
    assert_eq!(limit_of(&centre), Some(kw(105)));
    assert_eq!(centre.engine.view().proposals, []);
    assert_eq!(centre.ask("li", decide(true)), Err(Refusal::UnknownProposal { proposal }));
    assert_eq!(told(&centre, "proposal P1 to take 20.0 kW off approved by wang: peak"), 1);
    centre.run(60);
    assert!(centre.off() >= 1);
}

#[test]
fn a_proposal_is_declined_or_lapses_with_its_rule() {
    let act = Act::Shed { node: Some(node("F")), power: kw(20), automatic: false };
    let mut centre = Centre::new(with(vec![when_a2_is_high(act)]), &sites());
    draw(&mut centre, "T3", 45);
    centre.run(5);
    let proposal = ProposalId(1);
    centre.ask("wang", Request::DecideProposal { proposal, approve: false, reason: String::new() }).unwrap();
    assert_eq!((centre.engine.view().proposals.len(), limit_of(&centre)), (0, Some(kw(1_000))));
    draw(&mut centre, "T3", 10);
    centre.run(5);
    draw(&mut centre, "T3", 45);
    centre.run(5);
    assert_eq!(centre.engine.view().proposals.len(), 1);
    draw(&mut centre, "T3", 10);
    centre.run(5);
    assert_eq!((centre.engine.view().proposals.len(), told(&centre, "proposal P2 lapsed")), (0, 1));
}

#[test]
fn rules_that_are_loaded_anew_put_their_new_limit_in_force() {
    let act = |limit_kw| Act::Limit { node: Some(node("F")), limit: kw(limit_kw) };
    let mut centre = Centre::new(with(vec![when_a2_is_high(act(500))]), &sites());
    draw(&mut centre, "T3", 45);
    centre.run(5);
    centre.set_policy(with(vec![when_a2_is_high(act(500))]));
    assert_eq!(limit_of(&centre), Some(kw(500)), "the same rule goes on");
    centre.set_policy(with(vec![when_a2_is_high(act(400))]));
    centre.run(2);
    assert_eq!(limit_of(&centre), Some(kw(400)));
    centre.set_policy(with(vec![]));
    assert_eq!(limit_of(&centre), Some(kw(1_000)));
}

fn points(calculated: Vec<(&str, Formula)>, rules: Vec<Rule>) -> Policy {
    let one = |(of, formula): (&str, Formula)| Calculated { id: id(of), unit: "kW".into(), formula };
    let calculated = calculated.into_iter().map(one).collect();
    let policy = with(vec![]);
    Policy { own: Own { calculated, rules, ..Own::default() }, ..policy }
}

fn text(reads: &[(&str, &str)], text: &str) -> Formula {
    let reads = reads.iter().map(|(name, source)| ((*name).to_owned(), source.parse().unwrap()));
    Formula::Text { reads: reads.collect(), text: text.into() }
}

fn value(centre: &Centre, of: &str) -> Result<Power, String> {
    let points = centre.engine.view().calculated;
    let point = points.into_iter().find(|point| point.id == id(of)).unwrap();
    match point.value {
        Some(Value::Number(value)) => Ok(Power::new(value)),
        _ => Err(point.why.unwrap()),
    }
}

#[test]
fn points_are_reckoned_of_values_and_of_points_before_them_and_read_by_rules() {
    let area = |area: NodeId| format!("node {area} load");
    let (a1, a2) = (area(node("A1")), area(node("A2")));
    let reads = [("a", a1.as_str()), ("b", a2.as_str())];
    let calculated = vec![
        ("DIFF", text(&reads, "a - b")),
        ("TWICE", text(&[("d", "point DIFF")], "2 * d")),
        ("SUM", Formula::SumBelow { node: node("F") }),
        ("TOP", Formula::HighestBelow { node: node("F") }),
    ];
    let reader = rule("READS", &[("load", "point TWICE")], "load > 50");
    let mut centre = Centre::new(points(calculated, vec![reader]), &sites());
    centre.run(5);
    let all = ["DIFF", "TWICE", "SUM", "TOP"].map(|of| value(&centre, of).unwrap());
    assert_eq!(all, [kw(30), kw(60), kw(90), kw(60)]);
    assert_eq!(told(&centre, "rule READS: load 60.0"), 1);
    // One part that is not known leaves nothing of it known (`quality-kept`).
    let silent: TerminalId = terminal("T3");
    centre.plants.get_mut(&silent).unwrap().reports = false;
    centre.run(100);
    let all = ["DIFF", "TWICE", "SUM", "TOP"].map(|of| value(&centre, of).unwrap_err());
    assert_eq!(all[0], "node A2 load is not known from good and fresh readings");
    assert_eq!(all[1], "point DIFF is not known");
}

#[test]
fn a_point_has_a_curve_of_the_minutes_in_which_it_was_known() {
    let double = text(&[("load", "node A2 load")], "2 * load");
    let mut centre = Centre::new(points(vec![("TWICE", double)], vec![]), &sites());
    let minutes = |centre: &Centre| -> Vec<CalculatedMinute> {
        let each = |(_, output): &(_, Output)| match output {
            Output::Calculated(minute) => Some(*minute),
            _ => None,
        };
        centre.outputs.iter().filter_map(each).collect()
    };
    let left = 60 - centre.now.get().rem_euclid(60_000) / 1_000;
    centre.run(left + 60);
    let whole = *minutes(&centre).last().unwrap();
    assert_eq!((whole.point, whole.known), (id("TWICE"), s(60)));
    assert_eq!((whole.min, whole.mean, whole.max, whole.last), (60_000, 60_000, 60_000, 60_000));
    // From 30 to 60 kW in the middle of a minute.
    centre.run(30);
    draw(&mut centre, "T3", 40);
    centre.run(30);
    let moved = *minutes(&centre).last().unwrap();
    assert_eq!(moved.from, whole.from.after(s(60)));
    assert_eq!((moved.min, moved.max, moved.last), (60_000, 120_000, 120_000));
    assert!((87_000..=91_000).contains(&moved.mean), "{moved:?}");
    centre.plants.get_mut(&terminal("T3")).unwrap().reports = false;
    centre.run(300);
    let known: i64 = minutes(&centre).iter().filter(|minute| minute.from > moved.from).map(|it| it.known.s()).sum();
    assert!((58..=62).contains(&known), "a power is good for a minute: {known}");
}

#[test]
fn a_demand_is_the_mean_of_its_window_block_by_block_or_sliding() {
    let mean = |block| Formula::Mean { of: "node A2 load".parse().unwrap(), window: s(900), block };
    let mut centre = Centre::new(points(vec![("BLOCK", mean(true)), ("SLIDE", mean(false))], vec![]), &sites());
    centre.run(600);
    assert!(value(&centre, "SLIDE").unwrap_err().contains("was not known for nine tenths of the last 15 min"));
    // To a quarter's end, then one whole quarter at 30 kW.
    let into = |centre: &Centre| centre.now.get().rem_euclid(900_000) / 1_000;
    centre.run(900 - into(&centre) + 900);
    assert_eq!((value(&centre, "BLOCK"), value(&centre, "SLIDE")), (Ok(kw(30)), Ok(kw(30))));
    draw(&mut centre, "T3", 40);
    centre.run(450 + 60);
    assert_eq!(value(&centre, "BLOCK"), Ok(kw(30)), "its quarter is not over");
    let slid = value(&centre, "SLIDE").unwrap();
    assert!((kw(44)..=kw(47)).contains(&slid), "half of the window at 60 kW: {slid}");
    centre.run(900 - into(&centre) + 2);
    let block = value(&centre, "BLOCK").unwrap();
    assert!((kw(59)..=kw(60)).contains(&block), "{block}");
    // A tenth and more that nobody knows makes it unknown.
    centre.plants.get_mut(&terminal("T3")).unwrap().reports = false;
    centre.run(400);
    assert!(value(&centre, "SLIDE").is_err() && value(&centre, "BLOCK").is_ok());
}
