//! Sends requests, and reads answers up to a limit.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Body, Certificate, Identity, RequestBuilder, Url};
use secrecy::{ExposeSecret as _, SecretString};

use super::answer::Answer;
use super::settings::{HttpSettings, Login, Method};
use crate::base64;
use crate::secret::Secret;
use crate::sink::encrypted::plain_to_another_machine;
use crate::sink::pem::{file, no_pem};
use crate::sink::{Object, PacedBody, SinkError, labels, longest_way};

/// So much of an answer is read.
const ANSWER_BYTES_MAX: usize = 16 << 10;
const USER_AGENT: &str = concat!("livecosmos/", env!("CARGO_PKG_VERSION"));

/// A client of one endpoint.
#[derive(Debug)]
pub(super) struct Client {
    inner: reqwest::Client,
    url: Url,
    method: Method,
    login: Login,
    request_timeout: Duration,
    /// For messages: without what may be a secret.
    place: String,
}

impl Client {
    pub(super) fn new(settings: &HttpSettings) -> Result<Self, SinkError> {
        let fatal = |what: String| SinkError::Fatal(what);
        let url = Url::parse(&settings.url).map_err(|error| {
            fatal(format!("the sink's url is no address ({error}); use https://host:port/path"))
        })?;
        let place = settings.describe();
        if !settings.allow_http && plain_to_another_machine(url.as_str()).is_some() {
            return Err(fatal(format!(
                "{place} is not encrypted; use https, or set allow_http = true in [sink.http]"
            )));
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(own_headers(settings)?)
            .redirect(Policy::none())
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.request_timeout);
        if let Some(ca) = &settings.ca {
            let known = Certificate::from_pem_bundle(&file(ca, "ca")?);
            builder = builder.tls_certs_only(known.map_err(|_| no_pem(ca, "ca"))?);
        }
        if let Some((certificate, key)) = &settings.certificate {
            let mut pem = file(certificate, "certificate")?;
            pem.push(b'\n');
            pem.extend(file(key, "certificate_key")?);
            builder =
                builder.identity(Identity::from_pem(&pem).map_err(|_| no_pem(certificate, "certificate"))?);
        }
        let inner = builder.build().map_err(|error| fatal(format!("{place}: {}", root_of(&error))))?;
        let HttpSettings { method, login, request_timeout, .. } = settings;
        Ok(Self {
            inner,
            url,
            method: *method,
            login: login.clone(),
            request_timeout: *request_timeout,
            place,
        })
    }

    pub(super) fn describe(&self) -> &str {
        &self.place
    }

    /// Where the object of `key` goes.
    pub(super) fn address(&self, key: &str) -> Url {
        let mut address = self.url.clone();
        if self.method == Method::Put
            && let Ok(mut path) = address.path_segments_mut()
        {
            path.pop_if_empty().extend(key.split('/'));
        }
        address
    }

    /// Sends a batch.
    pub(super) async fn store(&self, address: &Url, object: &Object) -> Result<Answer, SinkError> {
        let request = match self.method {
            Method::Post => self.inner.post(address.clone()),
            Method::Put => self.inner.put(address.clone()),
        };
        let upload = longest_way(object.bytes.len());
        let request = request.headers(headers(object));
        let (request, paced) = match &object.pace {
            None => (request.body(object.bytes.clone()), Duration::ZERO),
            Some(pace) => {
                let body = PacedBody::new(object.bytes.clone(), pace.clone());
                let takes = pace.left_for(object.bytes.len());
                (request.body(Body::wrap(body)), takes)
            }
        };
        self.answer(request.timeout(self.request_timeout + upload + paced)).await
    }

    /// Asks whether the endpoint is there.
    pub(super) async fn look(&self) -> Result<Answer, SinkError> {
        self.answer(self.inner.head(self.url.clone())).await
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Answer, SinkError> {
        let request = match self.authorization()? {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        let mut response = request.send().await.map_err(|error| self.unanswered(error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        // What is wrong with the words changes nothing: the status stands.
        while body.len() < ANSWER_BYTES_MAX
            && let Ok(Some(chunk)) = response.chunk().await
        {
            body.extend(chunk.iter().take(ANSWER_BYTES_MAX - body.len()));
        }
        Ok(Answer { status, headers, body })
    }

    /// Where `answer` redirects a request to `address`; an error where that is another server.
    pub(super) fn redirected(&self, address: &Url, answer: &Answer) -> Result<Option<Url>, SinkError> {
        let Some(location) = answer.location() else { return Ok(None) };
        let next = address.join(location).ok();
        match next.filter(|next| next.origin() == address.origin()) {
            Some(next) => Ok(Some(next)),
            None => Err(SinkError::Retry(format!(
                "{} redirects to another server, which is not followed; set url to where it is now",
                self.place
            ))),
        }
    }

    fn authorization(&self) -> Result<Option<HeaderValue>, SinkError> {
        let read = |secret: &Secret, name: &str, variable: &str| {
            let read = secret.read(name, &[variable]).map_err(|error| SinkError::Fatal(error.to_string()))?;
            read.ok_or_else(|| {
                SinkError::Fatal(format!(
                    "{}: there is no {name}; set {name}_file in [sink.http], or {variable}",
                    self.place
                ))
            })
        };
        let text = match &self.login {
            Login::None => return Ok(None),
            Login::Bearer(token) => {
                format!("Bearer {}", read(token, "bearer", "LIVECOSMOS_BEARER")?.expose_secret())
            }
            Login::Basic { user, password } => {
                let password = read(password, "password", "LIVECOSMOS_PASSWORD")?;
                let mut text = "Basic ".to_owned();
                base64::push(&mut text, format!("{user}:{}", password.expose_secret()).as_bytes());
                text
            }
        };
        let text = SecretString::from(text);
        let mut value = HeaderValue::from_str(text.expose_secret()).map_err(|_| {
            SinkError::Fatal(format!("{}: the token or password holds a control character", self.place))
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn unanswered(&self, error: reqwest::Error) -> SinkError {
        let place = &self.place;
        let why = root_of(&error.without_url());
        SinkError::Away(format!("{place} does not answer: {why}; check the network, the server and url"))
    }
}

fn own_headers(settings: &HttpSettings) -> Result<HeaderMap, SinkError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        // The value may be a secret.
        let bad = || {
            SinkError::Fatal(format!("header '{name}' under [sink.http.headers] is none that HTTP allows"))
        };
        let header = HeaderName::try_from(name).map_err(|_| bad())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

/// The headers that `object` goes with.
fn headers(object: &Object) -> HeaderMap {
    let header = |(name, value): (String, String)| {
        // Sites, tables and facts are printable ASCII.
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    let mut headers: HeaderMap = labels::of(object).into_iter().filter_map(header).collect();
    // Of an empty body the client says nothing, and some servers then wait for one (RFC 9110, section 8.6).
    if object.bytes.is_empty() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    headers
}

/// The cause beneath what the libraries wrap around it, with the first words where they add to it.
fn root_of(error: &reqwest::Error) -> String {
    let mut root: &dyn std::error::Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    if error.is_timeout() { "it took too long".to_owned() } else { root.to_string() }
}
