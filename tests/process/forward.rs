//! `zonelake forward`: lines of any program, once, whatever is down meanwhile.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::installation::{Installation, Server, free_port, text, wait_for};

fn forward(place: &Installation, token: &str, arguments: &[&str]) -> Command {
    let mut program = place.program();
    program.env("ZONELAKE_TOKEN", token).env("ZONELAKE_SERVER", place.quic_address());
    program.args(["forward", "--spool", "spool", "--batch-ms", "20"]).args(arguments);
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    program
}

/// Gives a command its standard input, and waits for its end.
fn run(mut command: Command, input: &str) -> Output {
    let mut process = command.spawn().expect("it can be started");
    let mut stdin = process.stdin.take().expect("it has a standard input");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    process.wait_with_output().expect("it ends")
}

fn terminate(process: Child) -> Output {
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw).expect("it has a pid");
    kill_process(pid, Signal::TERM).expect("it can be told to end");
    process.wait_with_output().expect("it ends")
}

/// Lines of one device, a second apart.
fn lines(from: u64, count: u64) -> String {
    let mut lines = String::new();
    for n in from..from + count {
        writeln!(lines, "environment,device=d1 temperature={} {}000000000", n % 40, 1_767_225_600 + n)
            .expect("a String grows as needed");
    }
    lines
}

fn rows(server: &Server<'_>) -> (u64, u64) {
    let count = |what: &str| server.sql_value(&format!("select {what} from environment")).as_u64().expect("a count");
    (count("count(*)"), count("count(distinct time)"))
}

#[test]
fn lines_of_standard_input_wait_in_the_spool_while_the_server_is_down_and_are_stored_once() {
    let place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    server.kill();

    let output = run(forward(&place, &token, &["--give-up", "1"]), &lines(0, 20_000));
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("wait in the spool"), "{}", text(&output.stderr));

    let server = place.restart(&password);
    let more = format!("# comment\n\n{}environment,device=d2 temperature=7\n", lines(20_000, 5));
    let output = run(forward(&place, &token, &[]), &more);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(rows(&server), (20_006, 20_006));
    let age = "select extract(epoch from now() - max(time)) < 60 from environment where device = 'd2'";
    assert_eq!(server.sql_value(age), true, "a line without a time has that of its arrival");
    // What was sent is not sent again.
    assert!(run(forward(&place, &token, &[]), "").status.success());
    assert_eq!(rows(&server), (20_006, 20_006));
}

#[test]
fn lines_of_sockets_are_stored_once_over_kills_of_the_server_and_an_end_of_the_forwarder() {
    let place = Installation::new();
    let server = place.first_start();
    let (password, token) = (server.password().to_owned(), place.add_gateway("g"));
    let port = free_port(|port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok());
    let address = format!("127.0.0.1:{port}");
    let arguments = ["--listen", &address, "--unix", "lines.sock"];
    let start = || {
        let forwarder = forward(&place, &token, &arguments).spawn().expect("it can be started");
        assert!(wait_for(|| TcpStream::connect(&address).ok()).is_some(), "it listens");
        forwarder
    };
    let forwarder = start();
    TcpStream::connect(&address).expect("it listens").write_all(lines(0, 5_000).as_bytes()).expect("it reads");
    assert!(wait_for(|| (rows(&server).0 > 0).then_some(())).is_some(), "some have arrived");
    server.kill();
    let socket = place.root().join("lines.sock");
    UnixStream::connect(&socket).expect("it listens").write_all(lines(5_000, 5_000).as_bytes()).expect("it reads");
    // SIGTERM takes what has come into the spool.
    std::thread::sleep(Duration::from_millis(300));
    let output = terminate(forwarder);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!socket.exists(), "the socket goes with its process");

    let server = place.restart(&password);
    let forwarder = start();
    let all = wait_for(|| (rows(&server).0 >= 10_000).then_some(()));
    assert!(all.is_some(), "{:?}", rows(&server));
    assert_eq!(rows(&server), (10_000, 10_000));
    drop(terminate(forwarder));
}

#[test]
fn a_line_that_no_table_can_take_harms_no_other_and_is_told() {
    let place = Installation::new();
    let server = place.first_start();
    let token = place.add_gateway("g");
    let input = format!("../../etc,device=a v=1 1\n{},device= no\nÜ v=1\n", lines(0, 10));
    let output = run(forward(&place, &token, &[]), &input);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let told = text(&output.stderr);
    assert!(told.contains("../../etc") && told.contains("3 lines are left out"), "{told}");
    assert_eq!(rows(&server), (10, 10));
    assert!(!place.root().join("etc").exists());
}
