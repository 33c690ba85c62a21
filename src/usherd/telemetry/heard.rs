use std::cell::RefCell;

use super::Host;

tokio::task_local! {
    static HOST: RefCell<Option<Host>>;
}

/// Does some work, and tells which host answered in it last. Work that is shared by many requests
/// runs in a task of its own, and so the host is part of its outcome.
pub async fn listening<T>(work: impl Future<Output = T>) -> (T, Option<Host>) {
    HOST.scope(RefCell::default(), async {
        let outcome = work.await;
        (outcome, HOST.with(RefCell::take))
    })
    .await
}

/// This host has answered. Where nobody listens, nothing happens.
pub fn heard(host: &Host) {
    let _ = HOST.try_with(|last| *last.borrow_mut() = Some(Host::clone(host)));
}

#[cfg(test)]
mod tests {
    use super::{heard, listening};

    #[tokio::test]
    async fn the_last_host_is_told() {
        let work = async {
            heard(&"ldap://a".into());
            tokio::task::yield_now().await;
            heard(&"ldap://b".into());
            7
        };
        assert_eq!(listening(work).await, (7, Some("ldap://b".into())));
        assert_eq!(listening(async {}).await, ((), None));
        heard(&"ldap://c".into());
    }
}
