//! SHA-256 and its HMAC for the signatures of requests, in Rust.

use hmac::{Hmac, KeyInit, Mac};
use object_store::client::{
    CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, Signer, SigningAlgorithm,
};
use object_store::{Error, Result};
use sha2::{Digest, Sha256};

#[derive(Debug)]
pub(super) struct Sha256Provider;

/// A computation, and its result.
struct Computation<C> {
    state: C,
    result: [u8; 32],
}

fn not_supported(text: String) -> Error {
    Error::NotSupported { source: text.into() }
}

impl CryptoProvider for Sha256Provider {
    fn digest(&self, algorithm: DigestAlgorithm) -> Result<Box<dyn DigestContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Computation { state: Sha256::new(), result: [0; 32] })),
            other => Err(not_supported(format!("digest {other:?}"))),
        }
    }

    fn hmac(&self, algorithm: DigestAlgorithm, secret: &[u8]) -> Result<Box<dyn HmacContext>> {
        let keyed =
            Hmac::<Sha256>::new_from_slice(secret).map_err(|error| not_supported(error.to_string()))?;
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Computation { state: keyed, result: [0; 32] })),
            other => Err(not_supported(format!("HMAC of {other:?}"))),
        }
    }

    fn sign(&self, algorithm: SigningAlgorithm, _pem: &[u8]) -> Result<Box<dyn Signer>> {
        Err(not_supported(format!("signing by {algorithm:?}")))
    }
}

impl DigestContext for Computation<Sha256> {
    fn update(&mut self, data: &[u8]) {
        Digest::update(&mut self.state, data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        self.result = self.state.finalize_reset().into();
        Ok(&self.result)
    }
}

impl HmacContext for Computation<Hmac<Sha256>> {
    fn update(&mut self, data: &[u8]) {
        Mac::update(&mut self.state, data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        self.result = self.state.clone().finalize().into_bytes().into();
        Ok(&self.result)
    }
}
