//! Objects that came on a lost link and come again on the next one, for their acknowledgement was lost. No I/O.

use std::collections::{BTreeMap, VecDeque};

use headroom_rules::model::{Quality, Timestamp};

use crate::iec104::asdu::{Object, Value};

/// Time-tagged objects of one link that are remembered: 85 for each APDU that a station with k = 12 may have sent.
const REMEMBERED_MAX: usize = 1_024;

/// Takes an object with a time of its own once, also when another link brings it again. Without a time it cannot be told
/// from one that only looks the same, and is taken each time.
#[derive(Debug, Default)]
pub(super) struct Once {
    /// Of the link that transfers.
    recent: VecDeque<Object>,
    /// Of the link before.
    before: BTreeMap<(u16, u32, Timestamp), (Value, Quality)>,
}

impl Once {
    /// The link that transferred is lost.
    pub(super) fn lost(&mut self) {
        let keyed =
            |object: Object| Some(((object.common_address, object.ioa, object.time?), (object.value, object.quality)));
        // Of several links in a row that were lost, what each of them brought may come again.
        if self.before.len() + self.recent.len() > REMEMBERED_MAX {
            self.before.clear();
        }
        self.before.extend(self.recent.drain(..).filter_map(keyed));
    }

    /// Leaves those that did not come before.
    pub(super) fn take(&mut self, objects: &mut Vec<Object>) {
        for object in objects.iter().filter(|object| object.time.is_some()) {
            if self.recent.len() == REMEMBERED_MAX {
                self.recent.pop_front();
            }
            self.recent.push_back(*object);
        }
        objects.retain(|object| {
            let Some(time) = object.time else { return true };
            let key = (object.common_address, object.ioa, time);
            let again = self.before.get(&key).is_some_and(|&known| known == (object.value, object.quality));
            if again {
                self.before.remove(&key);
            }
            !again
        });
    }
}
