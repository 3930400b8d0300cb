//! What PostgreSQL itself answers. The test needs its programs, in `/usr/lib/postgresql/15/bin` or the folder that
//! `POSTGRES_BIN` names; with `RECORD` set, it writes the answers instead of comparing them.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::corpus::Corpus;
use crate::session::readings_sql;

/// A server of its own on a socket in a temporary folder. It refuses to run as root, so that it gets another user then.
struct Postgres {
    dir: TempDir,
    bin: PathBuf,
}

impl Postgres {
    fn start() -> Self {
        let bin = std::env::var_os("POSTGRES_BIN").map_or("/usr/lib/postgresql/15/bin".into(), PathBuf::from);
        let postgres = Self { dir: tempfile::tempdir().unwrap(), bin };
        if postgres.is_root() {
            run(Command::new("chown").arg("postgres").arg(postgres.dir.path()));
        }
        let data = postgres.dir.path().join("data");
        run(postgres
            .command("initdb")
            .args(["--auth=trust", "--username=postgres", "--locale=C", "--encoding=UTF8"])
            .arg("-D")
            .arg(&data));
        let options = format!("-k {} -c listen_addresses='' -c fsync=off", postgres.dir.path().display());
        let log = postgres.dir.path().join("log");
        run(postgres.command("pg_ctl").args(["start", "-w", "-o", &options, "-l"]).arg(log).arg("-D").arg(data));
        postgres
    }

    fn is_root(&self) -> bool {
        std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
    }

    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = if self.is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.dir.path());
        command
    }

    /// What psql prints for a script.
    fn psql(&self, script: &str) -> String {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args([
            "-h",
            &self.dir.path().display().to_string(),
            "-U",
            "postgres",
            "-X",
            "-q",
            "-A",
            "-t",
            "-P",
            "null=NULL",
        ]);
        let mut psql = psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        psql.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = psql.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.dir.path().join("data");
        run(self.command("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(data));
    }
}

fn run(command: &mut Command) {
    let output = command.stdout(Stdio::null()).stderr(Stdio::inherit()).status().unwrap();
    assert!(output.success(), "{command:?}");
}

/// The answers to a file, as [`Corpus::answers`] reads them.
fn answers(postgres: &Postgres, corpus: &Corpus) -> String {
    const END: &str = "@@@";
    let mut script = String::new();
    for statement in &corpus.statements {
        script += &format!("SET TIME ZONE '{}';\n{};\n\\echo {END} :ERROR\n", statement.zone, statement.sql);
    }
    let printed = postgres.psql(&script);
    let mut statements = corpus.statements.iter();
    let (mut rows, mut recorded) = (Vec::new(), String::new());
    for line in printed.lines() {
        let Some(error) = line.strip_prefix(END) else {
            rows.push(line.to_owned());
            continue;
        };
        if error.trim() == "true" {
            rows.push("! error".to_owned());
        }
        recorded += &format!("> {}\n", statements.next().unwrap().sql);
        for row in rows.drain(..) {
            recorded += &row;
            recorded.push('\n');
        }
    }
    assert!(statements.next().is_none());
    recorded
}

#[test]
#[ignore = "needs the programs of PostgreSQL 15; .ci/run runs it where they are"]
fn postgresql_answers_the_corpus_as_recorded() {
    let postgres = Postgres::start();
    postgres.psql(&readings_sql());
    for corpus in Corpus::all() {
        let found = answers(&postgres, &corpus);
        let path: &Path = &corpus.answers_path();
        if std::env::var_os("RECORD").is_some() {
            std::fs::write(path, found).unwrap();
        } else {
            assert_eq!(std::fs::read_to_string(path).unwrap(), found, "{}", path.display());
        }
    }
}
