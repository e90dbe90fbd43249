//! Check of AWS Signature Version 4, by the vendor's description and independent of the client.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use integration::http_server::RequestHead;
use sha2::{Digest, Sha256};

/// The parts of the header `Authorization`.
struct Authorization<'h> {
    key_id: &'h str,
    /// Date, region, service and `aws4_request`.
    scope: Vec<&'h str>,
    signed_headers: &'h str,
    signature: &'h str,
}

impl<'h> Authorization<'h> {
    fn parse(header: &'h str) -> Option<Self> {
        let parts = header.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let parts: BTreeMap<&str, &str> =
            parts.split(',').filter_map(|part| part.trim().split_once('=')).collect();
        let mut scope: Vec<&str> = parts.get("Credential")?.split('/').collect();
        let key_id = scope.remove(0);
        let (signed_headers, signature) = (parts.get("SignedHeaders")?, parts.get("Signature")?);
        (scope.len() == 4).then_some(Self { key_id, scope, signed_headers, signature })
    }
}

/// Returns the code of the error of a request that is not signed with this key.
pub(crate) fn check(request: &RequestHead, key_id: &str, secret: &str) -> Result<(), &'static str> {
    let header = |name: &str| request.headers.get(name).map(String::as_str);
    let authorization = header("authorization").ok_or("AccessDenied")?;
    let authorization = Authorization::parse(authorization).ok_or("AuthorizationHeaderMalformed")?;
    if authorization.key_id != key_id {
        return Err("InvalidAccessKeyId");
    }
    let time = header("x-amz-date").ok_or("AccessDenied")?;
    let payload = header("x-amz-content-sha256").ok_or("MissingSecurityHeader")?;
    if payload != "UNSIGNED-PAYLOAD" && payload != hex(&Sha256::digest(b"")) {
        return Err("XAmzContentSHA256Mismatch");
    }
    let names: Vec<&str> = authorization.signed_headers.split(';').collect();
    let must_be_signed = request.headers.keys().filter(|name| name.starts_with("x-amz-"));
    if !names.contains(&"host") || !must_be_signed.clone().all(|name| names.contains(&name.as_str())) {
        return Err("AccessDenied");
    }
    let (path, query) = request.target.split_once('?').unwrap_or((request.target.as_str(), ""));
    let mut headers = String::new();
    for name in &names {
        let value = header(name).ok_or("AccessDenied")?;
        headers.push_str(&format!("{name}:{}\n", value.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    let canonical = format!(
        "{}\n{path}\n{}\n{headers}\n{}\n{payload}",
        request.method,
        canonical_query(query),
        authorization.signed_headers
    );
    let scope = &authorization.scope;
    let text = format!(
        "AWS4-HMAC-SHA256\n{time}\n{}\n{}",
        scope.join("/"),
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let first = format!("AWS4{secret}").into_bytes();
    let key = scope.iter().fold(first, |key, part| hmac(&key, part.as_bytes()));
    let expected = hex(&hmac(&key, text.as_bytes()));
    if expected == authorization.signature { Ok(()) } else { Err("SignatureDoesNotMatch") }
}

/// Returns the parameters in order, encoded in the one permitted form.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (encoded(&name), encoded(&value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    hmac.update(text);
    hmac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The examples of the vendor's documentation.
#[test]
fn documented_signatures_are_valid_and_others_are_not() {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let signed = |target: &str, range: Option<&str>, signature: &str, secret: &str| {
        let names = if range.is_some() {
            "host;range;x-amz-content-sha256;x-amz-date"
        } else {
            "host;x-amz-content-sha256;x-amz-date"
        };
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders={names},Signature={signature}"
        );
        let pairs = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("x-amz-content-sha256", empty),
            ("x-amz-date", "20130524T000000Z"),
            ("authorization", &authorization),
        ];
        let pairs = pairs.into_iter().chain(range.map(|range| ("range", range)));
        let headers = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let head = RequestHead { method: "GET".to_owned(), target: target.to_owned(), headers };
        check(&head, "AKIAIOSFODNN7EXAMPLE", secret)
    };
    let object = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
    assert_eq!(signed("/test.txt", Some("bytes=0-9"), object, secret), Ok(()));
    let list = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
    assert_eq!(signed("/?max-keys=2&prefix=J", None, list, secret), Ok(()));
    let mismatch = Err("SignatureDoesNotMatch");
    assert_eq!(signed("/test.txt", Some("bytes=0-8"), object, secret), mismatch);
    assert_eq!(signed("/other.txt", Some("bytes=0-9"), object, secret), mismatch);
    assert_eq!(signed("/?max-keys=2&prefix=K", None, list, secret), mismatch);
    assert_eq!(signed("/test.txt", Some("bytes=0-9"), object, &secret[1..]), mismatch);
}
