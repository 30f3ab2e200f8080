//! The stories that ship, and what a story's file may say.

use super::*;

fn unmet(name: &str) -> Vec<Unmet> {
    let mut lines = Vec::new();
    let unmet = Story::named(name).unwrap().tell(&mut |line| lines.push(line.to_string())).unwrap();
    eprintln!("{name}\n{}", lines.join("\n"));
    unmet
}

#[test]
fn every_story_that_ships_comes_as_it_says() {
    let amiss: Vec<_> =
        Story::NAMES.into_iter().flat_map(|name| unmet(name).into_iter().map(move |u| (name, u))).collect();
    assert_eq!(amiss, []);
}

/// A quiet story with something of its own.
fn parse(more: &str) -> Result<Story, StoryError> {
    let quiet = include_str!("../../scenarios/quiet.toml");
    Story::parse(&format!("{quiet}\n[story]\nterminals = 3\nseed = 1\nminutes = 1\n{more}"))
}

fn told(more: &str) -> Vec<String> {
    let unmet = parse(more).unwrap().tell(&mut |_| {}).unwrap();
    unmet.iter().map(ToString::to_string).collect()
}

#[test]
fn what_does_not_come_as_the_story_says_is_told() {
    assert_eq!(told("[[expect]]\nline = \"*\"\ntimes = 0"), [""; 0]);
    let unmet = told(
        "off_at_end = 1\n[[act]]\nwhen = \"never\"\ndo = \"stop_automatic\"\nby = \"li\"\n\n[[expect]]\nline = \"F01: plan*\"\nby = \"0:30\"",
    );
    let [expectation, cue, off] = &unmet[..] else { panic!("{unmet:?}") };
    assert_eq!(expectation, "\"F01: plan*\" from 0 s to 30 s: did not come");
    assert!(cue.starts_with("the cue \"never\""), "{cue}");
    assert_eq!(off, "0 rounds are off at the end: wanted 1");
    let once = "[[act]]\nat = \"0:10\"\ndo = \"stop_automatic\"\nby = \"li\"\n[[expect]]\nline = \"li stops * control: done\"\ntimes = 2";
    assert_eq!(told(once), ["\"li stops * control: done\" from 0 s to 1 min: wanted 2 times, came 1 times"]);
}

#[test]
fn a_story_that_cannot_be_told_is_refused_whole() {
    let expect = "[[expect]]\nline = \"*\"\n";
    for (more, says) in [
        ("", "an expectation is missing"),
        ("[[expect]]\nline = \"*\"\nby = \"soon\"", "by = \"soon\": wanted minutes and seconds"),
        ("[[act]]\ndo = \"stop_automatic\"\nby = \"li\"", "act 1: wanted one of at"),
        ("[[act]]\nat = \"0:1\"\ndo = \"pray\"", "act 1"),
        ("[[act]]\nat = \"0:1\"\ndo = \"stop_automatic\"\nby = \"li\"\nwhy = 3", "act 1"),
        ("heroes = 3", "not readable"),
    ] {
        let error = parse(&format!("{more}\n{}", if more.is_empty() { "" } else { expect })).unwrap_err();
        assert!(error.to_string().contains(says), "{more}: {error}");
    }
    let nobody = format!("{expect}[[act]]\nat = \"0:1\"\ndo = \"cut_link\"\nterminal = \"T-9\"");
    let error = parse(&nobody).unwrap().tell(&mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "story: terminal T-9 is not in its fleet");
}
