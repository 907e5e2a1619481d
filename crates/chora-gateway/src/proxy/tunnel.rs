//! Bytes both ways: connections that changed their protocol, and ports that are passed through.

use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;

use super::canary::Asker;
use super::listener::Place;
use super::service::{Admission, Service};

/// How long a peer may take to be told that a connection ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Joins the two sides of a request that changed its connection's protocol.
pub(super) async fn upgraded((client, replica): (OnUpgrade, OnUpgrade), admission: Admission, place: Place) {
    // Either side may be gone before it has changed: then there is nobody to tell.
    if let (Ok(client), Ok(replica)) = tokio::join!(client, replica) {
        join(TokioIo::new(client), TokioIo::new(replica), &admission).await;
    }
    drop(place);
}

/// Passes a connection through to the active release of a service, or waits while it is held.
pub(super) async fn pass(mut client: TcpStream, service: &Arc<Service>) {
    service.counters.connections.add(1);
    let mut attempts = 0;
    loop {
        let Ok(admission) = service.admit(&Asker::default()).await else { break };
        let release = admission.visit.release();
        let limit = Duration::from_millis(service.limits().connect_ms);
        release.requests.add(1);
        let Some(upstream) = release.upstream(admission.replica) else { break };
        match upstream.dial(limit).await {
            Ok(replica) => return join(client, replica, &admission).await,
            Err(error) => {
                attempts += 1;
                if attempts > release.replicas() {
                    tracing::warn!(service = service.name, "a connection cannot be passed on: {error}");
                    break;
                }
                service.counters.retries.add(1);
            }
        }
    }
    service.counters.failures.add(1);
    // The client sees an end; there is no protocol to tell it more in.
    _ = client.shutdown().await;
}

async fn join(mut client: impl AsyncRead + AsyncWrite + Unpin, mut replica: impl AsyncRead + AsyncWrite + Unpin, admission: &Admission) {
    let _mark = admission.visit.stream();
    tokio::select! {
        // How a connection ends is between its two ends.
        _ = copy_bidirectional(&mut client, &mut replica) => {}
        () = admission.visit.release().cut_token().cancelled() => {
            _ = tokio::time::timeout(FAREWELL, async { tokio::join!(client.shutdown(), replica.shutdown()) }).await;
        }
    }
}
