//! Who waits for something of a host that goes down meanwhile.

use std::pin::pin;

use crate::directory::ldap::Failure;
use crate::directory::ldap::dns::Place;
use crate::directory::ldap::host::Host;

use super::settings;

fn host() -> Host {
    let settings = settings("127.0.0.1:1", "");
    Host::new("corp", &Place::written(&settings.hosts[0]), &settings).unwrap()
}

fn hangs() -> Failure {
    Failure::Slow("no answer".to_owned())
}

#[tokio::test]
async fn who_waits_is_told_at_once() {
    let host = host();
    let never = pin!(std::future::pending::<Result<(), _>>());
    let told = tokio::join!(host.unless_down(never), async { host.health.failed(&hangs()) });
    assert!(matches!(told.0, Err(Failure::Down(_))), "{told:?}");
}

/// What others gave up, since the host is down, is of no use, even to one who has not heard so.
#[tokio::test]
async fn what_is_got_when_the_host_has_gone_down_is_not_taken() {
    let host = host();
    let work = async {
        host.health.failed(&hangs());
        Ok(())
    };
    let told = host.unless_down(pin!(work)).await;
    assert!(matches!(told, Err(Failure::Down(_))), "{told:?}");
}

#[tokio::test]
async fn nothing_is_in_the_way_while_the_host_is_well() {
    assert_eq!(host().unless_down(pin!(async { Ok(1) })).await, Ok(1));
}
