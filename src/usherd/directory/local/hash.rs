//! The password strings of a users file.

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use sha_crypt::ShaCrypt;

/// More memory than this (in KiB) or more passes would let one line of a file stall the daemon.
const ARGON2_MAX_MEMORY: u32 = 1 << 20;
const ARGON2_MAX_PASSES: u32 = 64;
const BCRYPT_MAX_COST: u32 = 15;
const BCRYPT_MAX_LENGTH: usize = 72;
const SHA512_MAX_ROUNDS: u32 = 1_000_000;

/// A password string of a known kind and a bearable cost.
#[derive(Debug)]
pub(super) enum Hash {
    Argon2(Box<PasswordHash>),
    Bcrypt(String),
    Sha512(String),
}

impl Hash {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text.split('$').nth(1) {
            Some("argon2id" | "argon2i" | "argon2d") => argon2(text),
            Some("2a" | "2b" | "2y") => bcrypt(text),
            Some("6") => sha512(text),
            _ => Err("is not a password string of a known kind (argon2id, bcrypt, sha512-crypt); \
                      `usherctl hash-password` makes one"
                .to_owned()),
        }
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2(hash) => {
                Argon2::default().verify_password(password, hash.as_ref()).is_ok()
            }
            // bcrypt looks at the first 72 bytes only; a longer password would match by its front.
            Self::Bcrypt(hash) => {
                password.len() <= BCRYPT_MAX_LENGTH
                    && bcrypt::verify(password, hash).unwrap_or(false)
            }
            Self::Sha512(hash) => {
                ShaCrypt::default().verify_password(password, hash.as_str()).is_ok()
            }
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
    if parts.get_cost() > BCRYPT_MAX_COST {
        return Err(format!("costs too much: at most {BCRYPT_MAX_COST}"));
    }
    Ok(Hash::Bcrypt(text.to_owned()))
}

fn sha512(text: &str) -> Result<Hash, String> {
    let rounds = text.split('$').nth(2).and_then(|part| part.strip_prefix("rounds="));
    match rounds.map(str::parse::<u32>) {
        None => {}
        Some(Ok(rounds)) if rounds <= SHA512_MAX_ROUNDS => {}
        Some(Ok(_)) => {
            return Err(format!("costs too much: at most rounds={SHA512_MAX_ROUNDS}"));
        }
        Some(Err(error)) => return Err(format!("has rounds that cannot be read: {error}")),
    }
    sha_crypt::PasswordHashRef::new(text).map_err(|error| format!("cannot be read: {error}"))?;
    Ok(Hash::Sha512(text.to_owned()))
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
            ("$1$abc$def", "not a password string"),
            ("$2b$20$abcdefghijklmnopqrstuuLxkMLbEkFzn5XkqFpHTNjdkXm6XZ9o.", "costs too much"),
            ("$6$rounds=999999999$salt$x", "costs too much"),
            ("$argon2id$v=19$m=4000000,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo", "costs too much"),
        ] {
            let error = Hash::parse(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_beyond_72_bytes_is_not_cut() {
        let hash = bcrypt::hash("x".repeat(72), 4).expect("hashes");
        let hash = Hash::parse(&hash).expect("known");
        assert!(hash.verify("x".repeat(72).as_bytes()));
        assert!(!hash.verify("x".repeat(73).as_bytes()));
    }
}
