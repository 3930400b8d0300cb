//! Startup: who may connect, and what becomes of connections that break the protocol.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{TestServer, connect, sqlstate, texts};

#[tokio::test]
async fn only_who_knows_the_password_comes_in_and_to_the_one_database() {
    let server = TestServer::start().await;
    for (change, expected) in [
        (
            &(|config: &mut tokio_postgres::Config| {
                config.password("wrong password");
            }) as &dyn Fn(&mut _),
            "28P01",
        ),
        (
            &|config: &mut tokio_postgres::Config| {
                config.user("somebody");
            },
            "28P01",
        ),
        (
            &|config: &mut tokio_postgres::Config| {
                config.dbname("other");
            },
            "3D000",
        ),
        (
            &|config: &mut tokio_postgres::Config| {
                config.options("-c timezone=Mars");
            },
            "22023",
        ),
    ] {
        let mut config = server.config();
        change(&mut config);
        let error = connect(&config).await.expect_err("it is refused");
        assert_eq!(sqlstate(&error), expected);
    }
    let mut config = server.config();
    config.options("-c TimeZone=Asia/Ho_Chi_Minh -c statement_timeout=5s");
    let client = connect(&config).await.unwrap();
    assert_eq!(texts(&client, "show timezone").await, ["Asia/Ho_Chi_Minh"]);
    // The database of tools of administration is the one that there is.
    let client = connect(server.config().dbname("postgres")).await.unwrap();
    assert_eq!(texts(&client, "select current_database()").await, ["zonelake"]);
    assert_eq!(server.server.metrics().refused(), 4);
}

#[tokio::test]
async fn what_is_not_the_protocol_ends_the_connection_and_nothing_else() {
    let server = TestServer::start().await;
    let messages: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        &[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f, b'x'],
        &[0, 0, 0, 4],
        &[0xff; 64],
        &[0, 0, 0, 9, 0, 2, 0, 0, 0],
        &[0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 1, 0, 0, 0, 0],
        &[0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0],
    ];
    for message in messages {
        let mut stream = TcpStream::connect(server.server.address()).await.unwrap();
        stream.write_all(message).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(4), stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "{message:?}");
    }
    assert_eq!(texts(&server.client().await, "select 1").await, ["1"]);
}

#[tokio::test]
async fn encryption_is_declined_where_there_is_none_and_the_start_goes_on() {
    let server = TestServer::start().await;
    let mut stream = TcpStream::connect(server.server.address()).await.unwrap();
    for code in [80_877_104_i32, 80_877_103] {
        stream.write_all(&8i32.to_be_bytes()).await.unwrap();
        stream.write_all(&code.to_be_bytes()).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'N');
    }
    stream.write_all(b"\0\0\0\x14\0\x03\0\0user\0admin\0\0").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'R');
}

#[tokio::test]
async fn the_server_stops_and_says_so() {
    let server = TestServer::start().await;
    let client = server.client().await;
    assert_eq!(texts(&client, "select 1").await, ["1"]);
    let TestServer { server, .. } = server;
    tokio::time::timeout(Duration::from_secs(5), server.stop(Duration::from_secs(2))).await.unwrap();
    let error = client.simple_query("select 1").await.unwrap_err();
    assert!(error.is_closed() || sqlstate(&error) == "57P01", "{error}");
}
