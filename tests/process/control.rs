//! The control channel: commands beside a running server, on the folder of a stopped one, and over the network.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;

use crate::installation::{Installation, ZONE, text};

fn socket(of: &Installation) -> PathBuf {
    of.data().join("control.sock")
}

#[test]
fn a_gateway_that_is_added_beside_a_running_server_may_write_when_the_command_returns() {
    let installation = Installation::new();
    let server = installation.first_start();
    let file = std::fs::metadata(socket(&installation)).expect("a running server has its socket");
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600, "it is its owner's alone");

    let added = installation.run(&["gateway", "add", "north", "--zone", ZONE]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let token = text(&added.stdout).trim().to_owned();
    let (status, body) = server.write(&token, "environment,device=a temperature=1 1767225600\n");
    assert_eq!(status, 204, "{body}");

    let revoked = installation.run(&["gateway", "revoke", "north"]);
    assert!(revoked.status.success(), "{}", text(&revoked.stderr));
    let (status, _) = server.write(&token, "environment,device=a temperature=2 1767225601\n");
    assert_eq!(status, 401, "a revoked token is refused when the command returns");

    server.terminate();
    assert!(!socket(&installation).exists(), "a server that ends takes its socket away");
}

#[test]
fn without_a_server_commands_work_on_the_folder_and_a_socket_left_by_a_kill_is_no_server() {
    let installation = Installation::new();
    let server = installation.first_start();
    let password = server.password().to_owned();
    server.kill();
    assert!(socket(&installation).exists(), "a kill leaves the socket");
    let added = installation.run(&["role", "add", "grafana", "--running-max", "2"]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let _server = installation.restart(&password);
    let listed = text(&installation.run(&["role", "list"]).stdout);
    assert!(listed.lines().any(|line| line.starts_with("grafana")), "{listed}");
}

#[test]
fn a_folder_in_use_without_a_socket_is_not_written_to() {
    let installation = Installation::new();
    let _server = installation.first_start();
    std::fs::remove_file(socket(&installation)).expect("the socket is there");
    let added = installation.run(&["gateway", "add", "north", "--zone", ZONE]);
    assert_eq!(added.status.code(), Some(5), "{}", text(&added.stderr));
    assert!(text(&added.stderr).contains("in use"), "{}", text(&added.stderr));
}

#[test]
fn a_server_on_the_network_is_administered_with_the_administrators_password_alone() {
    let installation = Installation::new();
    let server = installation.first_start();
    let url = installation.url("");
    let run = |password: &str, arguments: &[&str]| {
        let mut program = installation.program();
        program.env_remove("ZONELAKE_DATA").env("ZONELAKE_PASSWORD", password);
        program.args(arguments).args(["--server", &url]).output().expect("the program can be started")
    };
    let added = run(server.password(), &["gateway", "add", "a b/c", "--zone", ZONE]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let listed = run(server.password(), &["gateway", "list"]);
    assert!(text(&listed.stdout).contains("a b/c"), "{}{}", text(&listed.stdout), text(&listed.stderr));
    let revoked = run(server.password(), &["gateway", "revoke", "a b/c"]);
    assert!(revoked.status.success(), "{}", text(&revoked.stderr));
    assert_eq!(run("wrong", &["gateway", "list"]).status.code(), Some(4));

    let role = run(server.password(), &["role", "add", "grafana"]);
    let mut as_grafana = installation.program();
    as_grafana.env("ZONELAKE_USER", "grafana").env("ZONELAKE_PASSWORD", text(&role.stdout).trim());
    let refused = as_grafana.args(["gateway", "list", "--server", &url]).output().expect("started");
    assert_eq!(
        refused.status.code(),
        Some(4),
        "a role that is not the administrator's may not: {}",
        text(&refused.stderr)
    );
    let unknown = run(server.password(), &["gateway", "revoke", "nobody"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", text(&unknown.stderr));
}

#[test]
fn a_data_folder_with_a_path_longer_than_a_sockets_may_be_is_administered_too() {
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    let deep = root.path().join("d".repeat(100)).join("data");
    let installation = Installation::new().with_data(deep);
    let _server = installation.first_start();
    let added = installation.run(&["gateway", "add", "north", "--zone", ZONE]);
    assert!(added.status.success(), "{}", text(&added.stderr));
}
