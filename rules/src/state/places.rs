//! Things by name, found fast and kept in the order of their names.
//!
//! A sorted vector, and beside it a table that says where in it a name stands. The names settle with the inventory and with
//! the rules; a reading finds its terminal once by the table, and goes on from place to place.
//!
//! **Invariant:** the table is asked and never iterated, and it follows from the names alone, so replays compare equal.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::num::NonZeroU32;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{NodeId, TerminalId};

/// What things are found by.
pub(crate) trait Name: Copy + Ord {
    /// All of the name; different for different names.
    fn bits(&self) -> u128;
}

impl Name for NodeId {
    fn bits(&self) -> u128 {
        self.code_bits()
    }
}

impl Name for TerminalId {
    fn bits(&self) -> u128 {
        self.code_bits()
    }
}

/// Where in [`Places`] something stands. It holds for as long as the names do.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place<K> {
    /// From 1 on.
    number: NonZeroU32,
    of: PhantomData<fn() -> K>,
}

impl<K> Clone for Place<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Place<K> {}

impl<K> Place<K> {
    fn new(index: usize) -> Option<Self> {
        let number = u32::try_from(index).ok()?.checked_add(1).and_then(NonZeroU32::new)?;
        Some(Self { number, of: PhantomData })
    }

    /// From 0 on.
    pub(crate) const fn index(self) -> usize {
        self.number.get() as usize - 1
    }
}

/// Begins where a cache line does: a value is then on as few of them as can be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[repr(align(64))]
struct Entry<K, V> {
    name: K,
    value: V,
}

/// Values by name. Built from all of them at once; serializes as a map.
#[derive(Clone, Debug)]
pub(crate) struct Places<K, V> {
    /// In the order of their names.
    entries: Vec<Entry<K, V>>,
    table: Table,
}

impl<K, V> Default for Places<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new(), table: Table::default() }
    }
}

impl<K: Name, V> Places<K, V> {
    /// Where a name stands.
    pub(crate) fn place(&self, name: &K) -> Option<Place<K>> {
        let is_it = |index: usize| self.entries.get(index).is_some_and(|entry| entry.name == *name);
        self.table.find(hash(name.bits()), is_it).and_then(Place::new)
    }

    /// Looks where a search for a name begins, so that it is near when it does. The number says nothing.
    pub(crate) fn touch(&self, name: &K) -> u32 {
        self.table.slots.get(self.table.begin(hash(name.bits()))).copied().unwrap_or_default()
    }

    pub(crate) fn at(&self, place: Place<K>) -> Option<&V> {
        self.entries.get(place.index()).map(|entry| &entry.value)
    }

    pub(crate) fn at_mut(&mut self, place: Place<K>) -> Option<&mut V> {
        self.entries.get_mut(place.index()).map(|entry| &mut entry.value)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// In order.
    pub(crate) fn placed_mut(&mut self) -> impl Iterator<Item = (Place<K>, &mut V)> {
        self.entries.iter_mut().enumerate().filter_map(|(index, entry)| Some((Place::new(index)?, &mut entry.value)))
    }

    /// What stands there, and its name.
    pub(crate) fn named(&self, place: Place<K>) -> Option<(K, &V)> {
        self.entries.get(place.index()).map(|entry| (entry.name, &entry.value))
    }

    /// What stands at a place that was found among the same names in other places; nothing where another name stands there.
    pub(crate) fn same_at_mut(&mut self, place: Place<K>, name: &K) -> Option<&mut V> {
        self.entries.get_mut(place.index()).filter(|entry| entry.name == *name).map(|entry| &mut entry.value)
    }

    pub(crate) fn name(&self, place: Place<K>) -> Option<K> {
        self.entries.get(place.index()).map(|entry| entry.name)
    }

    pub(crate) fn get(&self, name: &K) -> Option<&V> {
        self.at(self.place(name)?)
    }

    pub(crate) fn get_mut(&mut self, name: &K) -> Option<&mut V> {
        self.at_mut(self.place(name)?)
    }

    pub(crate) fn contains_key(&self, name: &K) -> bool {
        self.place(name).is_some()
    }

    /// In order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.entries.iter().map(|entry| &entry.name)
    }

    /// In the order of the names.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|entry| &entry.value)
    }

    /// In the order of the names.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|entry| &mut entry.value)
    }

    /// In the order of the names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|entry| (&entry.name, &entry.value))
    }

    /// In the order of the names.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.entries.iter_mut().map(|entry| (&entry.name, &mut entry.value))
    }

    /// Other names, each with what it had or else what `fresh` makes; what had another name is let go.
    pub(crate) fn settle(&mut self, names: impl Iterator<Item = K>, mut fresh: impl FnMut(K) -> V) {
        let mut before: BTreeMap<K, V> =
            std::mem::take(&mut self.entries).into_iter().map(|entry| (entry.name, entry.value)).collect();
        *self = names.map(|name| (name, before.remove(&name).unwrap_or_else(|| fresh(name)))).collect();
    }
}

/// Of two values with one name the later one counts, as in a map.
impl<K: Name, V> FromIterator<(K, V)> for Places<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(values: I) -> Self {
        let ordered: BTreeMap<K, V> = values.into_iter().collect();
        let entries: Vec<Entry<K, V>> = ordered.into_iter().map(|(name, value)| Entry { name, value }).collect();
        let table = Table::new(entries.iter().map(|entry| hash(entry.name.bits())));
        Self { entries, table }
    }
}

