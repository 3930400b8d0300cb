//! Messages of the PostgreSQL protocol, version 3 (PostgreSQL's manual, "Message Formats"). Numbers are big-endian;
//! text ends with a zero byte.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 1 | kind, a letter; the first message of a connection has none |
//! | 1 | 4 | length, itself included and the kind not |
//! | 5 | length − 4 | body |
//!
//! Limits: [`STARTUP_BYTES_MAX`] for the first message, [`AUTHENTICATION_BYTES_MAX`] until the client is authenticated,
//! and then the limit of the server.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use zonelake_postgres_values::{put_count, put_sized};

/// Longest first message.
pub(crate) const STARTUP_BYTES_MAX: usize = 10_000;
/// Longest message of a client that is not authenticated.
pub(crate) const AUTHENTICATION_BYTES_MAX: usize = 4_096;

/// Message that breaks the protocol; the connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProtocolError {
    /// Length beyond the limit, or shorter than the length field itself.
    #[error("a message of kind {kind:?} has a length of {length}; {most} bytes are possible")]
    Length {
        /// Letter of the message.
        kind: char,
        /// Length that the message states.
        length: i64,
        /// Limit of the length.
        most: usize,
    },
    /// Body that ends early, has bytes behind its end, or is not UTF-8.
    #[error("a message of kind {0:?} cannot be read")]
    Body(char),
    /// Letter of no message.
    #[error("there is no message of kind {0:?}")]
    Kind(char),
}

/// Object of a Describe or Close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Statement,
    Portal,
}

/// Message of a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClientMessage {
    Query(String),
    Parse {
        statement: String,
        sql: String,
        types: Vec<u32>,
    },
    Bind(Bind),
    Describe {
        target: Target,
        name: String,
    },
    Execute {
        portal: String,
        rows_max: i32,
    },
    Close {
        target: Target,
        name: String,
    },
    Flush,
    Sync,
    Terminate,
    /// Password or a part of SASL.
    Authentication(Bytes),
    /// Any part of a copy into the server, which does not exist here.
    Copy,
}

/// Values for the parameters of a statement, which make a portal of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    pub portal: String,
    pub statement: String,
    pub formats: Vec<i16>,
    pub values: Vec<Option<Bytes>>,
    pub result_formats: Vec<i16>,
}

/// Takes a whole message off the front of the input; `None` where it has not arrived whole.
pub(crate) fn take_message(input: &mut BytesMut, bytes_max: usize) -> Result<Option<ClientMessage>, ProtocolError> {
    if input.len() < 5 {
        return Ok(None);
    }
    let kind = char::from(input[0]);
    let length = i64::from(i32::from_be_bytes([input[1], input[2], input[3], input[4]]));
    let Some(length) = usize::try_from(length).ok().filter(|length| (4..=bytes_max).contains(length)) else {
        return Err(ProtocolError::Length { kind, length, most: bytes_max });
    };
    if input.len() < length + 1 {
        // The length is checked against the limit above, so this reserves no more than is allowed.
        input.reserve(length + 1 - input.len());
        return Ok(None);
    }
    let mut frame = input.split_to(length + 1).freeze();
    // The length counts itself and not the kind in front of it.
    frame.advance(5);
    let mut body = Body(frame);
    let message = read_body(kind, &mut body)?.ok_or(ProtocolError::Body(kind))?;
    if body.0.is_empty() { Ok(Some(message)) } else { Err(ProtocolError::Body(kind)) }
}

/// `Ok(None)` is a body that cannot be read.
fn read_body(kind: char, body: &mut Body) -> Result<Option<ClientMessage>, ProtocolError> {
    Ok(match kind {
        'Q' => body.text().map(ClientMessage::Query),
        'P' => read_parse(body),
        'B' => read_bind(body).map(ClientMessage::Bind),
        'D' => body.target().map(|(target, name)| ClientMessage::Describe { target, name }),
        'C' => body.target().map(|(target, name)| ClientMessage::Close { target, name }),
        'E' => body.text().and_then(|portal| body.i32().map(|rows_max| ClientMessage::Execute { portal, rows_max })),
        'H' => Some(ClientMessage::Flush),
        'S' => Some(ClientMessage::Sync),
        'X' => Some(ClientMessage::Terminate),
        'p' => Some(ClientMessage::Authentication(std::mem::take(&mut body.0))),
        'd' | 'c' | 'f' => {
            // PostgreSQL ignores these too outside of a copy: a client sends them before it learns that the COPY has
            // failed.
            body.0.clear();
            Some(ClientMessage::Copy)
        }
        other => return Err(ProtocolError::Kind(other)),
    })
}

