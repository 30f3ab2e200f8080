//! `headroom export`: what the store holds, in a file, beside a running centre or without one.

mod arguments;
mod progress;

use std::io::{self, BufWriter, ErrorKind, Write, stdout};
use std::path::Path;

use anyhow::Context as _;
use headroom_rules::model::Span;

use super::whole_file::WholeFile;
use super::{logging, stop};
use crate::clock::Clock;
use crate::config::{Fleet, ServeConfig};
use crate::export::{ExportError, Format, Sheet, Subject, export};
use crate::store::{StoreReader, Window};

pub use arguments::{Arguments, Common};
use progress::Told;

/// UTF-8's byte order mark.
const MARK: &[u8] = b"\xEF\xBB\xBF";
/// Without `--to`, so much after this machine's time is exported as well.
const AHEAD_MAX: Span = Span::from_s(86_400);
/// Rows of one question to the store: some megabytes at most, and a fraction of a second.
const PAGE_ROWS: u32 = 10_000;

/// Where the rows go.
#[derive(Debug)]
enum Out {
    File(BufWriter<WholeFile>),
    Stdout(BufWriter<io::Stdout>),
}

impl Out {
    fn begin(file: &Path, force: bool) -> anyhow::Result<Self> {
        if file == Path::new("-") {
            return Ok(Self::Stdout(BufWriter::new(stdout())));
        }
        free(file, force)?;
        let whole = WholeFile::begin(file)
            .with_context(|| format!("{}: cannot be written; check that its folder is there", file.display()))?;
        Ok(Self::File(BufWriter::new(whole)))
    }

    fn finish(self, file: &Path, force: bool) -> anyhow::Result<()> {
        match self {
            Self::Stdout(mut out) => out.flush().context("the rows cannot be written"),
            Self::File(out) => {
                free(file, force)?;
                let cannot = || format!("{}: cannot be written; check that the disk has room", file.display());
                out.into_inner()
                    .map_err(io::IntoInnerError::into_error)
                    .and_then(WholeFile::finish)
                    .with_context(cannot)
            }
        }
    }
}

impl Write for Out {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(out) => out.write(octets),
            Self::Stdout(out) => out.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(out) => out.flush(),
            Self::Stdout(out) => out.flush(),
        }
    }
}

fn free(file: &Path, force: bool) -> anyhow::Result<()> {
    anyhow::ensure!(force || !file.exists(), "{}: is there already; name another, or give --force", file.display());
    Ok(())
}

/// Writes what was asked for.
///
/// # Errors
/// A sentence for the person who asked. Nothing of the file is left then, and one that was there before stays.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    logging::to_stderr("warn");
    let asked = stop::asked_to_stop();
    let (common, subject) = arguments.into_parts();
    let exporting = write(&common, &subject);
    let done = tokio::select! {
        done = Box::pin(exporting) => done,
        () = asked => Err(anyhow::anyhow!("{}: stopped before the end", common.out.display())),
    };
    match done {
        Err(error) if reader_left(&error) => Ok(()),
        done => done,
    }
}

/// A reader that goes away, as `head` does, is no error.
fn reader_left(error: &anyhow::Error) -> bool {
    let broken = |error: &io::Error| error.kind() == ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(broken))
}

async fn write(common: &Common, subject: &Subject) -> anyhow::Result<()> {
    let Common { out, force, offset, .. } = common;
    let format = Format::of(out).with_context(|| {
        format!("{}: wanted a file whose name ends with .csv or .parquet, or - for CSV on stdout", out.display())
    })?;
    // The supply's time may be ahead of this machine's clock; what is stored is to be there to its end.
    let ahead = if matches!(subject, Subject::Gaps(..)) { Span::ZERO } else { AHEAD_MAX };
    let to = common.to.map_or_else(|| Clock::wall().now().after(ahead), |to| to.at(*offset));
    let from = common.from.at(*offset);
    anyhow::ensure!(
        from < to,
        "--from {} --to {}: wanted a time that ends after it begins",
        offset.show(from),
        offset.show(to)
    );
    let serve = ServeConfig::read(&common.config)?;
    // A fleet with a fault is for `check` to tell: what is stored can be read without it.
    let fleet = Fleet::read(&serve.fleet).ok();
    let reader = StoreReader::begin(&serve.store, &serve.data).await.with_context(|| {
        format!("the store that {} names cannot be read; has a centre run on that file?", common.config.display())
    })?;
    let mut into = Out::begin(out, *force)?;
    if let (Format::Csv, Out::File(file)) = (format, &mut into) {
        // Excel takes a file without it for one in the machine's own encoding.
        file.write_all(MARK).with_context(|| format!("{}: cannot be written", out.display()))?;
    }
    let mut sheet = Sheet::begin(format, subject.columns(), *offset, into)?;
    let mut told = Told::new(common.quiet);
    let window = Window { from, to, page_rows: PAGE_ROWS };
    let inventory = fleet.as_ref().map(|fleet| &fleet.inventory);
    let exported = export(&reader, subject, window, inventory, &mut sheet, |progress| told.show(progress)).await;
    told.end();
    exported.map_err(|error| about(out, error))?;
    let written = sheet.finish().map_err(|error| about(out, error))?;
    written.into.finish(out, *force)?;
    told.finish(written.rows, out);
    if written.beyond > 0 {
        tracing::warn!(
            "{}: {} values are beyond what Parquet's decimals hold and are missing; CSV has them",
            out.display(),
            written.beyond
        );
    }
    Ok(())
}

