//! A data folder with ports and settings of its own, and the server process on it.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use ureq::Agent;

/// A zone of the reference data that every registry has.
pub(crate) const ZONE: &str = "vung-ang";

/// A place to run the program in, with nothing of the surroundings: an own data folder, own ports, own settings.
pub(crate) struct Installation {
    root: TempDir,
    data: PathBuf,
    quic: u16,
    http: u16,
    settings: Vec<(&'static str, String)>,
}

impl Installation {
    /// An empty one. Rows stay in memory for an hour, so that a test decides when they are flushed.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let data = root.path().join("data");
        let http = free_port(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
        let quic = free_port(|port| UdpSocket::bind(("127.0.0.1", port)).is_ok());
        let settings = vec![("ZONELAKE_FLUSH_AGE_SECONDS", "3600".into()), ("ZONELAKE_INGEST_SHARDS", "2".into())];
        Self { root, data, quic, http, settings }
    }

    /// The same with a setting.
    pub(crate) fn with(mut self, variable: &'static str, value: impl ToString) -> Self {
        self.set(variable, value);
        self
    }

    /// Changes a setting for the next start.
    pub(crate) fn set(&mut self, variable: &'static str, value: impl ToString) {
        self.settings.retain(|(name, _)| *name != variable);
        self.settings.push((variable, value.to_string()));
    }

    /// The same with its data folder somewhere else.
    pub(crate) fn with_data(mut self, data: PathBuf) -> Self {
        self.data = data;
        self
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// A folder of the test's own files.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// The program with its surroundings, without arguments.
    pub(crate) fn program(&self) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_zonelake"));
        program.env_clear();
        program.env("ZONELAKE_DATA", &self.data);
        program.env("ZONELAKE_QUIC_LISTEN", format!("127.0.0.1:{}", self.quic));
        program.env("ZONELAKE_HTTP_LISTEN", format!("127.0.0.1:{}", self.http));
        program.env("ZONELAKE_POSTGRES_LISTEN", "127.0.0.1:0");
        program.env("ZONELAKE_URL", self.url(""));
        program.envs(self.settings.iter().map(|(name, value)| (name, value)));
        program.stdin(Stdio::null());
        program.current_dir(self.root.path());
        program
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.program().args(arguments).output().expect("the program can be started")
    }

    /// An address of the HTTP server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }

    /// The address of the QUIC server.
    pub(crate) fn quic_address(&self) -> String {
        format!("127.0.0.1:{}", self.quic)
    }

    /// Adds a gateway, waits until a server that runs knows it, and returns its token.
    pub(crate) fn add_gateway(&self, name: &str) -> String {
        let output = self.run(&["gateway", "add", name, "--zone", ZONE]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let token = text(&output.stdout).trim().to_owned();
        let known = wait_for(|| {
            let request = agent().post(self.url("/api/v2/write")).header("Authorization", format!("Token {token}"));
            request.send_empty().map_or(Some(()), |answer| (answer.status() != 401).then_some(()))
        });
        assert!(known.is_some(), "the server does not learn of the gateway:\n{}", self.log());
        token
    }

    /// Starts the server for the first time and takes the password that it prints.
    pub(crate) fn first_start(&self) -> Server<'_> {
        let mut server = self.spawn();
        server.await_health();
        // The password is printed when everything runs, so health may be there a moment earlier.
        let password = wait_for(|| {
            let printed = std::fs::read_to_string(self.printed_file()).expect("standard output goes to a file");
            let (lines, _) = printed.rsplit_once('\n')?;
            let line = lines.lines().find(|line| line.contains("password"))?;
            line.split_whitespace().last().map(str::to_owned)
        });
        server.password = password.unwrap_or_else(|| panic!("no password was printed:\n{}", self.log()));
        server
    }

    /// Starts the server again.
    pub(crate) fn restart(&self, password: &str) -> Server<'_> {
        let mut server = self.spawn();
        server.password = password.to_owned();
        server.await_health();
        server
    }

    /// Starts a server that is expected to refuse, and returns its exit code and what it wrote to standard error.
    pub(crate) fn refused_start(&self) -> (Option<i32>, String) {
        let before = self.log().len();
        let mut server = self.spawn();
        let ended = wait_for(|| server.process.try_wait().expect("its state can be asked"));
        let Some(status) = ended else { panic!("the server runs, though it should have refused:\n{}", self.log()) };
        (status.code(), self.log()[before..].to_owned())
    }

    /// What the servers wrote to standard error so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn printed_file(&self) -> PathBuf {
        self.root.path().join("server.out")
    }

    fn log_file(&self) -> PathBuf {
        self.root.path().join("server.log")
    }

    fn spawn(&self) -> Server<'_> {
        let open = |path| File::options().create(true).append(true).open(path).expect("its output can be kept");
        let (printed, log) = (open(self.printed_file()), open(self.log_file()));
        let process =
            self.program().arg("serve").stdout(printed).stderr(log).spawn().expect("the server can be started");
        Server { installation: self, process, password: String::new() }
    }
}

