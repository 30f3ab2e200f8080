//! Point maps that a file names: read along with it, so that a bad one is found before anything starts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use headroom_rules::model::{PointKind, RoundNo};
use headroom_rules::orders::Action;
use headroom_terminals::profile::Profile;

use super::fleet::{STANDARD_PROFILE, profile_file};
use super::reader::Section;

/// The maps of one file, each read once.
#[derive(Default)]
pub(super) struct Maps(RefCell<BTreeMap<PathBuf, Result<Rc<Profile>, String>>>);

impl Maps {
    /// Takes a section's `profile`: its name as written, and the map where it is a sound one.
    pub(super) fn take(&self, section: &Section<'_>, file: &Path) -> (String, Option<Rc<Profile>>) {
        let wanted = "\"standard\", or the path of a point map that exists";
        let name = section.text_or("profile", STANDARD_PROFILE.to_owned(), wanted, |text| {
            let there = profile_file(file, text).is_none_or(|path| path.is_file());
            there.then(|| text.to_owned())
        });
        let map = self.read(profile_file(file, &name).unwrap_or_default());
        match map {
            Ok(map) => (name, Some(map)),
            Err(why) => {
                section.fault("profile", format_args!("{why}: wanted a map as terminals/profiles/standard.toml"));
                (name, None)
            }
        }
    }

    /// An empty path is the map that ships.
    fn read(&self, path: PathBuf) -> Result<Rc<Profile>, String> {
        let mut known = self.0.borrow_mut();
        let map = known.entry(path).or_insert_with_key(|path| {
            if path.as_os_str().is_empty() {
                return Ok(Rc::new(Profile::standard()));
            }
            let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read ({error})"))?;
            Profile::parse(&text).map(Rc::new).map_err(|error| error.to_string())
        });
        map.clone()
    }
}

/// What a round cannot do without in its terminal's map; none when all is there.
pub(super) fn missing_for(round: RoundNo, map: &Profile) -> Option<&'static str> {
    let reported = |kind| map.points().iter().any(|point| point.kind == kind);
    if map.command_address(Action::Trip { round }).is_none() {
        Some("a command")
    } else if !reported(PointKind::RoundPosition(round)) {
        Some("a point for its position")
    } else {
        None
    }
}
