//! The password strings of a users file.

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha_crypt::{Params, ShaCrypt};
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use super::md5_crypt::Md5Crypt;

/// More memory than this (in KiB) or more passes would let one line of a file stall the daemon.
const ARGON2_MAX_MEMORY: u32 = 1 << 20;
const ARGON2_MAX_PASSES: u32 = 64;
const BCRYPT_MAX_COST: u32 = 15;
const BCRYPT_MAX_LENGTH: usize = 72;
const SHA_MAX_ROUNDS: u32 = 1_000_000;

/// A password string of a known kind and a bearable cost.
#[derive(Debug)]
pub(super) enum Hash {
    Argon2(Box<PasswordHash>),
    Bcrypt(String, u32),
    /// SHA-256 or SHA-512 of crypt(3).
    Sha(String, u32),
    Md5(Md5Crypt),
    /// `{SHA}`: SHA-1 without a salt.
    Sha1([u8; 20]),
}

impl Hash {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(digest) = text.strip_prefix("{SHA}") {
            return sha1(digest);
        }
        match text.split('$').nth(1) {
            Some("argon2id" | "argon2i" | "argon2d") => argon2(text),
            Some("2a" | "2b" | "2y") => bcrypt(text),
            Some("5" | "6") => sha(text),
            Some("apr1" | "1") => {
                Md5Crypt::parse(text).map(Self::Md5).ok_or_else(|| "is cut short".to_owned())
            }
            Some(_) => Err("is not a password string of a known kind".to_owned()),
            None => Err("is not a password string: it may be plain text, or DES, which looks at \
                         eight characters"
                .to_owned()),
        }
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2(hash) => {
                Argon2::default().verify_password(password, hash.as_ref()).is_ok()
            }
            // bcrypt looks at the first 72 bytes only; a longer password would match by its front.
            Self::Bcrypt(hash, _) => {
                password.len() <= BCRYPT_MAX_LENGTH
                    && bcrypt::verify(password, hash).unwrap_or(false)
            }
            Self::Sha(hash, _) => {
                ShaCrypt::default().verify_password(password, hash.as_str()).is_ok()
            }
            Self::Md5(hash) => hash.verify(password),
            Self::Sha1(digest) => Sha1::digest(password).ct_eq(digest).into(),
        }
    }

    /// Whether whoever gets hold of the file soon has the password.
    pub(super) fn is_weak(&self) -> bool {
        matches!(self, Self::Md5(_) | Self::Sha1(_))
    }

    /// About how long a password takes, in microseconds.
    pub(super) fn cost(&self) -> u64 {
        match self {
            Self::Argon2(hash) => argon2::Params::try_from(hash.as_ref())
                .map_or(0, |params| 2 * u64::from(params.m_cost()) * u64::from(params.t_cost())),
            Self::Bcrypt(_, cost) => 50 << cost,
            Self::Sha(_, rounds) => u64::from(*rounds),
            Self::Md5(_) => 500,
            Self::Sha1(_) => 1,
        }
    }
}

fn argon2(text: &str) -> Result<Hash, String> {
    let hash = PasswordHash::new(text).map_err(|error| format!("cannot be read: {error}"))?;
    let params = argon2::Params::try_from(&hash)
        .map_err(|error| format!("has parameters that cannot be used: {error}"))?;
    if params.m_cost() > ARGON2_MAX_MEMORY || params.t_cost() > ARGON2_MAX_PASSES {
        return Err(format!(
            "costs too much: at most m={ARGON2_MAX_MEMORY} and t={ARGON2_MAX_PASSES}"
        ));
    }
    Ok(Hash::Argon2(Box::new(hash)))
}

fn bcrypt(text: &str) -> Result<Hash, String> {
    let parts: bcrypt::HashParts =
        text.parse().map_err(|error: bcrypt::BcryptError| format!("cannot be read: {error}"))?;
    let cost = parts.get_cost();
    if cost > BCRYPT_MAX_COST {
        return Err(format!("costs too much: at most {BCRYPT_MAX_COST}"));
    }
    Ok(Hash::Bcrypt(text.to_owned(), cost))
}

