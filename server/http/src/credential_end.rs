//! End of requests whose token is revoked or expires while they run: their work is dropped, and a response that has begun breaks
//! off. A request with a password is not concerned.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use zonelake_net::{Authenticator, Credentials};

/// Routes whose requests end with the tokens that they show. Whether a token opens anything is for the routes to say.
pub fn ending_with_credentials(routes: Router, authenticator: Arc<Authenticator>) -> Router {
    routes.layer(from_fn_with_state(authenticator, serve))
}

async fn serve(State(authenticator): State<Arc<Authenticator>>, request: Request, next: Next) -> Response {
    let Some(credential) = shown_token(&request).and_then(|token| authenticator.credential(&token)) else {
        return next.run(request).await;
    };
    let response = tokio::select! {
        response = next.run(request) => response,
        () = credential.clone().ended() => return refused(),
    };
    // One that ended in the same moment as its credential shows nothing more.
    if !credential.holds() {
        return refused();
    }
    response.map(|body| Body::new(EndingBody { body, ended: Box::pin(credential.ended()) }))
}

fn refused() -> Response {
    (StatusCode::UNAUTHORIZED, "the token was revoked or has expired\n").into_response()
}

/// Token of a request, wherever clients put it: as a token, as a password, or as the parameter `p` of a write.
fn shown_token(request: &Request) -> Option<String> {
    let Some(header) = request.headers().get(AUTHORIZATION) else {
        let parameters = request.uri().query()?.split('&');
        return parameters.filter_map(|pair| pair.strip_prefix("p=")).next_back().map(str::to_owned);
    };
    match Credentials::parse(header.to_str().ok()?)? {
        // Clients of InfluxDB put a user's name before it.
        Credentials::Token(token) => token.rsplit(':').next().map(str::to_owned),
        Credentials::Basic { password, .. } => Some(password),
    }
}

/// Body of a response that breaks off when its credential ends.
struct EndingBody {
    body: Body,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl HttpBody for EndingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.ended.as_mut().poll(context).is_ready() {
            let error = io::Error::new(io::ErrorKind::PermissionDenied, "the token was revoked or has expired");
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(header: Option<&str>, uri: &str) -> Option<String> {
        let mut request = Request::builder().uri(uri);
        if let Some(header) = header {
            request = request.header(AUTHORIZATION, header);
        }
        shown_token(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn a_token_is_found_wherever_clients_put_it() {
        let plain = "/api/v1/sql";
        for header in ["Bearer zr_a", "Token zr_a", "Token user:zr_a", "Basic YWRtaW46enJfYQ==", "Basic YWRtaW46enJfYQ"]
        {
            assert_eq!(shown(Some(header), plain).as_deref(), Some("zr_a"), "{header}");
        }
        assert_eq!(shown(None, "/write?db=x&p=zl_b").as_deref(), Some("zl_b"));
        assert_eq!(shown(None, plain), None);
        assert_eq!(shown(Some("Digest x"), "/write?p=zl_b"), None, "a header that cannot be read is no token");
    }
}
