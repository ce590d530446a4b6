//! The HTTP client that `object_store` is given: ours, so that there is one TLS stack and one set of rules.
//!
//! No redirect is followed, and an answer other than 2xx comes back as an error that holds it, its body up to a
//! limit. Of the stores' own errors nothing is read but that.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, RetryConfig};
use reqwest::redirect::Policy;
use reqwest::{Body, Url};

use super::trouble::{Answer, Asked, Silence};
use crate::sink::encrypted::plain_to_another_machine;
use crate::sink::settings::Reach;
use crate::sink::{Pace, PacedBody, SinkError};

/// So much of an answer that says no is read.
const ANSWER_BYTES_MAX: usize = 16 << 10;
const USER_AGENT: &str = concat!("livecosmos/", env!("CARGO_PKG_VERSION"));

/// One attempt: the uploader makes the next.
pub(super) fn no_retry() -> RetryConfig {
    RetryConfig { max_retries: 0, backoff: BackoffConfig::default(), ..RetryConfig::default() }
}

/// Makes clients of one store, and of whoever gives credentials for it.
#[derive(Debug)]
pub(super) struct Connector {
    /// Host and port of the store.
    authority: String,
    allow_http: bool,
    connect_timeout: std::time::Duration,
}

impl Connector {
    /// For the store at `endpoint`; `section` is that of the configuration.
    ///
    /// # Errors
    /// [`SinkError::Fatal`] where that is no address, or one that may not be spoken to.
    pub(super) fn new(endpoint: &str, reach: &Reach, section: &str) -> Result<Self, SinkError> {
        let url = Url::parse(endpoint).ok().filter(Url::has_host);
        let Some(url) = url.filter(|url| url.query().is_none() && url.fragment().is_none()) else {
            return Err(SinkError::Fatal(format!(
                "endpoint '{endpoint}' in [{section}] is no address; use https://host or https://host:port"
            )));
        };
        if !reach.allow_http && plain_to_another_machine(endpoint).is_some() {
            return Err(SinkError::Fatal(format!(
                "{endpoint} is not encrypted; use https, or set allow_http = true in [{section}]"
            )));
        }
        Ok(Self {
            authority: url.authority().to_owned(),
            allow_http: url.scheme() == "http",
            connect_timeout: reach.connect_timeout,
        })
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // Asked for by `object_store` alone, for the service that gives a machine of that cloud its identity: it
        // is reached by plain HTTP, on the link, and by no proxy.
        let is_of_machine =
            options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|allowed| allowed == "true");
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .https_only(!self.allow_http && !is_of_machine)
            .connect_timeout(self.connect_timeout);
        if is_of_machine {
            builder = builder.no_proxy();
        }
        let inner = builder.build().map_err(|error| object_store::Error::Generic {
            store: "HTTP client",
            source: Box::new(error),
        })?;
        Ok(HttpClient::new(Speaker { inner, authority: self.authority.clone() }))
    }
}

/// Sends requests, and turns what is no success into errors.
#[derive(Debug)]
struct Speaker {
    inner: reqwest::Client,
    authority: String,
}

impl Speaker {
    fn asked(&self, request: &HttpRequest) -> Asked {
        let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        if authority == self.authority { Asked::Store } else { Asked::Credentials(authority) }
    }
}

/// Goes with a put whose bytes leave at a pace.
#[derive(Debug, Clone)]
pub(super) struct Paced {
    pub(super) bytes: Bytes,
    pub(super) pace: Pace,
}

impl Speaker {
    /// Sends the same bytes at their pace; neither cloud signs them.
    async fn call_paced(&self, request: HttpRequest, paced: Paced) -> Result<HttpResponse, HttpError> {
        let (head, _) = request.into_parts();
        let url = head.uri.to_string();
        let body = Body::wrap(PacedBody::new(paced.bytes, paced.pace));
        let request = self.inner.request(head.method, url).headers(head.headers).body(body);
        let mut response = request.send().await.map_err(|error| {
            let kind = if error.is_timeout() { HttpErrorKind::Timeout } else { HttpErrorKind::Unknown };
            HttpError::new(kind, error.without_url())
        })?;
        let mut body = Vec::new();
        // Of an answer to a put nothing is needed but its head, and its words where it says no.
        while body.len() < ANSWER_BYTES_MAX
            && let Ok(Some(chunk)) = response.chunk().await
        {
            body.extend(chunk.iter().take(ANSWER_BYTES_MAX - body.len()));
        }
        let mut answer = HttpResponse::new(Bytes::from(body).into());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        Ok(answer)
    }
}

#[async_trait]
impl HttpService for Speaker {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let asked = self.asked(&request);
        let response = match request.extensions().get::<Paced>().cloned() {
            Some(paced) => self.call_paced(request, paced).await,
            None => self.inner.call(request).await,
        };
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                let kind = error.kind();
                return Err(HttpError::new(kind, Silence::of(asked, kind, &error)));
            }
        };
        if response.status().is_success() {
            return Ok(response);
        }
        Err(HttpError::new(HttpErrorKind::Unknown, read_answer(asked, response).await))
    }
}

async fn read_answer(asked: Asked, response: HttpResponse) -> Answer {
    let (head, body) = response.into_parts();
    let mut words = Vec::new();
    let mut chunks = body.bytes_stream();
    // What is wrong with the words changes nothing: the status stands.
    while words.len() < ANSWER_BYTES_MAX
        && let Ok(Some(chunk)) = chunks.try_next().await
    {
        words.extend(chunk.iter().take(ANSWER_BYTES_MAX - words.len()));
    }
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    Answer::read(asked, head.status.as_u16(), header, &words)
}
