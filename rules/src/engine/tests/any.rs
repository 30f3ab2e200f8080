//! Things that random tests draw from.

use proptest::prelude::*;

use crate::orders::{NotSent, Outcome, Step};

fn any_step() -> impl Strategy<Value = Step> {
    proptest::sample::select(vec![Step::Select, Step::Execute, Step::Cancel, Step::ReadBack])
}

pub(super) fn any_outcome() -> impl Strategy<Value = Outcome> {
    let not_sent = proptest::sample::select(vec![
        NotSent::NoLink,
        NotSent::Expired,
        NotSent::Busy,
        NotSent::NotSelected,
        NotSent::NoPoint,
        NotSent::Stopping,
    ]);
    prop_oneof![
        6 => any_step().prop_map(Outcome::Confirmed),
        1 => (any_step(), any::<u8>()).prop_map(|(step, cause)| Outcome::Refused { step, cause }),
        1 => Just(Outcome::Terminated),
        1 => any_step().prop_map(Outcome::TimedOut),
        1 => any_step().prop_map(Outcome::LinkLost),
        1 => (any_step(), not_sent).prop_map(|(step, why)| Outcome::NotSent { step, why }),
    ]
}
