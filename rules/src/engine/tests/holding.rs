//! What operators are told of a restoration.

use super::fleet::Centre;
use crate::input::Request;
use crate::policy::LimitRule;
use crate::restoration::{Hold, Restoration};
use crate::testing::{kw, limit, policy, round, s, site, terminal};

/// F with three rounds off for a moment, and room for none of them.
fn shed() -> Centre {
    let sites = [
        site("T1", "A1", &[20]).class(5),
        site("T2", "A1", &[20]).class(4),
        site("T3", "A2", &[20]).class(4),
        site("T4", "A2", &[]).base(20),
    ];
    let rule = LimitRule { restore_spread: s(20), off_time_min: s(90), ..limit("F", 150) };
    let mut centre = Centre::new(policy(vec![rule]), &sites);
    centre.base("T4", 100);
    assert!(centre.run_until(100, |centre| centre.off() == 3));
    centre
}

fn restoration(centre: &Centre) -> Restoration {
    centre.node("F").restoration.unwrap()
}

#[test]
fn each_reason_for_which_nothing_returns_is_shown_while_it_holds() {
    let mut centre = shed();
    centre.run(40);
    let told = restoration(&centre);
    assert!(matches!(told.hold, Some(Hold::NotCalm { load, .. }) if load == kw(130)), "{:?}", told.hold);
    assert_eq!((told.off, told.back, told.power), (3, 0, kw(90)));
    assert_eq!(told.next[0].class, Some(4), "the most important first");
    centre.base("T4", 20);
    centre.run(4);
    assert!(matches!(restoration(&centre).hold, Some(Hold::Calm { .. })));
    assert!(centre.run_until(60, |centre| matches!(restoration(centre).hold, Some(Hold::OffTime { .. }))));
    centre.ask("wang", Request::StopAutomatic { reason: String::new() }).unwrap();
    assert_eq!(restoration(&centre).hold, Some(Hold::Stopped));
    centre.ask("wang", Request::ResumeAutomatic { reason: String::new() }).unwrap();
    for id in ["T1", "T2", "T3"] {
        centre.link(id, false);
    }
    centre.head = true;
    assert!(centre.run_until(90, |centre| matches!(restoration(centre).hold, Some(Hold::NotReady { .. }))));
    for id in ["T1", "T2", "T3"] {
        centre.link(id, true);
    }
    assert!(centre.run_until(60, |centre| matches!(restoration(centre).hold, Some(Hold::Promised { .. }))));
    let told = restoration(&centre);
    assert!(told.next.iter().any(|next| next.promised.is_some()));
    let Some(hold) = told.hold else { panic!("there is one") };
    assert!(hold.told(centre.now).contains("the next in"), "{}", hold.told(centre.now));
    assert!(centre.run_until(60, |centre| matches!(restoration(centre).hold, Some(Hold::UnderWay { .. }))));
    assert!(centre.run_until(60, |centre| matches!(restoration(centre).hold, Some(Hold::NextStage { .. }))));
    assert_eq!((restoration(&centre).stage, restoration(&centre).back), (1, 1));
    // The next stage finds no room.
    centre.base("T4", 75);
    assert!(centre.run_until(60, |centre| matches!(restoration(centre).hold, Some(Hold::NoRoom { .. }))));
    centre.base("T4", 20);
    assert!(centre.run_until(300, |centre| centre.off() == 0));
    centre.run(3);
    assert_eq!(centre.node("F").restoration, None);
}

#[test]
fn a_terminals_rounds_show_what_they_are_expected_to_come_back_with() {
    let mut centre = shed();
    centre.cold_percent = 200;
    centre.cold_s = 200;
    centre.base("T4", 0);
    assert!(centre.run_until(400, |centre| centre.off() == 0));
    centre.run(150);
    let of_t3 = centre.engine.terminal(terminal("T3")).unwrap().summary.rounds;
    let known = of_t3.iter().find(|view| view.round == round(1)).unwrap().cold_load;
    assert!(known.is_some_and(|known| known.percent == 175 && known.returns == 1), "{known:?}");
}
