//! `headroom sim --story`: a story of a fleet and its centre, told line by line.

use std::path::Path;

use anyhow::Context as _;
use headroom_sim::story::Story;

use super::say;

/// Tells a story that ships, or that of a file.
///
/// # Errors
/// When there is none, its file has faults, or it does not come as it says: each expectation that was not met.
pub fn run(name: &str) -> anyhow::Result<()> {
    let file = Path::new(name);
    let story = if Story::NAMES.contains(&name) {
        Story::named(name)?
    } else if file.is_file() {
        let text = std::fs::read_to_string(file).with_context(|| format!("{name}: cannot be read"))?;
        Story::parse(&text).with_context(|| name.to_owned())?
    } else {
        // Says which there are.
        Story::named(name)?
    };
    say(&format!("{}\n\n", story.scenario.about));
    let unmet = story.tell(&mut |line| say(&format!("{line}\n")))?;
    if unmet.is_empty() {
        say(&format!("\nas it has to be: {} expectations\n", story.expects.len()));
        return Ok(());
    }
    let unmet: Vec<String> = unmet.iter().map(|unmet| format!("- {unmet}")).collect();
    anyhow::bail!("the story does not come as it says:\n{}", unmet.join("\n"))
}
