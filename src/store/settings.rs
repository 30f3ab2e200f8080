//! Where the store is, and how long it keeps what.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use headroom_rules::model::Span;
use sqlx::postgres::PgConnectOptions;

use super::rollup::Resolution;

/// The environment's word for the password of a server.
pub const PASSWORD_VARIABLE: &str = "HEADROOM_STORE_PASSWORD";
/// Parameters that a URL may carry; sqlx passes over others with a warning only.
const URL_PARAMETERS: [&str; 9] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "dbname", "user", "password"];
const DAY_S: i64 = 86_400;

/// What a store is told at its opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// Where it is.
    pub place: Place,
    /// How long readings are kept.
    pub readings_keep: Span,
    /// How long rollups to the minute are kept.
    pub minutes_keep: Span,
    /// How long the coarser rollups are kept.
    pub rollups_keep: Span,
    /// How long events are kept.
    pub events_keep: Span,
    /// A source time further ahead of the arrival is impossible.
    pub ahead_max: Span,
    /// Length of a hypertable's chunk.
    pub chunk: Span,
    /// A chunk is compressed when it is this old.
    pub compress_after: Span,
}

/// The engine, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// SQLite, a file in the data folder.
    Folder,
    /// PostgreSQL, with TimescaleDB or without.
    Server(Server),
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it is, and as whom.
    pub url: ServerUrl,
    /// The file with the password, read at each connecting; without it the variable
    /// [`PASSWORD_VARIABLE`] counts, then the URL.
    pub password_file: Option<PathBuf>,
}

/// A URL of PostgreSQL. It may hold a password, so it is never shown: see [`Self::shown`].
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(String);

/// What is wrong with a URL, in words that repeat nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a URL as \"postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full\"; parameters are sslmode, sslrootcert, \
         sslcert, sslkey, host, port, dbname, user, password"
)]
pub struct UrlError;

impl FromStr for ServerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let scheme = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let parameters = text.split_once('?').map(|(_, parameters)| parameters).unwrap_or_default();
        let known = |pair: &str| URL_PARAMETERS.contains(&pair.split_once('=').unwrap_or((pair, "")).0);
        let all_known = parameters.split('&').filter(|pair| !pair.is_empty()).all(known);
        let sound = scheme && all_known && text.parse::<PgConnectOptions>().is_ok();
        if sound { Ok(Self(text.to_owned())) } else { Err(UrlError) }
    }
}

impl ServerUrl {
    /// As sqlx takes it.
    pub(super) fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        self.0.parse()
    }

    /// Whether a password stands in it.
    pub fn has_password(&self) -> bool {
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        let (address, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let user = address.rsplit_once('@').map(|(user, _)| user).unwrap_or_default();
        user.contains(':') || parameters.split('&').any(|pair| pair.starts_with("password="))
    }

    /// Where it leads and as whom, without a password.
    pub fn shown(&self) -> String {
        let Ok(options) = self.options() else { return "postgres://".to_owned() };
        let user = options.get_username();
        let place = match options.get_socket() {
            Some(socket) => format!("{}:{}", socket.display(), options.get_port()),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        format!("postgres://{user}@{place}/{}", options.get_database().unwrap_or(user))
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl StoreSettings {
    /// How long rollups of one resolution are kept.
    pub(super) const fn rollup_keep(&self, resolution: Resolution) -> Span {
        match resolution {
            Resolution::Minute => self.minutes_keep,
            Resolution::Quarter | Resolution::Hour | Resolution::Day => self.rollups_keep,
        }
    }
}

impl Default for StoreSettings {
    /// SQLite; readings and minutes for 400 days, coarser rollups and events for ten years; clocks may be five minutes
    /// ahead; chunks of a day, compressed when they are two days old.
    fn default() -> Self {
        let days = |days: i64| Span::from_s(days * DAY_S);
        Self {
            place: Place::Folder,
            readings_keep: days(400),
            minutes_keep: days(400),
            rollups_keep: days(3_660),
            events_keep: days(3_660),
            ahead_max: Span::from_s(300),
            chunk: days(1),
            compress_after: days(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        let url: ServerUrl = "postgres://li:s3cret@db.example:5433/grid?sslmode=disable".parse().unwrap();
        assert!(url.has_password());
        assert_eq!(url.shown(), "postgres://li@db.example:5433/grid");
        assert!(!format!("{url:?}").contains("s3cret"));
        let socket: ServerUrl = "postgres://li@localhost/grid?host=/run/postgresql&password=s3cret".parse().unwrap();
        assert!(socket.has_password() && !socket.shown().contains("s3cret"), "{}", socket.shown());
        let bare: ServerUrl = "postgres://li@db.example/grid".parse().unwrap();
        assert!(!bare.has_password());
    }

    #[test]
    fn a_url_of_another_kind_or_with_an_unknown_parameter_is_refused_without_repeating_it() {
        for bad in ["mysql://li:s3cret@h/d", "postgres://li:s3cret@h:port/d", "postgres://h/d?sslmod=require", "", "d"]
        {
            let error = bad.parse::<ServerUrl>().unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
