//! The keeper of a host: a task that opens its lanes before anybody needs them, renews them before
//! somebody else drops them, and finds out how the host is, so that no request pays for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::HostState;

use super::Failure;
use super::health::jitter;
use super::host::Host;
use super::lanes::{Lane, Slot};

/// A host that came back is preferred again when it has answered for this long.
const PROVEN: Duration = Duration::from_secs(2);
const PROOF: Duration = Duration::from_millis(500);

/// Keeps a host until the task is ended.
pub(super) async fn keep(host: Arc<Host>) {
    note(&host, open_lanes(&host).await);
    let mut proving: Option<Instant> = None;
    loop {
        match host.health.state() {
            HostState::Down => {
                tokio::time::sleep(jitter(host.health.retry())).await;
                proving = None;
                prove(&host, &mut proving).await;
            }
            HostState::Proving => {
                tokio::time::sleep(PROOF).await;
                prove(&host, &mut proving).await;
            }
            HostState::Up | HostState::Untried => {
                // Often enough that an idle lane is never much older than it may be.
                let pause = (host.pool.idle_probe / 4).max(Duration::from_millis(50));
                tokio::select! {
                    () = host.health.suspected() => check(&host).await,
                    () = host.health.went_down() => {}
                    () = tokio::time::sleep(pause) => renew(&host).await,
                }
            }
        }
    }
}

/// A host proves itself on new connections: one that was open before says nothing of it.
async fn prove(host: &Host, since: &mut Option<Instant>) {
    let now = Instant::now();
    match open_search_lane(host, host.pool.operation_timeout).await {
        Err(failure) => host.health.failed(&failure),
        Ok(_) if since.is_some_and(|since| now - since >= PROVEN) => {
            note(host, open_lanes(host).await);
        }
        Ok(_) => {
            since.get_or_insert(now);
            host.health.proving();
        }
    }
}

/// Somebody waits longer than is usual, and there are other hosts: does this one answer at all?
async fn check(host: &Host) {
    let limit = host.pool.hedge_after;
    match open_search_lane(host, limit).await {
        Err(failure) => host.health.failed(&failure),
        // It does, so its lanes are suspect: a firewall may have dropped them without a word.
        Ok(_) => {
            for slot in host.searches.slots() {
                if let Err(failure) = check_lane(host, slot, limit).await {
                    return host.health.failed(&failure);
                }
            }
        }
    }
}

async fn check_lane(host: &Host, slot: &Slot, limit: Duration) -> Result<(), Failure> {
    let Some(lane) = slot.present().await else { return Ok(()) };
    if lane.probe(limit).await.is_err() {
        lane.close();
        slot.renew(open_search_lane(host, host.pool.operation_timeout).await?).await;
    }
    Ok(())
}

/// Opens what lanes are missing: the search lanes, and one to bind on.
async fn open_lanes(host: &Host) -> Result<(), Failure> {
    let limit = host.pool.operation_timeout;
    for slot in host.searches.slots() {
        let deadline = Instant::now() + host.pool.connect_timeout + limit;
        slot.lane(open_search_lane(host, limit), deadline).await?;
    }
    if host.binds.open() == 0 {
        host.binds.give_back(host.open(host.pool.connect_timeout).await?);
    }
    Ok(())
}

/// Replaces lanes that are too old, and asks idle ones whether they are still there.
async fn renew(host: &Host) {
    let outcome = async {
        open_lanes(host).await?;
        for slot in host.searches.slots() {
            renew_search_lane(host, slot).await?;
        }
        renew_bind_lanes(host).await
    };
    if let Err(failure) = outcome.await {
        host.health.failed(&failure);
    }
}

async fn renew_search_lane(host: &Host, slot: &Slot) -> Result<(), Failure> {
    let Some(lane) = slot.present().await else { return Ok(()) };
    let now = Instant::now();
    let (pool, limit) = (&host.pool, host.pool.operation_timeout);
    if lane.age(now) < pool.max_age {
        if lane.idle_for(now) < pool.idle_probe {
            return Ok(());
        }
        if lane.probe(limit).await.is_ok() {
            lane.used(Instant::now());
            return Ok(());
        }
        lane.close();
    }
    slot.renew(open_search_lane(host, limit).await?).await;
    Ok(())
}

async fn renew_bind_lanes(host: &Host) -> Result<(), Failure> {
    let now = Instant::now();
    let pool = &host.pool;
    drop(host.binds.take_if(|lane| lane.age(now) >= pool.max_age));
    for lane in host.binds.take_if(|lane| lane.idle_for(now) >= pool.idle_probe) {
        if lane.probe(pool.operation_timeout).await.is_ok() {
            lane.used(Instant::now());
            host.binds.give_back(lane);
        }
    }
    if host.binds.open() == 0 {
        host.binds.give_back(host.open(pool.connect_timeout).await?);
    }
    Ok(())
}

async fn open_search_lane(host: &Host, limit: Duration) -> Result<Lane, Failure> {
    host.open_search_lane(Instant::now() + host.pool.connect_timeout.min(limit) + limit, limit)
        .await
}

fn note(host: &Host, outcome: Result<(), Failure>) {
    match outcome {
        Ok(()) => host.health.succeeded(),
        Err(failure) => host.health.failed(&failure),
    }
}
