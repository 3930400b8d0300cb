//! The shell in which the blocks of one document run.

use std::fmt::Write;
use std::fs::{self, File};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::Duration;

use crate::blocks::{Block, Marker};

/// Longest time that the blocks of one document may take together.
const TIME_MAX: Duration = Duration::from_secs(300);
const STEP: Duration = Duration::from_millis(50);
/// Ports that documents show, in the order of [`Ports`].
const SHOWN_PORTS: [&str; 3] = ["7420", "7421", "7422"];
/// Free ports are looked for from here on: below those that other tests take, and those that the system gives out.
const FIRST_PORT: u16 = 12_000;
const PORTS: u16 = 7_000;
/// Lines of output that a failure shows.
const LINES_SHOWN: usize = 40;

/// Runs all blocks of a document that are to be run.
///
/// # Errors
/// Where a command fails, or all of it takes too long; the message shows the block and its output.
pub(crate) fn run(root: &Path, document: &str, blocks: &[Block]) -> Result<(), String> {
    let folder = Folder::new(document);
    folder.fill(root);
    let ports = Ports::free();
    fs::write(folder.path("session.sh"), script(document, blocks, &ports)).expect("the script can be written");
    let output = |name: &str| File::create(folder.path(name)).expect("output can be kept");
    let shell = Command::new("bash")
        .arg(folder.path("session.sh"))
        .current_dir(folder.path("clone"))
        .env_clear()
        .envs(surroundings(&folder, &ports))
        .stdin(Stdio::null())
        .stdout(output("out"))
        .stderr(output("err"))
        // A group of its own: whatever a block leaves behind ends with it.
        .process_group(0)
        .spawn()
        .expect("bash can be started");
    let ended = wait(shell);
    if ended.is_some_and(|status| status.success()) {
        return Ok(());
    }
    let how = ended.map_or_else(|| format!("not within {TIME_MAX:?}"), |status| status.to_string());
    let step = folder.read("steps").lines().last().unwrap_or("before the first block").to_owned();
    let shown = ["out", "err", "server.out", "server.err"].map(|name| {
        let text = folder.read(name);
        let lines: Vec<&str> = text.lines().collect();
        format!("-- {name}\n{}", lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n"))
    });
    Err(format!("{step}: ended with {how}\n{}", shown.join("\n")))
}

/// Waits for the shell, and ends all that is left of its group.
fn wait(mut shell: Child) -> Option<ExitStatus> {
    let group = format!("-{}", shell.id());
    let steps = TIME_MAX.as_millis() / STEP.as_millis();
    let ended = (0..steps).find_map(|_| {
        let ended = shell.try_wait().expect("the state of the shell can be asked");
        if ended.is_none() {
            sleep(STEP);
        }
        ended
    });
    // An error says that nothing is left.
    Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status().ok();
    if ended.is_none() {
        shell.wait().expect("a killed shell ends");
    }
    ended
}

/// Nothing of the machine but programs: a home of its own, and the addresses that a user's own settings would have.
fn surroundings(folder: &Folder, ports: &Ports) -> Vec<(&'static str, String)> {
    let path = std::env::var("PATH").unwrap_or_default();
    let program = folder.path("clone/target/release");
    vec![
        ("PATH", format!("{}:{path}", program.display())),
        ("HOME", folder.path("home").display().to_string()),
        ("LANG", "C.UTF-8".into()),
        ("STEPS", folder.path("steps").display().to_string()),
        ("SERVER_OUTPUT", folder.path("server").display().to_string()),
        ("HTTP_PORT", ports.http.to_string()),
        ("ZONELAKE_QUIC_LISTEN", format!("127.0.0.1:{}", ports.quic)),
        ("ZONELAKE_HTTP_LISTEN", format!("127.0.0.1:{}", ports.http)),
        ("ZONELAKE_POSTGRES_LISTEN", format!("127.0.0.1:{}", ports.postgres)),
        ("ZONELAKE_SERVER", format!("127.0.0.1:{}", ports.quic)),
        ("ZONELAKE_URL", format!("http://127.0.0.1:{}", ports.http)),
    ]
}

/// What comes before the blocks: the server's end, and the wait until one is healthy.
const PRELUDE: &str = r#"set -euo pipefail
server=
stop_server() {
    [ -n "$server" ] || return 0
    local process=$server children
    server=
    # The server is the only process of the background job, or the job itself.
    children=$(cat "/proc/$process/task/$process/children" 2>/dev/null || true)
    kill -TERM ${children:-$process} 2>/dev/null || true
    wait "$process"
}
is_healthy() (
    exec 9<>"/dev/tcp/127.0.0.1/$HTTP_PORT"
    printf 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&9
    IFS= read -r status <&9
    [[ $status == *' 200 '* ]]
) 2>/dev/null
await_health() {
    local tries
    for ((tries = 0; tries < 1200; tries++)); do
        ! is_healthy || return 0
        kill -0 "$server" 2>/dev/null || { server=; echo 'the server has ended' >&2; return 1; }
        sleep 0.05
    done
    echo 'the server does not get healthy' >&2
    return 1
}
trap 'status=$?; stop_server || status=1; exit "$status"' EXIT
"#;

/// All blocks that run, as one script.
fn script(document: &str, blocks: &[Block], ports: &Ports) -> String {
    let mut script = PRELUDE.to_owned();
    for block in blocks {
        let Marker::Run { name, in_background, needs } = &block.marker else { continue };
        let place = format!("{document}:{} ({name})", block.line);
        if let Some(tool) = needs.iter().find(|tool| !is_there(tool)) {
            // The machine of CI installs all of them, so there nothing is left out in silence.
            assert!(std::env::var_os("CI").is_none(), "{place}: there is no {tool}");
            println!("left out: {place}: there is no {tool}");
            continue;
        }
        let text = with_ports(&block.text, ports);
        let step = format!("printf '%s\\n' '{place}' >>\"$STEPS\"\n");
        let block = if *in_background {
            format!(
                "{step}stop_server\n(\n{text}) >\"$SERVER_OUTPUT.out\" 2>\"$SERVER_OUTPUT.err\" &\nserver=$!\nawait_health\n"
            )
        } else {
            format!("{step}{text}")
        };
        writeln!(script, "\n{block}").expect("text can be added to a text");
    }
    script.push_str("stop_server\n");
    script
}

/// Whether a program is on the path.
fn is_there(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}

/// A block with the ports that it shows replaced; other numbers stay.
fn with_ports(text: &str, ports: &Ports) -> String {
    let mut replaced = text.to_owned();
    for (shown, port) in SHOWN_PORTS.into_iter().zip([ports.quic, ports.http, ports.postgres]) {
        let mut done = String::new();
        let mut rest = replaced.as_str();
        while let Some((before, after)) = rest.split_once(shown) {
            let is_part = before.ends_with(|last: char| last.is_ascii_digit())
                || after.starts_with(|next: char| next.is_ascii_digit());
            done.push_str(before);
            done.push_str(&if is_part { shown.to_owned() } else { port.to_string() });
            rest = after;
        }
        done.push_str(rest);
        replaced = done;
    }
    replaced
}

/// Ports of one document's server.
#[derive(Debug, Clone, Copy)]
struct Ports {
    quic: u16,
    http: u16,
    postgres: u16,
}

impl Ports {
    fn free() -> Self {
        let tcp = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        let udp = |port: u16| UdpSocket::bind(("127.0.0.1", port)).is_ok();
        Self { quic: free_port(udp), http: free_port(tcp), postgres: free_port(tcp) }
    }
}

/// A port that nobody has. Each is given out once in a process, and processes begin at different ones.
fn free_port(is_free: impl Fn(u16) -> bool) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let of_process = u16::try_from(std::process::id() % 70).expect("below 70") * 100;
    // Only that each number comes once is wanted: no order among threads.
    let ports = || FIRST_PORT + (of_process + NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
    std::iter::repeat_with(ports).take(PORTS.into()).find(|port| is_free(*port)).expect("a port is free")
}

/// A temporary folder, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(document: &str) -> Self {
        let name = document.replace(['/', '.'], "-");
        let folder = Self(std::env::temp_dir().join(format!("zonelake-documents-{}-{name}", std::process::id())));
        for below in ["clone/target/release", "home"] {
            fs::create_dir_all(folder.path(below)).expect("a temporary folder can be made");
        }
        folder
    }

    /// Makes it look like a clone in which the program was built.
    fn fill(&self, root: &Path) {
        // What the documents use, and nothing that they write: a link to a user's own back-up or settings would be written through.
        const USED: [&str; 8] = ["README.md", "docs", "gateway", "ingest", "schemas", "src", "dashboards", "tests"];
        for name in USED.iter().filter(|name| root.join(name).exists()) {
            symlink(root.join(name), self.path("clone").join(name)).expect("a link can be made");
        }
        let program = self.path("clone/target/release/zonelake");
        symlink(env!("CARGO_BIN_EXE_zonelake"), program).expect("a link can be made");
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.join(below)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in the folder for temporary files harms nobody.
        fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn only_whole_ports_are_replaced() {
    let ports = Ports { quic: 1, http: 2, postgres: 3 };
    assert_eq!(
        with_ports("psql -p 7422 http://127.0.0.1:7421/x 174210 0.0.0.0:7420", &ports),
        "psql -p 3 http://127.0.0.1:2/x 174210 0.0.0.0:1"
    );
}

#[test]
fn blocks_share_a_shell_and_one_that_fails_is_named_with_its_output() {
    let block = |line, text: &str| {
        let marker = Marker::Run { name: format!("step {line}"), in_background: false, needs: Vec::new() };
        Block { line, text: text.into(), marker }
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let good = [block(1, "WORD=said\ntest -f README.md\n"), block(5, "test \"$WORD\" = said\n")];
    assert_eq!(run(root, "good.md", &good), Ok(()));
    let bad = [block(1, "echo before\n"), block(7, "false\necho never\n")];
    let fault = run(root, "bad.md", &bad).expect_err("the second block fails");
    assert!(fault.starts_with("bad.md:7 (step 7): ended with exit status: 1"), "{fault}");
    assert!(fault.contains("before") && !fault.contains("never"), "{fault}");
}