fn sha(text: &str) -> Result<Hash, String> {
    let given = text.split('$').nth(2).and_then(|part| part.strip_prefix("rounds="));
    let rounds = match given.map(str::parse::<u32>) {
        None => Params::RECOMMENDED_ROUNDS,
        Some(Ok(rounds)) if rounds > SHA_MAX_ROUNDS => {
            return Err(format!("costs too much: at most rounds={SHA_MAX_ROUNDS}"));
        }
        Some(Ok(rounds)) if rounds < Params::ROUNDS_MIN => {
            return Err(format!("has too few rounds: at least {}", Params::ROUNDS_MIN));
        }
        Some(Ok(rounds)) => rounds,
        Some(Err(error)) => return Err(format!("has rounds that cannot be read: {error}")),
    };
    sha_crypt::PasswordHashRef::new(text).map_err(|error| format!("cannot be read: {error}"))?;
    Ok(Hash::Sha(text.to_owned(), rounds))
}

fn sha1(text: &str) -> Result<Hash, String> {
    let digest = STANDARD.decode(text).ok().and_then(|digest| digest.try_into().ok());
    digest.map(Hash::Sha1).ok_or_else(|| "is not SHA-1 in base64".to_owned())
}

#[cfg(test)]
mod tests {
    use super::Hash;

    const SHA512: &str = "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQ\
                          SpT0Y77vwPZN.Pq.H91p5hVO1";
    const BCRYPT: &str = "$2y$05$SNUR3XYr5vMpyAb8JLgsQOLYLmbHzb7DHXJU8k7.NFL6K9sKzilxq";
    const ARGON2: &str = "$argon2id$v=19$m=4096,t=3,p=1$c2FsdHNhbHQ$OLeWCvLwvsLRPgRDUFsaPr4TPYfqZKBx\
                          QuyYI2VLP2w";

    #[test]
    fn knows_what_other_programs_write() {
        for text in [
            // openssl passwd -6 -salt saltsalt secret
            SHA512, // htpasswd -nbB -C 5 user secret
            BCRYPT, // echo -n secret | argon2 saltsalt -id -e
            ARGON2,
        ] {
            let hash = Hash::parse(text).expect("known");
            assert!(hash.verify(b"secret"), "{text}");
            assert!(!hash.verify(b"Secret"), "{text}");
        }
    }

    #[test]
    fn refuses_what_it_does_not_know_or_cannot_bear() {
        for (text, expected) in [
            ("secret", "not a password string"),
            ("", "not a password string"),
            ("oEq7zK6nwNkT2", "DES"),
            ("$1$abc$def", "cut short"),
            ("$y$j9T$abc$def", "not a password string"),
            ("{SSHA}abc", "not a password string"),
            ("{SHA}abc", "not SHA-1"),
            ("$5$rounds=500$salt$x", "too few rounds"),
            ("$2b$20$abcdefghijklmnopqrstuuLxkMLbEkFzn5XkqFpHTNjdkXm6XZ9o.", "costs too much"),
            ("$6$rounds=999999999$salt$x", "costs too much"),
            ("$argon2id$v=19$m=4000000,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo", "costs too much"),
        ] {
            let error = Hash::parse(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn the_cost_of_what_is_slow_is_more() {
        let cost = |text: &str| Hash::parse(text).expect(text).cost();
        assert!(cost(ARGON2) > cost(SHA512));
        assert!(cost(BCRYPT) < cost(&BCRYPT.replace("$05$", "$12$")));
        assert!(cost("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=") < cost(SHA512));
    }

    #[test]
    fn a_password_beyond_72_bytes_is_not_cut() {
        let hash = bcrypt::hash("x".repeat(72), 4).expect("hashes");
        let hash = Hash::parse(&hash).expect("known");
        assert!(hash.verify("x".repeat(72).as_bytes()));
        assert!(!hash.verify("x".repeat(73).as_bytes()));
    }
}
