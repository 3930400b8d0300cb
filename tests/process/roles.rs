//! Roles that read, changed beside a running server.

use std::process::Output;
use std::thread::sleep;
use std::time::Duration;

use crate::installation::{Installation, text};

fn ask(place: &Installation, user: &str, password: &str) -> Output {
    let mut program = place.program();
    program.env("ZONELAKE_USER", user).env("ZONELAKE_PASSWORD", password);
    program.args(["sql", "--format", "csv", "-c", "select count(*) as zones from zones"]).output().expect("started")
}

#[test]
fn a_role_is_added_given_another_password_and_removed_while_the_server_runs() {
    let place = Installation::new();
    let _server = place.first_start();
    let added = place.run(&["role", "add", "grafana", "--statement-seconds-max", "10", "--running-max", "4"]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let printed = text(&added.stdout);
    let password = printed.trim();
    assert!(!password.is_empty() && !text(&added.stderr).contains(password), "the password is shown once");
    let answered = ask(&place, "grafana", password);
    assert!(answered.status.success(), "{}", text(&answered.stderr));
    assert!(text(&answered.stdout).starts_with("zones"));

    assert!(place.run(&["role", "set", "grafana", "--running-max", "none"]).status.success());
    let listed = text(&place.run(&["role", "list"]).stdout);
    let role = listed.lines().find(|line| line.starts_with("grafana")).expect("it is listed");
    assert_eq!(role.split_whitespace().collect::<Vec<_>>(), ["grafana", "10", "none", "none"]);

    let printed = text(&place.run(&["role", "password", "grafana"]).stdout);
    let next = printed.trim();
    let is_taken = |password: &str| ask(&place, "grafana", password).status.success();
    let soon = |done: &dyn Fn() -> bool| {
        (0..100).any(|_| {
            sleep(Duration::from_millis(100));
            done()
        })
    };
    assert!(soon(&|| is_taken(next)), "the new password opens");
    assert!(!is_taken(password), "the old one does not");

    assert!(place.run(&["role", "remove", "grafana"]).status.success());
    assert!(soon(&|| !is_taken(next)), "a role that was removed is answered no more");
}

#[test]
fn what_cannot_be_done_with_a_role_is_said_by_name() {
    let place = Installation::new();
    drop(place.first_start());
    for (arguments, said) in [
        (&["role", "add", "Grafana"][..], "Grafana"),
        (&["role", "add", "admin"], "admin"),
        (&["role", "add", "a", "--memory-bytes-max", "1000"], "1048576"),
        (&["role", "add", "a", "--running-max", "many"], "many"),
        (&["role", "set", "nobody", "--running-max", "1"], "nobody"),
        (&["role", "remove", "admin"], "admin"),
        (&["role", "password", "nobody"], "nobody"),
    ] {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(said), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
