//! The server under load: a process of its own on a new data folder, with the real program and its real settings.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::error::LoadError;

/// A running server and the gateways that it knows.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    program: PathBuf,
    data: PathBuf,
    /// `host:port` for QUIC.
    pub quic: String,
    /// URL for HTTP.
    pub url: String,
    /// Password of the administrator.
    pub password: String,
}

/// A token of one zone.
#[derive(Debug, Clone)]
pub(crate) struct ZoneToken {
    /// Zone.
    pub zone: &'static str,
    /// Secret.
    pub token: String,
}

impl Server {
    /// Starts `program` on a new folder `data`. `settings` are environment variables that go before those of a load test.
    ///
    /// # Errors
    /// Where it cannot be started or does not come up.
    pub(crate) fn start(program: &Path, data: &Path, settings: &[(String, String)]) -> Result<Self, LoadError> {
        let failed = |what: &str, error: std::io::Error| LoadError::Server(format!("{what}: {error}"));
        let tables = data.join("declared");
        std::fs::create_dir_all(&tables).map_err(|error| failed("the data folder", error))?;
        for (name, text) in TABLES {
            std::fs::write(tables.join(name), text).map_err(|error| failed(name, error))?;
        }
        let quic = free_port(UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()))?;
        let http = free_port(TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()))?;
        let printed = data.join("printed.txt");
        let out = File::create(&printed).map_err(|error| failed("its output", error))?;
        let log = File::create(data.join("server.log")).map_err(|error| failed("its log", error))?;
        let store = data.join("store");
        let process = Command::new(program)
            .arg("serve")
            .env("ZONELAKE_DATA", &store)
            .env("ZONELAKE_TABLES", &tables)
            .env("ZONELAKE_QUIC_LISTEN", &quic)
            .env("ZONELAKE_HTTP_LISTEN", &http)
            .env("ZONELAKE_POSTGRES_LISTEN", "127.0.0.1:0")
            .env("ZONELAKE_LOG_LEVEL", "warn")
            .env("ZONELAKE_QUIC_CONNECTIONS_MAX", "20000")
            .env("ZONELAKE_QUIC_CONNECTIONS_PER_ADDRESS_MAX", "20000")
            .env("ZONELAKE_QUIC_HANDSHAKES_MAX", "20000")
            .env("ZONELAKE_QUIC_HANDSHAKES_PER_SECOND_MAX", "20000")
            .env("ZONELAKE_HTTP_CONNECTIONS_MAX", "20000")
            .env("ZONELAKE_HTTP_CONNECTIONS_PER_ADDRESS_MAX", "20000")
            .env("ZONELAKE_HTTP_LIVE_STREAMS_MAX", "20000")
            .env("ZONELAKE_INGEST_NEW_DEVICES_PER_HOUR_MAX", "1000000")
            .env("ZONELAKE_QUERY_TIME_SECONDS_MAX", "600")
            .envs(settings.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(log)
            .spawn()
            .map_err(|error| failed(&program.display().to_string(), error))?;
        let url = format!("http://{http}");
        let mut server =
            Self { process, program: program.into(), data: data.into(), quic, url, password: String::new() };
        server.password = server.await_password(&printed)?;
        Ok(server)
    }

    /// A gateway's token in each of so many zones.
    ///
    /// # Errors
    /// Where the program cannot add them.
    pub(crate) fn add_gateways(&self, zones: usize) -> Result<Vec<ZoneToken>, LoadError> {
        let add = |zone: &'static str| {
            let mut command = Command::new(&self.program);
            command.args(["gateway", "add", &format!("load-{zone}"), "--zone", zone]);
            let output = command.env("ZONELAKE_DATA", self.data.join("store")).output();
            let output = output.map_err(|error| LoadError::Server(format!("gateway add: {error}")))?;
            if !output.status.success() {
                return Err(LoadError::Server(String::from_utf8_lossy(&output.stderr).into_owned()));
            }
            Ok(ZoneToken { zone, token: String::from_utf8_lossy(&output.stdout).trim().to_owned() })
        };
        ZONES.iter().take(zones).map(|zone| add(zone)).collect()
    }

    /// The certificate that gateways are to trust.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.data.join("store/tls/cert.pem")
    }

    /// Process of the server.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends it cleanly, with everything flushed, and has the program check what it leaves.
    ///
    /// # Errors
    /// Where it does not end well or the check finds damage.
    pub(crate) fn stop_and_check(mut self) -> Result<(), LoadError> {
        self.terminate();
        let status = self.process.wait().map_err(|error| LoadError::Server(error.to_string()))?;
        if !status.success() {
            return Err(LoadError::Server(format!("it ended with {status}: {}", self.log())));
        }
        let mut command = Command::new(&self.program);
        let output = command.arg("check").env("ZONELAKE_DATA", self.data.join("store")).output();
        let output = output.map_err(|error| LoadError::Server(format!("check: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        Err(LoadError::Proof(format!("check: {}", String::from_utf8_lossy(&output.stdout))))
    }

    fn await_password(&mut self, printed: &Path) -> Result<String, LoadError> {
        for _ in 0..START_TRIES {
            std::thread::sleep(START_PAUSE);
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(LoadError::Server(format!("it ended with {status}: {}", self.log())));
            }
            let text = std::fs::read_to_string(printed).unwrap_or_default();
            let complete = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
            let line = complete.lines().find(|line| line.contains("password"));
            if let Some(password) = line.and_then(|line| line.split_whitespace().last()) {
                return Ok(password.to_owned());
            }
        }
        Err(LoadError::Server(format!("it did not come up: {}", self.log())))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("server.log")).unwrap_or_default()
    }

    fn terminate(&self) {
        if let Some(pid) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            // The process may have ended already.
            kill_process(pid, Signal::TERM).ok();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            // The run has failed, and the process may have ended already: an error changes nothing.
            self.process.kill().ok();
            self.process.wait().ok();
        }
    }
}

fn free_port(address: std::io::Result<std::net::SocketAddr>) -> Result<String, LoadError> {
    address.map(|address| address.to_string()).map_err(|error| LoadError::Server(format!("no free port: {error}")))
}

/// Tables of the loads, as an operator declares them.
const TABLES: [(&str, &str); 2] = [
    ("loadtest_hundredths.toml", include_str!("../tables/loadtest_hundredths.toml")),
    ("loadtest_plain.toml", include_str!("../tables/loadtest_plain.toml")),
];
/// Zones of the reference data that the simulated gateways stand in.
const ZONES: [&str; 20] = [
    "vung-ang",
    "cau-treo",
    "vung-ang-1",
    "phu-vinh",
    "hoanh-son",
    "gia-lach",
    "bac-thach-ha",
    "vinhomes-vung-ang",
    "nam-hong",
    "duc-tho",
    "trung-luong",
    "ky-ninh",
    "ky-hung",
    "xuan-linh",
    "phu-viet",
    "bac-cam-xuyen",
    "gia-pho",
    "vu-quang",
    "thach-kim",
    "thach-dong",
];
const START_TRIES: usize = 600;
const START_PAUSE: Duration = Duration::from_millis(50);