fn about(out: &Path, error: ExportError) -> anyhow::Error {
    let what = match &error {
        ExportError::Write(_) | ExportError::Parquet(_) => format!("{}", out.display()),
        ExportError::Store(_) | ExportError::Unknown { .. } => "nothing is exported".to_owned(),
    };
    anyhow::Error::new(error).context(what)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::future::Future as _;
    use std::path::PathBuf;
    use std::task::Poll;

    use tempfile::TempDir;

    use super::*;
    use crate::export::Points;
    use crate::store::Store;
    use crate::store::tests::life::life;

    struct Site {
        folder: TempDir,
    }

    impl Site {
        async fn new() -> Self {
            let site = Self { folder: tempfile::tempdir().unwrap() };
            fs::write(site.file("serve.toml"), "").unwrap();
            fs::create_dir(site.file("headroom-data")).unwrap();
            let mut store = Store::open(&site.file("headroom-data")).await.unwrap();
            for batch in life() {
                store.write(&batch).await.unwrap();
            }
            fs::create_dir(site.file("out")).unwrap();
            site
        }

        fn file(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn asked(&self, out: &str) -> Common {
            Common {
                out: self.file("out").join(out),
                config: self.file("serve.toml"),
                from: "2027-01-15".parse().unwrap(),
                to: Some("2027-01-16".parse().unwrap()),
                offset: "+08:00".parse().unwrap(),
                force: false,
                quiet: true,
            }
        }

        fn in_out(&self) -> Vec<String> {
            let names = fs::read_dir(self.file("out")).unwrap();
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    fn readings() -> Subject {
        Subject::Readings(Points::default())
    }

    #[tokio::test]
    async fn a_file_that_is_there_is_only_replaced_by_force() {
        let site = Site::new().await;
        let mut common = site.asked("a.csv");
        fs::write(&common.out, "somebody's").unwrap();
        let error = write(&common, &readings()).await.unwrap_err();
        assert!(error.to_string().ends_with("a.csv: is there already; name another, or give --force"), "{error:#}");
        assert_eq!(fs::read_to_string(&common.out).unwrap(), "somebody's");
        common.force = true;
        write(&common, &readings()).await.unwrap();
        let written = fs::read_to_string(&common.out).unwrap();
        assert_eq!(written.lines().count(), 1 + 398);
        assert!(written.starts_with("\u{feff}at,terminal,"), "Excel would garble names");
        assert_eq!(site.in_out(), ["a.csv"]);
    }

    #[tokio::test]
    async fn an_export_that_is_stopped_in_the_middle_leaves_nothing() {
        let site = Site::new().await;
        for out in ["a.csv", "a.parquet"] {
            let (common, subject) = (site.asked(out), readings());
            let mut exporting = Box::pin(write(&common, &subject));
            std::future::poll_fn(|context| match exporting.as_mut().poll(context) {
                Poll::Ready(done) => panic!("over before it was stopped: {done:?}"),
                Poll::Pending if site.in_out().is_empty() => Poll::Pending,
                Poll::Pending => Poll::Ready(()),
            })
            .await;
            assert!(site.in_out()[0].ends_with(".pending"));
            drop(exporting);
            assert!(site.in_out().is_empty());
        }
    }

    #[tokio::test]
    async fn what_cannot_be_exported_is_said_in_one_line_and_leaves_nothing() {
        let site = Site::new().await;
        let backwards = Common { to: Some("2027-01-14T23:00".parse().unwrap()), ..site.asked("a.csv") };
        let nowhere = Common { out: site.file("none").join("a.csv"), ..site.asked("a.csv") };
        let elsewhere = Common { config: site.file("other.toml"), ..site.asked("a.csv") };
        fs::write(&elsewhere.config, "data = \"elsewhere\"").unwrap();
        let of = |id: &str| Subject::Readings(Points { terminals: vec![id.parse().unwrap()], kinds: vec![] });
        for (common, subject, parts) in [
            (
                &backwards,
                readings(),
                ["--from 2027-01-15T00:00:00.000+08:00", "wanted a time that ends after it begins"],
            ),
            (&nowhere, readings(), ["none/a.csv: cannot be written", "check that its folder is there"]),
            (&elsewhere, readings(), ["has a centre run on that file?", "elsewhere/headroom.db"]),
            (
                &site.asked("a.xlsx"),
                readings(),
                ["a.xlsx: wanted a file whose name ends with .csv or .parquet", "- for CSV"],
            ),
            (&site.asked("a.csv"), of("T-8"), ["nothing is exported", "terminal T-8 is not known"]),
        ] {
            let said = format!("{:#}", write(common, &subject).await.unwrap_err());
            assert!(parts.iter().all(|part| said.contains(part)) && said.lines().count() == 1, "{said}");
            assert!(site.in_out().is_empty());
        }
    }

    #[tokio::test]
    async fn a_terminal_of_the_fleet_without_a_reading_is_a_table_without_rows() {
        let site = Site::new().await;
        let fleet = "[[terminal]]\nid = \"T-8\"\naddress = \"10.0.0.8:2404\"\ncommon_address = 8\n";
        fs::write(site.file("fleet.toml"), fleet).unwrap();
        let common = site.asked("a.csv");
        let points = Points { terminals: vec!["T-8".parse().unwrap()], kinds: vec![] };
        write(&common, &Subject::Readings(points)).await.unwrap();
        assert_eq!(fs::read_to_string(&common.out).unwrap().lines().count(), 1);
    }
}
