//! A server that answers whatever it is told to answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::wire;
use crate::config::{self, Authorities, CertificateChecks, Security};
use crate::directory::ldap::dns::Place;
use crate::directory::ldap::endpoint::Endpoint;

/// How connections are secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Plain,
    StartTls,
    Ldaps,
}

/// What is sent in answer to a request with this id and operation.
pub(super) trait Script: Fn(u8, u8) -> Answer + Copy + Send + Sync + 'static {}

impl<F: Fn(u8, u8) -> Answer + Copy + Send + Sync + 'static> Script for F {}

pub(super) enum Answer {
    /// These bytes; the connection stays open.
    Send(Vec<u8>),
    /// These bytes, and then the end.
    Close(Vec<u8>),
    /// The first bytes, and then the others again and again.
    Forever(Vec<u8>, Vec<u8>),
}

/// It runs until it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    way: Way,
    certificate: CertificateDer<'static>,
    connections: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(way: Way, script: impl Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (certificate, acceptor) = tls();
        let [connections, closed] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let (count, ended) = (Arc::clone(&connections), Arc::clone(&closed));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (count, ended) = (Arc::clone(&count), Arc::clone(&ended));
                let acceptor = acceptor.clone();
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    serve(stream, way, script, acceptor).await;
                    count.fetch_sub(1, Ordering::Relaxed);
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, way, certificate, connections, closed, task }
    }

    /// How many are open.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many are closed.
    pub(super) fn closed(&self) -> usize {
        self.closed.load(Ordering::Relaxed)
    }

    /// Where it listens, as configurations name it.
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        let tls = config::Tls {
            checks: CertificateChecks::Demand,
            authorities: Authorities {
                path: Some("ca.pem".into()),
                certificates: [self.certificate.clone()].into(),
            },
            client: None,
        };
        let security = match self.way {
            Way::Plain => Security::Plain,
            Way::StartTls => Security::StartTls(tls),
            Way::Ldaps => Security::Ldaps(tls),
        };
        let host = config::Host::Tcp("127.0.0.1".to_owned(), self.address.port());
        Endpoint::new("corp", &Place::written(&host), &security, None).unwrap()
    }
}

fn tls() -> (CertificateDer<'static>, TlsAcceptor) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    (certificate, Arc::new(config).into())
}

/// The end of a connection is no failure of the server's.
async fn serve(mut stream: TcpStream, way: Way, script: impl Script, acceptor: TlsAcceptor) {
    if way == Way::StartTls {
        let Some((id, wire::EXTENDED)) = request(&mut stream).await else { return };
        if answer(&mut stream, script(id, wire::EXTENDED)).await.is_none() {
            return;
        }
    }
    if way == Way::Plain {
        converse(stream, script).await;
    } else if let Ok(stream) = acceptor.accept(stream).await {
        converse(stream, script).await;
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, script: impl Script) {
    while let Some((id, op)) = request(&mut stream).await {
        if answer(&mut stream, script(id, op)).await.is_none() {
            break;
        }
    }
    let _ = stream.shutdown().await;
}

/// The id and the operation of the next request. Those of these tests are short.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(u8, u8)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.ok()?;
    assert_eq!((head[0], head[1] & 0x80), (0x30, 0), "{head:?}");
    let mut content = vec![0; usize::from(head[1])];
    stream.read_exact(&mut content).await.ok()?;
    match content[..] {
        [2, 1, id, op, ..] => Some((id, op)),
        [2, 4, 0x40, 0, 0, number @ ..0x80, op, ..] => Some((wire::ALONE + number, op)),
        _ => panic!("{content:?}"),
    }
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin), answer: Answer) -> Option<()> {
    match answer {
        Answer::Send(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            stream.flush().await.ok()
        }
        Answer::Close(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            stream.flush().await.ok()?;
            None
        }
        Answer::Forever(first, then) => {
            stream.write_all(&first).await.ok()?;
            loop {
                stream.write_all(&then).await.ok()?;
            }
        }
    }
}
