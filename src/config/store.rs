//! `[store]`: where the store is, and how long it keeps what.

use std::path::Path;

use headroom_rules::model::Span;

use super::reader::Section;
use crate::store::{Place, Server, ServerUrl, StoreSettings};

const DAYS: &str = "whole number of days";
const DAYS_MAX: i64 = 36_600;

fn days(days: u32) -> Span {
    Span::from_s(i64::from(days) * 86_400)
}

/// Reads the section, if there is one, and what stands beside it.
pub(super) fn take(top: &Section<'_>, folder: &Path) -> StoreSettings {
    let default = StoreSettings::default();
    let default_days = |span: Span| u32::try_from(span.s() / 86_400).unwrap_or(u32::MAX);
    let readings = top.int_or("readings_keep_days", default_days(default.readings_keep), DAYS, 1..=3_660);
    let readings_keep = days(readings);
    // Whoever keeps readings for longer keeps what is made of them at least as long.
    let settings = StoreSettings {
        readings_keep,
        minutes_keep: default.minutes_keep.max(readings_keep),
        rollups_keep: default.rollups_keep.max(readings_keep),
        ..default
    };
    let Some(section) = top.section("store") else { return settings };
    let url = section.has("url").then(|| {
        let server = |text: &str| text.parse::<ServerUrl>().ok();
        section.secret("url", &crate::store::UrlError.to_string(), server)
    });
    let password_file =
        section.text_or("password_file", None, "a path", |text| (!text.is_empty()).then(|| Some(folder.join(text))));
    if password_file.is_some() && url.is_none() {
        section.fault("password_file", "without a server: wanted url beside it");
    }
    if password_file.is_some() && url.iter().flatten().any(ServerUrl::has_password) {
        section.fault("password_file", "beside a password in url: wanted one of them");
    }
    let place = match url.flatten() {
        Some(url) => Place::Server(Server { url, password_file }),
        None => Place::Folder,
    };
    let keep = |key, default: Span| days(section.int_or(key, default_days(default), DAYS, 1..=DAYS_MAX));
    let seconds = "whole number of seconds";
    let hours = "whole number of hours";
    let hour = |hours: u32| Span::from_s(i64::from(hours) * 3_600);
    let settings = StoreSettings {
        place,
        minutes_keep: keep("minutes_keep_days", settings.minutes_keep),
        rollups_keep: keep("rollups_keep_days", settings.rollups_keep),
        events_keep: keep("events_keep_days", settings.events_keep),
        ahead_max: Span::from_s(section.int_or("ahead_max_s", settings.ahead_max.s(), seconds, 0..=86_400)),
        chunk: hour(section.int_or("chunk_hours", 24, hours, 1..=8_784)),
        compress_after: hour(section.int_or("compress_after_hours", 48, hours, 1..=87_840)),
        ..settings
    };
    for (key, keep, finer) in [
        ("minutes_keep_days", settings.minutes_keep, settings.readings_keep),
        ("rollups_keep_days", settings.rollups_keep, settings.minutes_keep),
    ] {
        if keep < finer {
            section
                .fault(key, format_args!("what it is made of is kept for {} days: wanted as many", finer.s() / 86_400));
        }
    }
    section.end();
    settings
}
