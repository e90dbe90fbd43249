//! Requests over HTTP, with bounded responses. A response that is no success is an error, with the code of its body.

use std::pin::Pin;
use std::sync::Arc;

use chassis::Clock;
use domain::Timestamp;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use reqwest::header::LAST_MODIFIED;
use reqwest::{Method, Response};
use url::Url;

use super::error::{Failed, Failure};
use crate::config::SourceSection;
use crate::sources::csv_file::LARGE_FILE_BYTES_MAX;
use crate::sources::http::{self, BodyError, MESSAGE_CHARS_MAX, body, retry_after};

/// The maximum number of bytes of an error. S3 repeats the request in it.
const ERROR_BYTES_MAX: u64 = 64 << 10;

#[derive(Debug, Clone)]
pub(super) struct Service {
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
}

impl Service {
    pub(super) fn new(
        section: &SourceSection,
        endpoint: &Url,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self { http: http::client(section, endpoint).build()?, clock })
    }

    async fn response(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let (parts, _) = request.into_parts();
        let url = parts.uri.to_string().parse::<Url>().map_err(|error| Failure::Response(Box::new(error)))?;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        let is_head = request.method() == Method::HEAD;
        let is_list = request.url().query().is_some();
        let response = self.http.execute(request).await;
        let response = response.map_err(|error| Failure::Transport(error.without_url()))?;
        if !response.status().is_success() {
            return Err(self.failure(response).await);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        if !is_list && !headers.contains_key(LAST_MODIFIED) {
            return Err(Failure::NoLastModified);
        }
        let bytes = if is_head { Vec::new() } else { body(response, LARGE_FILE_BYTES_MAX).await? };
        let mut response = HttpResponse::new(bytes.into());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    async fn failure(&self, response: Response) -> Failure {
        let status = response.status().as_u16();
        let now = Timestamp::from_micros(self.clock.wall_micros());
        let retry_at = retry_after(response.headers(), now);
        // A body that can't be read changes nothing about the status.
        let body = body(response, ERROR_BYTES_MAX).await.unwrap_or_default();
        let body = String::from_utf8_lossy(&body);
        let message = element(&body, "Message").unwrap_or(if body.starts_with('<') { "" } else { &body });
        Failure::Status {
            status,
            code: element(&body, "Code").unwrap_or_default().chars().take(MESSAGE_CHARS_MAX).collect(),
            message: message.trim().chars().take(MESSAGE_CHARS_MAX).collect(),
            retry_at,
        }
    }
}

/// Returns the content of the first element of this name, which has no attributes.
fn element<'b>(body: &'b str, name: &str) -> Option<&'b str> {
    let (_, content) = body.split_once(&format!("<{name}>"))?;
    Some(content.split_once(&format!("</{name}>"))?.0)
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Transport(cause) => Self::Transport(cause),
            BodyError::TooLarge { bytes, max } => Self::TooLarge { bytes, max },
        }
    }
}

impl HttpConnector for Service {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for Service {
    fn call<'s, 'r>(
        &'s self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'r>>
    where
        's: 'r,
        Self: 'r,
    {
        Box::pin(async move {
            let response = self.response(request).await;
            response.map_err(|failure| HttpError::new(HttpErrorKind::Unknown, Failed::new(failure)))
        })
    }
}