/// A running server; killed when it goes out of scope.
pub(crate) struct Server<'a> {
    installation: &'a Installation,
    pub(crate) process: Child,
    password: String,
}

impl Server<'_> {
    /// The administrator's password.
    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// The most memory that it has held so far.
    pub(crate) fn peak_memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs on Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it has memory");
        1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of KiB")
    }

    /// Kills it as `kill -9` does: nothing of it runs any further.
    pub(crate) fn kill(mut self) {
        end(&mut self.process);
    }

    /// Asks it to end, as a service manager does, and waits for that.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).expect("it has a pid");
        kill_process(pid, Signal::TERM).expect("it can be told to end");
        let ended = wait_for(|| self.process.try_wait().expect("its state can be asked"));
        ended.unwrap_or_else(|| panic!("it does not end:\n{}", self.installation.log()))
    }

    /// The rows that answer a query, as `zonelake sql` gives them.
    pub(crate) fn sql(&self, query: &str) -> Vec<Value> {
        let output = self.sql_output(query, "ndjson");
        assert!(output.status.success(), "{query}: {}\n{}", text(&output.stderr), self.installation.log());
        let row = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        text(&output.stdout).lines().map(row).collect()
    }

    /// The one value that answers a query.
    pub(crate) fn sql_value(&self, query: &str) -> Value {
        let rows = self.sql(query);
        let [Value::Object(row)] = rows.as_slice() else { panic!("{query}: {rows:?} is not one row") };
        row.values().next().unwrap_or_else(|| panic!("{query}: no column")).clone()
    }

    /// All that `zonelake sql` says to a query.
    pub(crate) fn sql_output(&self, query: &str, format: &str) -> Output {
        let mut program = self.installation.program();
        program.env("ZONELAKE_PASSWORD", &self.password);
        program.args(["sql", "--format", format, "-c", query]).output().expect("the program can be started")
    }

    /// Writes line protocol; returns status and body.
    pub(crate) fn write(&self, token: &str, lines: &str) -> (u16, String) {
        let url = self.installation.url("/api/v2/write?precision=s");
        let answer = agent().post(url).header("Authorization", format!("Token {token}")).send(lines);
        let mut answer = answer.expect("the server answers");
        let body = answer.body_mut().read_to_string().unwrap_or_default();
        (answer.status().as_u16(), body)
    }

    /// Writes rows of one device, one a second from `start`, and expects that they are acknowledged.
    pub(crate) fn write_rows(&self, token: &str, device: &str, start: u64, rows: u64) {
        let (status, body) = self.write(token, &lines(device, start, rows));
        assert_eq!(status, 204, "{body}\n{}", self.installation.log());
    }

    fn await_health(&mut self) {
        let url = self.installation.url("/health");
        let up = wait_for(|| {
            if let Some(status) = self.process.try_wait().expect("its state can be asked") {
                panic!("the server ended with {status}:\n{}", self.installation.log());
            }
            agent().get(&url).call().ok().filter(|answer| answer.status().is_success()).map(drop)
        });
        assert!(up.is_some(), "the server does not get healthy:\n{}", self.installation.log());
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Rows of table `environment` as line protocol: temperature is the row's second, wind speed a tenth of it.
pub(crate) fn lines(device: &str, start: u64, rows: u64) -> String {
    let line = |row: u64| {
        let temperature = row % 50;
        format!("environment,device={device} temperature={temperature},wind_speed={} {}\n", row % 30, start + row)
    };
    (0..rows).map(line).collect()
}

/// An HTTP client that takes every status for an answer.
pub(crate) fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(30))).build().into()
}

/// Bytes as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every file below a folder whose name ends so, in the order of their names.
pub(crate) fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Asks again and again until there is an answer, for a minute at most.
pub(crate) fn wait_for<T>(mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    const STEP: Duration = Duration::from_millis(20);
    const STEPS: usize = 3_000;
    (0..STEPS).find_map(|_| {
        let found = ready();
        if found.is_none() {
            sleep(STEP);
        }
        found
    })
}

fn end(process: &mut Child) {
    // An error says that it has ended already.
    drop(process.kill());
    drop(process.wait());
}

/// A port that nobody has, and that nobody gets until the server asks for it: each is given out once, below those that the
/// system gives to whoever does not choose.
pub(crate) fn free_port(is_free: impl Fn(u16) -> bool) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let of_process = u16::try_from(std::process::id() % 100).expect("below 100") * 100;
    let ports = || FIRST_PORT + (of_process + NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
    std::iter::repeat_with(ports).take(PORTS.into()).find(|port| is_free(*port)).expect("a free port")
}

const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 10_000;