fn read_parse(body: &mut Body) -> Option<ClientMessage> {
    let (statement, sql) = (body.text()?, body.text()?);
    let count = body.count()?;
    let types = (0..count).map(|_| body.i32().map(i32::cast_unsigned)).collect::<Option<_>>()?;
    Some(ClientMessage::Parse { statement, sql, types })
}

fn read_bind(body: &mut Body) -> Option<Bind> {
    let (portal, statement) = (body.text()?, body.text()?);
    let formats = body.formats()?;
    let count = body.count()?;
    let values = (0..count).map(|_| body.value()).collect::<Option<_>>()?;
    let result_formats = body.formats()?;
    Some(Bind { portal, statement, formats, values, result_formats })
}

/// Unread bytes of a body; each read checks that there are enough.
pub(crate) struct Body(pub Bytes);

impl Body {
    fn i16(&mut self) -> Option<i16> {
        self.0.try_get_i16().ok()
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.0.try_get_i32().ok()
    }

    /// Reads a count of items that follow.
    fn count(&mut self) -> Option<u16> {
        self.0.try_get_u16().ok()
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.0.split_to(end);
        self.0.advance(1);
        String::from_utf8(text.into()).ok()
    }

    fn formats(&mut self) -> Option<Vec<i16>> {
        let count = self.count()?;
        (0..count).map(|_| self.i16()).collect()
    }

    fn value(&mut self) -> Option<Option<Bytes>> {
        match self.i32()? {
            -1 => Some(None),
            length => {
                let length = usize::try_from(length).ok().filter(|length| *length <= self.0.len())?;
                Some(Some(self.0.split_to(length)))
            }
        }
    }

    fn target(&mut self) -> Option<(Target, String)> {
        let target = match self.0.try_get_u8().ok()? {
            b'S' => Target::Statement,
            b'P' => Target::Portal,
            _ => return None,
        };
        Some((target, self.text()?))
    }
}

/// Writes a message; the length is filled in when `write` has written the body.
pub(crate) fn put_message(out: &mut BytesMut, kind: u8, write: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    put_sized(out, true, write);
}

/// Writes text and the zero that ends it. A zero within would end it early, so it is left out.
pub(crate) fn put_text(out: &mut BytesMut, text: &str) {
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.put_u8(0);
}

/// State of a transaction as ReadyForQuery has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionStatus {
    Idle,
    Open,
    Failed,
}

/// Column as RowDescription has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnDescription {
    pub name: String,
    pub type_oid: u32,
    pub type_bytes: i16,
}

pub(crate) fn put_ready(out: &mut BytesMut, status: TransactionStatus) {
    put_message(out, b'Z', |out| {
        out.put_u8(match status {
            TransactionStatus::Idle => b'I',
            TransactionStatus::Open => b'T',
            TransactionStatus::Failed => b'E',
        });
    });
}

pub(crate) fn put_row_description(out: &mut BytesMut, columns: &[ColumnDescription], formats: &[i16]) {
    put_message(out, b'T', |out| {
        put_count(out, columns.len());
        for (column, format) in columns.iter().zip(formats) {
            put_text(out, &column.name);
            out.put_i32(0);
            out.put_i16(0);
            // The two fields before are the table and column of origin, and the −1 behind is a type modifier: none.
            out.put_u32(column.type_oid);
            out.put_i16(column.type_bytes);
            out.put_i32(-1);
            out.put_i16(*format);
        }
    });
}

pub(crate) fn put_parameter_description(out: &mut BytesMut, types: &[u32]) {
    put_message(out, b't', |out| {
        put_count(out, types.len());
        types.iter().for_each(|oid| out.put_u32(*oid));
    });
}

pub(crate) fn put_command_complete(out: &mut BytesMut, tag: &str) {
    put_message(out, b'C', |out| put_text(out, tag));
}

pub(crate) fn put_parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    put_message(out, b'S', |out| {
        put_text(out, name);
        put_text(out, value);
    });
}

/// Writes a message without a body.
pub(crate) fn put_bare(out: &mut BytesMut, kind: u8) {
    put_message(out, kind, |_| {});
}

