//! A TOML file read key by key: every value is parsed where it is taken, every fault gets its line, and what nobody
//! asked for is a fault too. Deserialising would stop at the first fault.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::rc::Rc;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, ConfigErrors};
use crate::printable::is_printable;

/// Characters of a wrong value that an error repeats.
const SHOWN_MAX: usize = 60;
/// Characters of a name.
const NAME_MAX: usize = 64;
/// What a name for people has to be.
pub const LABEL_WANTED: &str = "a text in one line, 1 to 64 characters, none of them invisible";

/// A name for people, without the spaces around it; none for what is not [`LABEL_WANTED`].
pub fn label(text: &str) -> Option<&str> {
    let text = text.trim();
    let fits = (1..=NAME_MAX).contains(&text.chars().count()) && text.chars().all(is_printable);
    fits.then_some(text)
}

/// Where each line of a text that the program made comes from: a file, and a line of it where there is one.
#[derive(Default)]
pub(super) struct Origins(pub(super) Vec<(Rc<Path>, Option<usize>)>);

/// A file's text, and what was found wrong with it.
pub(super) struct Source<'a> {
    file: &'a Path,
    /// Where faults are, when not in the text itself. Its keys are columns then, which have no path.
    origins: Option<&'a Origins>,
    text: &'a str,
    /// Offsets at which lines begin.
    lines: Vec<usize>,
    faults: RefCell<Vec<ConfigError>>,
}

/// Reads the whole file.
pub(super) fn read_file(file: &Path) -> Result<String, ConfigErrors> {
    std::fs::read_to_string(file).map_err(|error| {
        ConfigError::new(file, None, &format!("cannot be read ({error}): wanted a readable TOML file")).into()
    })
}

impl<'a> Source<'a> {
    /// Reads `text` by `take`, and gives what it took only when no fault was found.
    pub(super) fn parse<T>(
        file: &'a Path,
        text: &'a str,
        take: impl FnOnce(Section<'_>) -> Option<T>,
    ) -> Result<T, ConfigErrors> {
        Self::parse_from(file, text, None, take)
    }

    /// As [`Self::parse`], of a text whose lines come from elsewhere.
    pub(super) fn parse_from<T>(
        file: &'a Path,
        text: &'a str,
        origins: Option<&'a Origins>,
        take: impl FnOnce(Section<'_>) -> Option<T>,
    ) -> Result<T, ConfigErrors> {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let source = Source { file, origins, text, lines, faults: RefCell::default() };
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            for error in errors {
                let line = error.span().map(|span| source.line(span.start));
                source.add(line, &format!("not TOML: {}", error.message()));
            }
            ConfigErrors::check(source.faults.take())?;
        }
        let root =
            Section { source: &source, path: String::new(), at: 0, table: table.get_ref(), asked: RefCell::default() };
        let taken = take(root);
        ConfigErrors::check(source.faults.take())?;
        // Whoever takes nothing has said why; this is the answer to one who did not.
        taken.ok_or_else(|| ConfigError::new(file, None, "incomplete").into())
    }

    fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|&start| start <= offset)
    }

    fn add(&self, line: Option<usize>, text: &str) {
        let (file, line) = line.and_then(|line| self.origin(line)).unwrap_or((self.file, line));
        self.faults.borrow_mut().push(ConfigError::new(file, line, text));
    }

    fn origin(&self, line: usize) -> Option<(&Path, Option<usize>)> {
        let (file, line) = self.origins?.0.get(line.checked_sub(1)?)?;
        Some((file, *line))
    }

    /// A line, as a fault elsewhere names it.
    fn place(&self, line: usize) -> String {
        match self.origin(line) {
            None => format!("line {line}"),
            Some((file, Some(line))) => format!("{}:{line}", file.display()),
            Some((file, None)) => file.display().to_string(),
        }
    }

    /// A value as it is written, cut to one line.
    fn shown(&self, span: Range<usize>) -> String {
        let raw = self.text.get(span).unwrap_or_default();
        let first = raw.lines().next().unwrap_or_default();
        let line: String = first.chars().take(SHOWN_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
        if line.len() < raw.len() { format!("{line}…") } else { line }
    }
}

