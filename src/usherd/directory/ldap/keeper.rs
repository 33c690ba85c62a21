//! The keeper of a host: a task that opens its lanes before anybody needs them, renews them before
//! somebody else drops them, and finds out how the host is, so that no request pays for it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use usher_protocol::HostState;

use super::Failure;
use super::health::jitter;
use super::host::Host;
use super::lanes::{Lane, Slot};

/// A host that came back is preferred again when it has answered for this long.
const PROVEN: Duration = Duration::from_secs(2);
const PROOF: Duration = Duration::from_millis(500);
/// Between two checks of a host that is suspected: one that is merely slow is not made slower.
const CALM: Duration = Duration::from_millis(250);

/// Keeps a host until the task is ended.
pub(super) async fn keep(host: Arc<Host>) {
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
            // What hangs in the one hand is found out by the other.
            HostState::Up | HostState::Untried => tokio::select! {
                () = maintain(&host) => {}
                () = watch(&host) => {}
                () = host.health.went_down() => {}
            },
        }
    }
}

/// Has lanes ready, for ever.
async fn maintain(host: &Host) {
    if host.health.state() == HostState::Untried {
        note(host, open_lanes(host).await);
    }
    loop {
        // Often enough that an idle lane is never much older than it may be.
        tokio::time::sleep((host.pool.idle_probe / 4).max(Duration::from_millis(50))).await;
        renew(host).await;
    }
}

/// Checks the host whenever it is suspected, for ever.
async fn watch(host: &Host) {
    loop {
        host.health.suspected().await;
        check(host).await;
        tokio::time::sleep(CALM).await;
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

/// Somebody waits longer than is usual: does the host answer at all? Where there is another, it
/// must do so quickly.
async fn check(host: &Host) {
    let pool = &host.pool;
    let limit = match host.is_alone() {
        true => pool.connect_timeout + pool.operation_timeout,
        false => (pool.hedge_after + pool.hedge_after / 2).max(CALM),
    };
    let outcome = async {
        host.open_search_lane(Instant::now() + limit, limit).await?;
        host.health.answered(Instant::now());
        // It does, so its lanes are suspect: a firewall may have dropped them without a word.
        for slot in host.searches.slots() {
            check_search_lane(host, slot, limit).await?;
        }
        if probe_bind_lanes(host, |_| true, pool.hedge_after).await > 0 {
            host.health.forgot(Instant::now());
        }
        Ok(())
    };
    if let Err(failure) = outcome.await {
        host.health.failed(&failure);
    }
}

async fn check_search_lane(host: &Host, slot: &Slot, limit: Duration) -> Result<(), Failure> {
    let Some(lane) = slot.present().await else { return Ok(()) };
    if lane.probe(host.pool.hedge_after).await.is_err() {
        lane.close();
        let next = host.open_search_lane(Instant::now() + limit, limit).await?;
        host.health.forgot(Instant::now());
        slot.renew(next).await;
    }
    Ok(())
}

/// Asks idle bind lanes whether they are still there; those that do not answer are dropped. How
/// many that were.
async fn probe_bind_lanes(host: &Host, which: impl Fn(&Lane) -> bool, limit: Duration) -> usize {
    let lanes = host.binds.take_if(which);
    let probes = lanes.into_iter().map(async |lane| {
        let is_there = lane.probe(limit).await.is_ok();
        is_there.then(|| {
            lane.used(Instant::now());
            host.binds.add(lane);
        })
    });
    join_all(probes).await.iter().filter(|there| there.is_none()).count()
}

/// Opens what lanes are missing: the search lanes, and one to bind on.
async fn open_lanes(host: &Host) -> Result<(), Failure> {
    let limit = host.pool.operation_timeout;
    for slot in host.searches.slots() {
        let deadline = Instant::now() + host.pool.connect_timeout + limit;
        slot.lane(|| open_search_lane(host, limit), deadline).await?;
    }
    if host.binds.open() == 0 {
        host.binds.add(host.open_bind_lane(host.pool.connect_timeout).await?);
    }
    Ok(())
}

/// Replaces lanes that are too old, and asks idle ones whether they are still there. A host that
/// has no other beside it is not left alone for one connection that it does not open.
async fn renew(host: &Host) {
    let mut outcome = renew_lanes(host).await;
    if matches!(outcome, Err(Failure::Host(_) | Failure::Lost(_) | Failure::Slow(_)))
        && host.is_alone()
    {
        outcome = renew_lanes(host).await;
        if outcome.is_err() && still_answers(host).await {
            return;
        }
    }
    if let Err(failure) = outcome {
        host.health.failed(&failure);
    }
}

async fn renew_lanes(host: &Host) -> Result<(), Failure> {
    open_lanes(host).await?;
    for slot in host.searches.slots() {
        renew_search_lane(host, slot).await?;
    }
    renew_bind_lanes(host).await
}

/// Whether the host answers on a connection that was open before.
async fn still_answers(host: &Host) -> bool {
    for slot in host.searches.slots() {
        if let Some(lane) = slot.present().await
            && !lane.is_closed()
            && lane.probe(host.pool.operation_timeout).await.is_ok()
        {
            return true;
        }
    }
    false
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
    let old = host.binds.take_if(|lane| lane.age(now) >= pool.max_age);
    let idle = |lane: &Lane| lane.idle_for(now) >= pool.idle_probe;
    probe_bind_lanes(host, idle, pool.operation_timeout).await;
    if host.binds.open() == 0 {
        match host.open_bind_lane(pool.connect_timeout).await {
            Ok(lane) => host.binds.add(lane),
            Err(failure) => {
                // Old ones are better than none.
                old.into_iter().for_each(|lane| host.binds.add(lane));
                return Err(failure);
            }
        }
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