pub(crate) const PARSE_COMPLETE: u8 = b'1';
pub(crate) const BIND_COMPLETE: u8 = b'2';
pub(crate) const CLOSE_COMPLETE: u8 = b'3';
pub(crate) const NO_DATA: u8 = b'n';
pub(crate) const PORTAL_SUSPENDED: u8 = b's';
pub(crate) const EMPTY_QUERY: u8 = b'I';
pub(crate) const COPY_DONE: u8 = b'c';

/// Writes CopyOutResponse, with which the response to COPY TO STDOUT begins.
pub(crate) fn put_copy_out(out: &mut BytesMut, is_binary: bool, columns: usize) {
    put_message(out, b'H', |out| {
        out.put_u8(u8::from(is_binary));
        put_count(out, columns);
        (0..columns).for_each(|_| out.put_i16(i16::from(is_binary)));
    });
}

/// Writes an error or notice with its fields: severity, SQLSTATE, message.
pub(crate) fn put_report(out: &mut BytesMut, kind: u8, severity: &str, sqlstate: &str, message: &str) {
    put_fields(out, kind, [severity, sqlstate, message], &[]);
}

/// Writes an error with further fields, each by its letter; those without a value are left out.
pub(crate) fn put_report_with(
    out: &mut BytesMut,
    severity: &str,
    sqlstate: &str,
    message: &str,
    more: &[(u8, Option<String>)],
) {
    put_fields(out, ERROR, [severity, sqlstate, message], more);
}

fn put_fields(out: &mut BytesMut, kind: u8, [severity, sqlstate, message]: [&str; 3], more: &[(u8, Option<String>)]) {
    put_message(out, kind, |out| {
        let fixed = [(b'S', severity), (b'V', severity), (b'C', sqlstate), (b'M', message)];
        let more = more.iter().filter_map(|(field, value)| Some((*field, value.as_deref()?)));
        for (field, value) in fixed.into_iter().chain(more) {
            out.put_u8(field);
            put_text(out, value);
        }
        out.put_u8(0);
    });
}

pub(crate) const ERROR: u8 = b'E';
pub(crate) const NOTICE: u8 = b'N';

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(kind: u8, body: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        put_message(&mut out, kind, |out| out.extend_from_slice(body));
        out
    }

    #[test]
    fn a_message_is_taken_when_it_has_arrived_whole() {
        let whole = framed(b'Q', b"select 1\0");
        for length in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..length]);
            assert_eq!(take_message(&mut part, 100).unwrap(), None, "{length}");
        }
        let mut two = whole.clone();
        two.extend_from_slice(&framed(b'S', b""));
        assert_eq!(take_message(&mut two, 100).unwrap(), Some(ClientMessage::Query("select 1".into())));
        assert_eq!(take_message(&mut two, 100).unwrap(), Some(ClientMessage::Sync));
        assert!(two.is_empty());
    }

    #[test]
    fn bind_has_formats_values_and_result_formats() {
        let body = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x02ab\xff\xff\xff\xff\0\x01\0\0";
        let expected = Bind {
            portal: "p".into(),
            statement: "s".into(),
            formats: vec![1],
            values: vec![Some(Bytes::from_static(b"ab")), None],
            result_formats: vec![0],
        };
        assert_eq!(take_message(&mut framed(b'B', body), 100).unwrap(), Some(ClientMessage::Bind(expected)));
    }

    #[test]
    fn what_is_too_long_or_cut_or_unknown_is_an_error_and_no_panic() {
        for bytes in [&b"Q\0\0\0\x03"[..], b"Q\x7f\xff\xff\xff", b"Q\xff\xff\xff\xff", b"Q\0\0\0\x65"] {
            let error = take_message(&mut BytesMut::from(bytes), 100).unwrap_err();
            assert!(matches!(error, ProtocolError::Length { .. }), "{error}");
        }
        let bind = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x02ab\xff\xff\xff\xff\0\x01\0\0";
        for length in 0..bind.len() {
            let error = take_message(&mut framed(b'B', &bind[..length]), 100).unwrap_err();
            assert!(matches!(error, ProtocolError::Body('B')), "{length}: {error}");
        }
        for (kind, body) in
            [(b'Q', &b"select 1"[..]), (b'Q', b"a\0b"), (b'Q', b"\xff\0"), (b'D', b"Xa\0"), (b'S', b"a")]
        {
            assert!(matches!(take_message(&mut framed(kind, body), 100), Err(ProtocolError::Body(_))));
        }
        assert!(matches!(take_message(&mut framed(b'?', b""), 100), Err(ProtocolError::Kind('?'))));
    }
}
