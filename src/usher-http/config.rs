//! What usher-http reads of usher.toml: `[http]`, where the daemon listens, and which names the
//! realms tell of a user. The rest is the daemon's, which checks it.

mod raw;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hyper::header::{HeaderName, HeaderValue};
use nix::unistd::Group;

use crate::change::ChangeUrl;
use crate::encoding::Encoding;
use crate::network::Network;
use raw::{Encodings, File, Problem};

/// What is told of a user where a realm has no table of its own.
const USUAL: [&str; 5] = [
    "X_REMOTE_USER",
    "X_REMOTE_EMAIL",
    "X_REMOTE_FIRSTNAME",
    "X_REMOTE_LASTNAME",
    "X_REMOTE_GROUPS",
];

/// A configuration that can be used.
#[derive(Debug)]
pub struct Config {
    /// The daemon's socket.
    pub(crate) daemon: PathBuf,
    pub(crate) listen: Address,
    /// Of a socket that usher-http makes itself: as the daemon's.
    pub(crate) socket_mode: u32,
    pub(crate) socket_group: Option<u32>,
    /// The value of `WWW-Authenticate`.
    pub(crate) challenge: HeaderValue,
    pub(crate) trusted_user_header: Option<HeaderName>,
    /// Where a password is changed that must be.
    pub(crate) password_change_url: Option<ChangeUrl>,
    /// Who may connect beside this machine, and be believed at `/lookup`.
    pub(crate) peers: Vec<Network>,
    /// All that any realm tells of a user, so that each answer can have each header.
    pub(crate) headers: Vec<Header>,
    pub(crate) realms: Vec<String>,
}

/// One header that is told of a user.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    /// The name in the configuration: `X_REMOTE_EMAIL`.
    pub(crate) key: String,
    /// The name in HTTP: `X-Remote-Email`.
    pub(crate) name: HeaderName,
    pub(crate) encoding: Encoding,
}

/// A path, or an address and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// TCP.
    Tcp(SocketAddr),
}

impl Config {
    /// Reads the file. Relative paths in it start at its own folder.
    ///
    /// # Errors
    /// A text for people.
    pub fn load(path: &Path) -> Result<Self, String> {
        let cannot = |error: std::io::Error| format!("{}: cannot be read: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(cannot)?;
        // The text may hold a password.
        let text = zeroize::Zeroizing::new(text);
        let absolute = std::path::absolute(path).map_err(cannot)?;
        let folder = absolute.parent().unwrap_or(Path::new("/"));
        raw::parse(&text)
            .and_then(|file| Self::of(file, folder))
            .map_err(|problem| problem.show(path, &text))
    }

    fn of(file: File, folder: &Path) -> Result<Self, Problem> {
        let headers = headers(&file)?;
        let (http, listen) = (file.http, file.listen);
        let address = match &http.listen {
            None => Address::Unix("/run/usher/http.sock".into()),
            Some(given) => match Problem::at(given, given.get_ref().parse::<Address>())? {
                Address::Unix(path) => Address::Unix(folder.join(path)),
                address => address,
            },
        };
        let network = |text: &toml::Spanned<String>| {
            let parsed = text.get_ref().parse::<Network>();
            Problem::at(text, parsed.map_err(|()| "peers: not an address or ADDRESS/BITS"))
        };
        let peers = http.peers.iter().map(network).collect::<Result<Vec<_>, _>>()?;
        if let (Some(given), Address::Tcp(tcp)) = (&http.listen, &address) {
            let alone = tcp.ip().is_loopback() || !peers.is_empty();
            let fault = "listen: not an address of this machine alone, so peers must say who may \
                         connect: whoever does can try passwords, and look users up";
            Problem::at(given, alone.then_some(()).ok_or(fault))?;
        }
        let challenge = http.challenge.as_ref();
        let challenge = challenge.map_or(Ok(challenge_of("Restricted")), |given| {
            Problem::at(given, quotable(given.get_ref())).map(challenge_of)
        })?;
        let trusted = http.trusted_user_header.as_ref();
        let fault = "trusted_user_header: not the name of a header";
        let socket_mode = mode(listen.socket_mode.as_deref())?;
        let trusted = trusted.map(|given| {
            let name = given.get_ref().parse::<HeaderName>().map_err(|_| fault);
            let others = match address {
                Address::Unix(_) => socket_is_private(socket_mode),
                Address::Tcp(at) => port_is_private(at.ip(), &peers),
            };
            Problem::at(given, name.and_then(|name| others.map(|()| name)))
        });
        let change = http.password_change_url.as_ref();
        let change = change.map(|given| Problem::at(given, given.get_ref().parse::<ChangeUrl>()));
        Ok(Self {
            daemon: folder.join(listen.socket.as_deref().unwrap_or("/run/usher/usher.sock")),
            listen: address,
            socket_mode,
            socket_group: listen.socket_group.as_deref().map(group).transpose()?,
            challenge,
            trusted_user_header: trusted.transpose()?,
            password_change_url: change.transpose()?,
            peers,
            headers,
            realms: file.realm.into_keys().collect(),
        })
    }
}

/// Whether a socket of this mode is for proxies alone, whose word for a user is taken.
pub(crate) fn socket_is_private(mode: u32) -> Result<(), &'static str> {
    const FOR_OTHERS: u32 = 0o002;
    let fault = "trusted_user_header: the mode of the socket lets everybody connect, and whoever \
                 does can say who they are; let a group in, by socket_mode and socket_group";
    (mode & FOR_OTHERS == 0).then_some(()).ok_or(fault)
}