/// One table of a file.
pub(super) struct Section<'a> {
    source: &'a Source<'a>,
    /// How errors name it: `customer`; empty for the file's top.
    path: String,
    at: usize,
    table: &'a DeTable<'a>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        self.table.get(key)
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() || self.source.origins.is_some() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &dyn fmt::Display) {
        let shown = self.source.shown(value.span());
        self.at_value(value, &format!("{} = {shown}: wanted {wanted}", self.name(key)));
    }

    fn at_value(&self, value: &Spanned<DeValue<'_>>, text: &str) {
        self.source.add(Some(self.source.line(value.span().start)), text);
    }

    fn missing(&self, key: &str, wanted: &dyn fmt::Display) {
        self.source.add(Some(self.line()), &format!("{} is missing: wanted {wanted}", self.name(key)));
    }

    /// The line on which the table begins.
    pub(super) fn line(&self) -> usize {
        self.source.line(self.at)
    }

    /// The line of a key, or that of the table where the key is not set.
    pub(super) fn line_of(&self, key: &str) -> usize {
        self.table.get(key).map_or_else(|| self.line(), |value| self.source.line(value.span().start))
    }

    /// The same, as a fault elsewhere names it: `line 12`.
    pub(super) fn place_of(&self, key: &str) -> String {
        self.source.place(self.line_of(key))
    }

    /// A fault of a key that only shows beside others.
    pub(super) fn fault(&self, key: &str, why: impl fmt::Display) {
        match self.table.get(key) {
            Some(value) => {
                let shown = self.source.shown(value.span());
                self.at_value(value, &format!("{} = {shown}: {why}", self.name(key)));
            }
            None => self.source.add(Some(self.line()), &format!("{}: {why}", self.name(key))),
        }
    }

    /// A fault within a text, at a line and a column of it: told with those of the file.
    pub(super) fn fault_within(&self, key: &str, line: Option<usize>, column: Option<usize>, why: &str) {
        let (Some(value), Some(line)) = (self.table.get(key), line) else { return self.fault(key, why) };
        let span = value.span();
        let raw = self.source.text.get(span.clone()).unwrap_or_default();
        let quotes = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
        // A line's end right behind three quotes is not of the text.
        let below = raw.get(quotes..).is_some_and(|rest| rest.starts_with('\n') || rest.starts_with("\r\n"));
        let first = self.source.line(span.start);
        let file_line = first + line - 1 + usize::from(quotes == 3 && below);
        let before = if file_line == first {
            let start = first.checked_sub(1).and_then(|at| self.source.lines.get(at)).copied().unwrap_or_default();
            self.source.text.get(start..span.start).unwrap_or_default().chars().count() + quotes
        } else {
            0
        };
        let column = column.map(|column| format!("column {}: ", before + column)).unwrap_or_default();
        self.source.add(Some(file_line), &format!("{}: {column}{why}", self.name(key)));
    }

    /// Faults of a file that this one names.
    pub(super) fn add_all(&self, faults: ConfigErrors) {
        self.source.faults.borrow_mut().extend(faults.into_faults());
    }

    /// All keys of this table, whatever they are called, each with a text that `take` understands.
    pub(super) fn all_texts<T>(
        &self,
        wanted_key: &str,
        wanted: &str,
        take: impl Fn(&str) -> Option<T>,
    ) -> Vec<(String, T)> {
        let mut taken = Vec::new();
        for (key, value) in self.table {
            let name = key.get_ref().as_ref();
            let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && name.chars().next().is_some_and(|c| c.is_ascii_lowercase());
            if !is_name {
                let line = self.source.line(key.span().start);
                self.source.add(Some(line), &format!("{}: wanted {wanted_key}", self.name(name)));
            } else if let Some(one) = value.get_ref().as_str().and_then(&take) {
                taken.push((name.to_owned(), one));
            } else {
                self.wrong(name, value, &wanted);
            }
        }
        taken
    }

    /// A required value: what `take` makes of it, or a fault.
    fn required<T>(
        &self,
        key: &'static str,
        wanted: &dyn fmt::Display,
        take: impl FnOnce(&DeValue<'a>) -> Option<T>,
    ) -> Option<T> {
        let Some(value) = self.get(key) else {
            self.missing(key, wanted);
            return None;
        };
        let taken = take(value.get_ref());
        if taken.is_none() {
            self.wrong(key, value, wanted);
        }
        taken
    }

    /// Whether the key is set. It then has to be taken.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// A whole number in a range; `of` says of what, as `whole number of kW`.
    pub(super) fn int<T: TryFrom<i64>>(&self, key: &'static str, of: &str, range: RangeInclusive<i64>) -> Option<T> {
        let wanted = format!("a {of}, {} to {}", range.start(), range.end());
        self.required(key, &wanted, |value| {
            let number = value.as_integer()?;
            let digits = number.as_str().replace('_', "");
            let number = i64::from_str_radix(&digits, number.radix()).ok().filter(|number| range.contains(number))?;
            T::try_from(number).ok()
        })
    }

    /// As [`Self::int`], with a default.
    pub(super) fn int_or<T: TryFrom<i64>>(
        &self,
        key: &'static str,
        default: T,
        of: &str,
        range: RangeInclusive<i64>,
    ) -> T {
        if self.has(key) { self.int(key, of, range).unwrap_or(default) } else { default }
    }

    /// A number in a range, with a default.
    pub(super) fn float_or(&self, key: &'static str, default: f64, range: RangeInclusive<f64>) -> f64 {
        if !self.has(key) {
            return default;
        }
        let wanted = format!("a number, {} to {}", range.start(), range.end());
        let taken = self.required(key, &wanted, |value| {
            let digits = match value {
                DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
                DeValue::Float(number) => number.as_str(),
                _ => return None,
            };
            digits.replace('_', "").parse::<f64>().ok().filter(|number| range.contains(number))
        });
        taken.unwrap_or(default)
    }

    /// `true` or `false`, with a default.
    pub(super) fn flag_or(&self, key: &'static str, default: bool) -> bool {
        if !self.has(key) {
            return default;
        }
        self.required(key, &"true or false", DeValue::as_bool).unwrap_or(default)
    }

    /// A name for people: not empty, one line.
    pub(super) fn label(&self, key: &'static str) -> Option<String> {
        self.required(key, &LABEL_WANTED, |value| label(value.as_str()?).map(str::to_owned))
    }

    /// A text that `take` understands.
    pub(super) fn text_as<T>(
        &self,
        key: &'static str,
        wanted: &str,
        take: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.required(key, &wanted, |value| take(value.as_str()?))
    }

    /// A text, or several in an array, each of which `take` understands; not none.
    pub(super) fn texts<T>(&self, key: &'static str, wanted: &str, take: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
        let several = if self.source.origins.is_some() { "apart by a blank" } else { "in brackets" };
        let wanted = format!("{wanted}; several stand {several}");
        self.required(key, &wanted, |value| match value.as_array() {
            Some(several) if !several.is_empty() => {
                several.iter().map(|one| one.get_ref().as_str().and_then(&take)).collect()
            }
            Some(_) => None,
            None => Some(vec![take(value.as_str()?)?]),
        })
    }

    /// As [`Self::text_as`], with a default.
    pub(super) fn text_or<T>(
        &self,
        key: &'static str,
        default: T,
        wanted: &str,
        take: impl FnOnce(&str) -> Option<T>,
    ) -> T {
        if self.has(key) { self.text_as(key, wanted, take).unwrap_or(default) } else { default }
    }

    /// As [`Self::text_as`], for what is not to be repeated in an error.
    pub(super) fn secret<T>(&self, key: &'static str, wanted: &str, take: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let Some(value) = self.get(key) else {
            self.missing(key, &wanted);
            return None;
        };
        let taken = value.get_ref().as_str().and_then(take);
        if taken.is_none() {
            self.at_value(value, &format!("{}: wanted {wanted}", self.name(key)));
        }
        taken
    }

    /// An id, as `F03`.
    pub(super) fn id<T: FromStr>(&self, key: &'static str) -> Option<T> {
        self.text_as(key, "1 to 16 letters, digits, '-', '_' or '.'", |text| text.parse().ok())
    }

    /// An id that need not be there: the outer none is a fault.
    #[allow(clippy::option_option, reason = "absent and wrong are different things")]
    pub(super) fn id_if_any<T: FromStr>(&self, key: &'static str) -> Option<Option<T>> {
        if self.has(key) { self.id(key).map(Some) } else { Some(None) }
    }

    /// A table of this table.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'a>> {
        let value = self.get(key)?;
        let section = self.enter(key, value);
        if section.is_none() {
            self.wrong(key, value, &format!("a table, [{}]", self.name(key)));
        }
        section
    }

    /// The tables of an array of tables; none when the key is not set.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let wanted = format!("tables, each with [[{}]] above it or in braces", self.name(key));
        let Some(entries) = value.get_ref().as_array() else {
            self.wrong(key, value, &wanted);
            return Vec::new();
        };
        let mut sections = Vec::with_capacity(entries.len());
        for entry in entries.iter() {
            match self.enter(key, entry) {
                Some(section) => sections.push(section),
                None => self.wrong(key, entry, &wanted),
            }
        }
        sections
    }

    fn enter(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Option<Section<'a>> {
        Some(Section {
            source: self.source,
            path: self.name(key),
            at: value.span().start,
            table: value.get_ref().as_table()?,
            asked: RefCell::default(),
        })
    }

    /// Everything has been taken: what is left is a fault.
    pub(super) fn end(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter().filter(|(key, _)| !asked.contains(&key.get_ref().as_ref())) {
            let line = self.source.line(key.span().start);
            let text = format!("{}: unknown key: wanted one of {}", self.name(key.get_ref()), asked.join(", "));
            self.source.add(Some(line), &text);
        }
    }
}

/// The names of the file's top tables and keys.
pub(super) fn top_keys(file: &Path, text: &str) -> Result<Vec<String>, ConfigErrors> {
    Source::parse(file, text, |top| Some(top.table.keys().map(|key| key.get_ref().to_string()).collect()))
}
