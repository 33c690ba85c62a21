//! A request: four strings, each with its length before it.

use tokio::io::{AsyncRead, AsyncReadExt};
use usher_protocol::{MAX_PASSWORD, MAX_USER, Password};
use zeroize::Zeroizing;

/// For the service and the realm.
const MAX_WORD: usize = 256;

/// What a client of saslauthd asks.
pub(super) struct Request {
    pub(super) user: String,
    pub(super) password: Password,
    pub(super) service: String,
    pub(super) realm: String,
}

/// Why there is no request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The peer has closed the connection, or it broke.
    Gone,
    /// What came is no request.
    Malformed(String),
}

/// Reads a request. What a length promises is bounded before there is room for it.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Request, Trouble> {
    let user = word(stream, "user", MAX_USER).await?;
    let mut password = counted(stream, "password", MAX_PASSWORD).await?;
    let password = Password::new(std::mem::take(&mut password));
    let service = word(stream, "service", MAX_WORD).await?;
    let realm = word(stream, "realm", MAX_WORD).await?;
    Ok(Request { user, password, service, realm })
}

async fn word(
    stream: &mut (impl AsyncRead + Unpin),
    what: &str,
    most: usize,
) -> Result<String, Trouble> {
    let mut bytes = counted(stream, what, most).await?;
    String::from_utf8(std::mem::take(&mut bytes))
        .map_err(|_| Trouble::Malformed(format!("the {what} is not UTF-8")))
}

async fn counted(
    stream: &mut (impl AsyncRead + Unpin),
    what: &str,
    most: usize,
) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let length = stream.read_u16().await.map_err(|_| Trouble::Gone)?;
    let length = usize::from(length);
    if length > most {
        let text = format!("the {what} has {length} bytes, and {most} at most are taken");
        return Err(Trouble::Malformed(text));
    }
    let mut bytes = Zeroizing::new(vec![0; length]);
    stream.read_exact(&mut bytes).await.map_err(|_| Trouble::Gone)?;
    Ok(bytes)
}