/// As [`socket_is_private`], of a port: this machine's, or for those who are listed.
pub(crate) fn port_is_private(at: IpAddr, peers: &[Network]) -> Result<(), &'static str> {
    let fault = "trusted_user_header: whoever can connect to a port can say who they are; listen \
                 at the path of a socket, or name the proxy's address in peers";
    let is_private = at.to_canonical().is_loopback() || !peers.is_empty();
    is_private.then_some(()).ok_or(fault)
}

/// Every name that a realm tells, once, each with its encoding.
fn headers(file: &File) -> Result<Vec<Header>, Problem> {
    let mut headers: Vec<Header> = Vec::new();
    for (key, exact) in file.realm.values().flat_map(raw::Realm::names) {
        if headers.iter().any(|header| header.key.eq_ignore_ascii_case(&key)) {
            continue;
        }
        let encoding = match &file.http.header_encoding {
            None => Encoding::default(),
            Some(given) => match given.get_ref() {
                Encodings::All(encoding) => *encoding,
                Encodings::Each(each) => each.get(&key).copied().unwrap_or_default(),
            },
        };
        if let Some(given) = file.http.header_encoding.as_ref().filter(|_| exact) {
            let fault = format!(
                "header_encoding: ascii and iso-8859-1 would make one of two names, and {key} says \
                 who somebody is; give them to the names that are only shown, each by itself"
            );
            let sound = !matches!(encoding, Encoding::Ascii | Encoding::Latin1);
            Problem::at(given, sound.then_some(()).ok_or(fault))?;
        }
        headers.push(Header { name: header_name(&key)?, key, encoding });
    }
    if let Some(given) = &file.http.header_encoding
        && let Encodings::Each(each) = given.get_ref()
    {
        let unknown = each.keys().find(|key| headers.iter().all(|header| header.key != **key));
        let fault = unknown.map(|key| format!("header_encoding: no realm tells {key}"));
        Problem::at(given, fault.map_or(Ok(()), Err))?;
    }
    Ok(headers)
}

/// `X_REMOTE_EMAIL` is `X-Remote-Email` in HTTP, where case does not matter.
pub(crate) fn header_name(key: &str) -> Result<HeaderName, Problem> {
    /// What answers say of themselves.
    const OURS: [&str; 7] = [
        "connection",
        "content-length",
        "date",
        "location",
        "retry-after",
        "transfer-encoding",
        "www-authenticate",
    ];
    let name = key.replace('_', "-").to_ascii_lowercase();
    let parsed = name.parse::<HeaderName>().ok();
    parsed
        .filter(|_| !OURS.contains(&name.as_str()) && !name.starts_with("x-usher-"))
        .ok_or_else(|| Problem::whole(format!("metadata: {key} cannot be a header of an answer")))
}

fn challenge_of(realm: &str) -> HeaderValue {
    let value = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("Basic realm=\"Restricted\""))
}

/// A text that needs no escapes between quotation marks, which not every client undoes.
fn quotable(text: &str) -> Result<&str, &'static str> {
    let plain = |b: u8| (b == b' ' || b.is_ascii_graphic()) && b != b'"' && b != b'\\';
    let fits = !text.is_empty() && text.len() <= 128 && text.bytes().all(plain);
    fits.then_some(text).ok_or("challenge: 1 to 128 characters of ASCII without \" and \\")
}

fn mode(text: Option<&str>) -> Result<u32, Problem> {
    let mode = u32::from_str_radix(text.unwrap_or("0660"), 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| Problem::whole("socket_mode is not a set of permissions".to_owned()))
}

fn group(name: &str) -> Result<u32, Problem> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(Problem::whole(format!("socket_group: there is no group {name:?}"))),
        Err(cause) => Err(Problem::whole(format!("socket_group {name:?}: {cause}"))),
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.parse() {
            Ok(tcp) => Ok(Self::Tcp(tcp)),
            Err(_) if text.starts_with(['/', '.']) => Ok(Self::Unix(text.into())),
            Err(_) => Err("not an address and a port (127.0.0.1:9180), nor the path of a socket"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests;
