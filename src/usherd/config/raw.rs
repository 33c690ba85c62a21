//! The tables as they are written: every key of the language with its type and its place, nothing
//! judged yet. A key that is not here is unknown.

mod values;

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::settings;
pub(super) use values::{
    Encodings, MetadataSource, PasswordSource, PasswordTable, Peer, Quantity, Strings, Whole, Word,
};

/// A place in the file, in bytes.
pub(super) type Span = Range<usize>;

/// A table of optional keys that can tell which of them are there, and where.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default, expecting = "a table")]
        pub(super) struct $name {
            $(pub(super) $field: Option<Spanned<$type>>,)*
        }

        impl $name {
            /// The keys that are there, with the places of their values.
            #[allow(dead_code, reason = "some tables are never asked")]
            pub(super) fn given(&self) -> Vec<(&'static str, Span)> {
                [$((stringify!($field), self.$field.as_ref().map(Spanned::span)),)*]
                    .into_iter()
                    .filter_map(|(key, span)| Some((key.trim_start_matches("r#"), span?)))
                    .collect()
            }
        }
    };
}

table! {
    /// The file.
    File {
        default_realm: String,
        listen: Listen,
        access: Access,
        audit: Audit,
        saslauthd: Saslauthd,
        realm: BTreeMap<Spanned<String>, Spanned<Realm>>,
        http: Http,
    }
}

table! {
    /// `[listen]`
    Listen {
        socket: String,
        socket_mode: String,
        socket_group: String,
        admin_socket: String,
        max_connections: Whole,
        max_in_flight: Whole,
        request_timeout: Quantity,
    }
}

table! {
    /// `[access]`
    Access {
        authenticate: Vec<Spanned<Peer>>,
        lookup: Vec<Spanned<Peer>>,
        metrics: Vec<Spanned<Peer>>,
    }
}

table! {
    /// `[saslauthd]`
    Saslauthd {
        socket: String,
        socket_mode: String,
        socket_group: String,
        max_connections: Whole,
        combine_realm: bool,
        realms: BTreeMap<Spanned<String>, Spanned<String>>,
        services: BTreeMap<Spanned<String>, Spanned<String>>,
    }
}

table! {
    /// `[audit]`
    Audit {
        file: String,
        cached: f64,
        unknown_users: Word<settings::UnknownUsers>,
    }
}

table! {
    /// `[realm.NAME]`, of any type.
    Realm {
        r#type: Word<Kind>,
        host: Strings,
        port: Whole,
        dns: Strings,
        connection_security: Word<Security>,
        certificate_checks: Word<settings::CertificateChecks>,
        ca_certificates: String,
        client_certificate: String,
        client_key: String,
        sasl: Word<Sasl>,
        account: String,
        password: PasswordSource,
        base_dn: String,
        filter: String,
        search_scope: Word<settings::Scope>,
        login_attribute: Strings,
        email_attribute: String,
        first_name_attribute: String,
        last_name_attribute: String,
        directory: Word<Product>,
        user_dn: String,
        domains: Strings,
        strip_domain: Word<settings::StripDomain>,
        case: Word<settings::Case>,
        referrals: Word<Referrals>,
        reveal_account_state: bool,
        pool: Pool,
        groups: Groups,
        rules: Rules,
        metadata: BTreeMap<Spanned<String>, Spanned<MetadataSource>>,
        cache: Cache,
        shield: Shield,
        file: String,
        format: Word<settings::Format>,
        service: String,
        helper: String,
        metadata_from: String,
        realms: Strings,
        on_unavailable: Word<OnUnavailable>,
    }
}

table! {
    /// `pool`
    Pool {
        search_lanes: Whole,
        bind_lanes: Whole,
        max_age: Quantity,
        idle_probe: Quantity,
        connect_timeout: Quantity,
        operation_timeout: Quantity,
        hedge_after: Quantity,
    }
}

table! {
    /// `[realm.NAME.groups]`
    Groups {
        attribute: String,
        base_dn: String,
        filter: String,
        name_attribute: String,
        nested: Whole,
    }
}

table! {
    /// `[realm.NAME.rules]`
    Rules {
        require: Strings,
    }
}

table! {
    /// `[realm.NAME.cache]`
    Cache {
        ttl: Quantity,
        negative_ttl: Quantity,
        stale: Quantity,
        offline_authentication: Quantity,
        max_bytes: Quantity,
        refresh_ahead: f64,
    }
}

table! {
    /// `[realm.NAME.shield]`
    Shield {
        failures: Whole,
        window: Quantity,
        block: Quantity,
        per_client: Whole,
    }
}

table! {
    /// `[http]`, which is usher-http's: here it is only known and never asked.
    Http {
        listen: String,
        challenge: String,
        trusted_user_header: String,
        password_change_url: String,
        header_encoding: Encodings,
        peers: Vec<Spanned<String>>,
    }
}

/// A set of words, spelled as in the file.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        pub(super) enum $name {
            $(#[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// The word in the file.
            #[allow(dead_code, reason = "some words are never told")]
            pub(super) fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

words! {
    /// `type`
    Kind { Ldap = "ldap", Local = "local", Pam = "pam", Crowd = "crowd", Chain = "chain", }
}

words! {
    /// `connection_security`
    Security { Plain = "plain", Ldaps = "ldaps", StartTls = "start_tls", }
}

words! {
    /// `sasl`
    Sasl { External = "external", }
}

words! {
    /// `directory`
    Product { ActiveDirectory = "active_directory", }
}

words! {
    /// `referrals`
    Referrals { Ignore = "ignore", Follow = "follow", }
}

words! {
    /// `on_unavailable`
    OnUnavailable { End = "end", Next = "next", }
}

words! {
    /// `header_encoding`
    HeaderEncoding {
        Utf8 = "utf-8", Percent = "percent", Base64 = "base64", Rfc2047 = "rfc2047",
        Latin1 = "iso-8859-1",
        Ascii = "ascii",
    }
}