impl<K: Name + Serialize, V: Serialize> Serialize for Places<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, K: Name + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Places<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::<K, V>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// Two odd constants of many bits (the golden ratio, and pi).
const MIX: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0x243f_6a88_85a3_08d3];

/// A product whose halves are folded: each bit of the name moves all bits above and below.
#[allow(clippy::cast_possible_truncation, reason = "halves are taken")]
const fn hash(bits: u128) -> u64 {
    let (high, low) = ((bits >> 64) as u64, bits as u64);
    let product = (high ^ MIX[0]) as u128 * (low ^ MIX[1]) as u128;
    let folded = (product >> 64) as u64 ^ product as u64;
    folded.wrapping_mul(MIX[0])
}

/// Where names stand, by their hash: open addressing, at most half full. Beside the index a slot holds as much of the hash
/// as there is room for, so that a foreign entry is hardly ever looked at.
#[derive(Clone, Debug, Default)]
struct Table {
    /// 0 is empty; else the index from 1 on in the lower bits, and bits of the hash above them. As many as a power of two.
    slots: Vec<u32>,
    /// The bits of a slot that are the index.
    index_mask: u32,
    /// A hash shifted right by so much is where the search begins.
    shift: u32,
}

impl Table {
    fn new(hashes: impl ExactSizeIterator<Item = u64>) -> Self {
        let count = hashes.len();
        let Ok(last) = u32::try_from(count) else { return Self::default() };
        let size = (count * 2).next_power_of_two().max(2);
        let index_mask = u32::MAX.checked_shr(last.leading_zeros()).unwrap_or(0);
        let mut table = Self { slots: vec![0; size], index_mask, shift: u64::BITS - size.trailing_zeros() };
        for (hash, number) in hashes.zip(1..) {
            let mut at = table.begin(hash);
            while table.slots.get(at).is_some_and(|slot| *slot != 0) {
                at = (at + 1) & (size - 1);
            }
            let tag = table.tag(hash);
            if let Some(slot) = table.slots.get_mut(at) {
                *slot = tag | number;
            }
        }
        table
    }

    #[allow(clippy::cast_possible_truncation, reason = "below the number of slots")]
    const fn begin(&self, hash: u64) -> usize {
        (hash >> self.shift) as usize
    }

    /// The lower bits of the hash: the search begins by the upper ones.
    #[allow(clippy::cast_possible_truncation, reason = "the lower half is taken")]
    const fn tag(&self, hash: u64) -> u32 {
        hash as u32 & !self.index_mask
    }

    fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let tag = self.tag(hash);
        let last = self.slots.len().checked_sub(1)?;
        let mut at = self.begin(hash);
        loop {
            let slot = *self.slots.get(at)?;
            if slot == 0 {
                return None;
            }
            let index = (slot & self.index_mask) as usize - 1;
            if slot & !self.index_mask == tag && is_it(index) {
                return Some(index);
            }
            at = (at + 1) & last;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places(names: &[String]) -> Places<TerminalId, String> {
        names.iter().map(|name| (name.parse().unwrap(), name.clone())).collect()
    }

    proptest! {
        #[test]
        fn a_name_is_found_where_it_stands_and_no_other_is(
            names in proptest::collection::vec("[A-C0-9]{1,3}", 0..200),
            others in proptest::collection::vec("[A-C0-9]{1,3}", 0..50),
        ) {
            let places = places(&names);
            let map: BTreeMap<TerminalId, String> = names.iter().map(|n| (n.parse().unwrap(), n.clone())).collect();
            prop_assert!(places.iter().eq(map.iter()), "in the order of a map");
            for name in names.iter().chain(&others) {
                let id: TerminalId = name.parse().unwrap();
                prop_assert_eq!(places.get(&id), map.get(&id));
                if let Some(place) = places.place(&id) {
                    prop_assert_eq!(places.name(place), Some(id));
                }
            }
        }
    }

    #[test]
    fn names_that_count_up_are_spread_over_the_table() {
        let ids: Vec<TerminalId> = (0..100_000).map(|n| format!("T-{n:06}").parse().unwrap()).collect();
        let table = Table::new(ids.iter().map(|id| hash(id.bits())));
        let mut steps = 0;
        for id in &ids {
            let mut at = table.begin(hash(id.bits()));
            let tag = table.tag(hash(id.bits()));
            while table.slots[at] & !table.index_mask != tag {
                at = (at + 1) & (table.slots.len() - 1);
                steps += 1;
            }
        }
        assert!(steps < ids.len(), "{steps} steps beside the way");
    }

    #[test]
    fn places_are_a_map_in_a_snapshot() {
        let places = places(&["T2".into(), "T10".into(), "T1".into()]);
        let text = serde_json::to_string(&places).unwrap();
        assert_eq!(text, r#"{"T1":"T1","T10":"T10","T2":"T2"}"#);
        let back: Places<TerminalId, String> = serde_json::from_str(&text).unwrap();
        assert!(back.iter().eq(places.iter()));
    }

    #[test]
    fn what_settles_keeps_what_had_the_same_name() {
        let mut places = places(&["A".into(), "B".into()]);
        let names = ["B", "C"].map(|name| name.parse().unwrap());
        places.settle(names.into_iter(), |name| format!("new {name}"));
        assert_eq!(places.values().map(String::as_str).collect::<Vec<_>>(), ["B", "new C"]);
        assert_eq!(places.get(&"A".parse().unwrap()), None);
    }
}
