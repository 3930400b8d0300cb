//! `zonelake demo`: options, and the steps of the demonstration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use zonelake_server::Server;
use zonelake_settings::Settings;

use super::gateway::gateway;
use super::{known, questions, recordings, simulated};
use crate::error::{CliError, long_help};

const EXAMPLES: &str = "Examples:
  zonelake demo
  zonelake demo --seconds 60 --keep
  zonelake demo --data ./my-zones --keep

Exit code 3: a reading that was sent is not found exactly once.";

/// Show the main job: start a server, send real and simulated readings to it, ask SQL, check that nothing is missing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct DemoOptions {
    /// Seconds for which the simulated zones send
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,

    /// Leave the server running afterwards, until Ctrl-C
    #[arg(long)]
    pub keep: bool,

    /// Empty or missing folder to use and to leave in place; without it a temporary one is used and removed
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
}

/// Runs the demonstration.
///
/// # Errors
/// Where a part fails, or a reading that was sent is not found exactly once.
pub(crate) fn run(options: &DemoOptions) -> Result<(), CliError> {
    let temporary = tempfile::tempdir().map_err(CliError::failed)?;
    let data = options.data.clone().unwrap_or_else(|| temporary.path().join("zonelake-data"));
    refuse_used(&data)?;
    crate::server_log::start("warn")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(zonelake_server::STACK_BYTES)
        .enable_all()
        .build()
        .map_err(CliError::failed)?;
    runtime.block_on(show(options, &data))
}

async fn show(options: &DemoOptions, data: &Path) -> Result<(), CliError> {
    let settings = settings(data)?;
    let ca = settings.http.certificate.clone();
    let server = Server::start(&settings).await?;
    let started = server.started.clone();
    let password = started.first_password.clone().ok_or_else(|| CliError::input("the data folder is not new"))?;
    println!("Zonelake runs in {}, QUIC on {}, HTTP on {}\n", data.display(), started.quic, started.http);

    let zones = simulated::ZONES.map(|zone| gateway(&server, zone));
    let zones = zones.into_iter().collect::<Result<Vec<_>, _>>()?;
    known::bring(&server)?;
    let recorded = recordings::push_recordings(&zones[0].connection, &zones[0].token).await?;
    let sent = simulated::send(&zones, Duration::from_secs(options.seconds)).await?;

    let client = questions::Asker::new(&started, &password, ca)?;
    let result = tokio::task::spawn_blocking(move || {
        client.show_answers()?;
        client.check(&recorded, &sent)
    });
    let result = result.await.map_err(CliError::failed)?;
    if options.keep && result.is_ok() {
        let scheme = if started.http_has_tls { "https" } else { "http" };
        println!("\nThe server goes on until Ctrl-C. In another terminal:");
        println!("  ZONELAKE_PASSWORD={password} zonelake sql --url {scheme}://{}", started.http);
        println!("  zonelake gateway add my-gateway --zone vung-ang --data {}", data.display());
        tokio::signal::ctrl_c().await.map_err(CliError::failed)?;
    }
    server.stop().await?;
    if result.is_ok() && !options.keep {
        println!("\nNext: `zonelake demo --keep` leaves this server running; `zonelake serve` starts an empty one;");
        println!("the README tells how to add a gateway, push files, and connect other tools.");
    }
    result
}

/// Settings of a server on the default ports, or on free ones where those are taken.
fn settings(data: &Path) -> Result<Settings, CliError> {
    let mut settings = Settings::load(None)?;
    settings.data = data.to_path_buf();
    // Short enough that rows are found in files as well as in memory.
    settings.flush.age_seconds = FLUSH_AGE_SECONDS;
    if std::net::UdpSocket::bind(settings.quic.listen).is_err() {
        settings.quic.listen.set_port(0);
    }
    if std::net::TcpListener::bind(settings.http.listen).is_err() {
        settings.http.listen.set_port(0);
    }
    if std::net::TcpListener::bind(settings.postgres.listen).is_err() {
        settings.postgres.listen.set_port(0);
    }
    Ok(settings)
}

fn refuse_used(data: &Path) -> Result<(), CliError> {
    let is_used = std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        return Err(CliError::input(format!("{} is not empty; the demo needs a folder of its own", data.display())));
    }
    Ok(())
}

/// Age at which the demo's rows go into files.
const FLUSH_AGE_SECONDS: u64 = 3;

#[cfg(test)]
mod tests {
    use super::super::recordings::Recorded;
    use super::super::simulated::SentByTable;
    use super::*;
    use zonelake_server::FailureKind;

    /// Changes what is held to have been sent.
    type Plant = fn(&mut Vec<Recorded>, &mut SentByTable);

    #[tokio::test(flavor = "multi_thread")]
    async fn the_check_finds_whatever_differs_and_ends_with_exit_code_3() {
        // The program chooses it in main; here, whichever test comes first.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder.path().join("data")).unwrap();
        settings.quic.listen.set_port(0);
        settings.http.listen.set_port(0);
        settings.postgres.listen.set_port(0);
        let server = Server::start(&settings).await.unwrap();
        let zones = vec![gateway(&server, simulated::ZONES[0]).unwrap()];
        let recorded = recordings::push_recordings(&zones[0].connection, &zones[0].token).await.unwrap();
        let sent = simulated::send(&zones, Duration::from_secs(1)).await.unwrap();
        let password = server.started.first_password.clone().unwrap();
        let asker = questions::Asker::new(&server.started, &password, None).unwrap();
        tokio::task::spawn_blocking(move || {
            asker.check(&recorded, &sent).unwrap();
            let planted: [(&str, Plant); 6] = [
                ("recording in environment", |recorded, _| recorded[0].rows += 1),
                ("recording in environment", |recorded, _| recorded[0].readings += 1),
                ("recording in energy", |recorded, _| recorded[1].sums[2].1 += 1),
                ("assets of", |_, sent| sent.values_mut().next().unwrap().rows -= 1),
                ("assets of", |_, sent| sent.values_mut().next().unwrap().readings += 1),
                ("assets of", |_, sent| sent.values_mut().next().unwrap().checksum += 1),
            ];
            for (words, plant) in planted {
                let (mut recorded, mut sent) = (recorded.clone(), sent.clone());
                plant(&mut recorded, &mut sent);
                let failure = asker.check(&recorded, &sent).expect_err("a difference is planted");
                assert_eq!(failure.kind(), FailureKind::Unsound);
                assert!(failure.to_string().contains(words), "{failure}");
            }
        })
        .await
        .unwrap();
        server.stop().await.unwrap();
    }
}
