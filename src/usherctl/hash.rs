//! `hash-password`: what stands in users.toml instead of a password.

use std::fmt::{self, Display, Formatter};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use password_hash::PasswordHasher;
use sha_crypt::{Algorithm, Params, ShaCrypt};
use usher_protocol::Password;

use crate::arguments::Scheme;
use crate::report::{Exit, Report};
use crate::secret;

/// bcrypt ignores what is beyond.
const MAX_BCRYPT: usize = 72;
/// Twice as much, twice as long, for us as for those who guess.
const BCRYPT_COST: u32 = 12;
/// The 5,000 that crypt(3) takes by default date from 2007.
const SHA512_ROUNDS: u32 = 100_000;
/// These make the 16 characters of salt that crypt(3) allows; more of them would be printed but
/// not used, and no other program would accept the string.
const SHA512_SALT: usize = 12;

/// Asks for a password and prints its hash.
pub(crate) fn run(scheme: Scheme) -> Report {
    let password = match secret::read_new() {
        Ok(password) => password,
        Err(error) => return Report::usage(error.to_string()),
    };
    match hash(scheme, &password) {
        Ok(hash) => Report::answer(Exit::Yes, format!("{hash}\n")),
        Err(error) => Report::usage(error.to_string()),
    }
}

fn hash(scheme: Scheme, password: &Password) -> Result<String, HashError> {
    let bytes = acceptable(password)?;
    match scheme {
        Scheme::Argon2id => {
            let hash: PasswordHash =
                Argon2::default().hash_password(bytes).map_err(HashError::failed)?;
            Ok(hash.to_string())
        }
        Scheme::Bcrypt if bytes.len() > MAX_BCRYPT => Err(HashError::TooLong(bytes.len())),
        Scheme::Bcrypt => bcrypt::hash(bytes, BCRYPT_COST).map_err(HashError::failed),
        Scheme::Sha512Crypt => {
            let mut salt = [0; SHA512_SALT];
            getrandom::fill(&mut salt).map_err(HashError::failed)?;
            let params = Params::new(SHA512_ROUNDS).map_err(HashError::failed)?;
            ShaCrypt::new(Algorithm::Sha512Crypt, params)
                .hash_password_with_salt(bytes, &salt)
                .map(|hash| hash.as_str().to_owned())
                .map_err(HashError::failed)
        }
    }
}

/// The daemon never accepts an empty password, a NUL, or what is not UTF-8; the hash of such a one
/// would only puzzle.
fn acceptable(password: &Password) -> Result<&[u8], HashError> {
    let Some(text) = password.as_str() else {
        return Err(HashError::NotUtf8);
    };
    if text.is_empty() {
        return Err(HashError::Empty);
    }
    if text.contains('\0') {
        return Err(HashError::Nul);
    }
    Ok(text.as_bytes())
}

/// Why there is no hash.
#[derive(Debug, PartialEq, Eq)]
enum HashError {
    Empty,
    Nul,
    NotUtf8,
    TooLong(usize),
    /// The scheme's own complaint.
    Failed(String),
}

impl HashError {
    fn failed(error: impl Display) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Display for HashError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty password is never accepted"),
            Self::Nul => f.write_str("a password with a NUL byte is never accepted"),
            Self::NotUtf8 => f.write_str("a password that is not UTF-8 is never accepted"),
            Self::TooLong(length) => write!(
                f,
                "the password has {length} bytes, and bcrypt ignores what is beyond {MAX_BCRYPT}; \
                 choose another scheme or a shorter password"
            ),
            Self::Failed(error) => write!(f, "cannot hash the password: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier;

    use super::*;

    fn hashed(scheme: Scheme) -> String {
        hash(scheme, &Password::from("wönderland")).expect("hashed")
    }

    #[test]
    fn argon2id_verifies_again() {
        let text = hashed(Scheme::Argon2id);
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
        let hash = PasswordHash::new(&text).expect("PHC");
        assert!(Argon2::default().verify_password("wönderland".as_bytes(), &hash).is_ok());
        assert!(Argon2::default().verify_password(b"wonderland", &hash).is_err());
    }

    #[test]
    fn bcrypt_verifies_again() {
        let text = hashed(Scheme::Bcrypt);
        assert!(text.starts_with("$2b$12$"), "{text}");
        assert!(bcrypt::verify("wönderland", &text).expect("verifies"));
        assert!(!bcrypt::verify("wonderland", &text).expect("verifies"));
    }

    #[test]
    fn sha512_crypt_verifies_again() {
        let text = hashed(Scheme::Sha512Crypt);
        assert!(text.starts_with("$6$rounds=100000$"), "{text}");
        assert_eq!(text.split('$').nth(3).expect("a salt").len(), 16, "{text}");
        let verify = |password: &str| {
            ShaCrypt::default().verify_password(password.as_bytes(), text.as_str())
        };
        assert!(verify("wönderland").is_ok());
        assert!(verify("wonderland").is_err());
    }

    #[test]
    fn bcrypt_takes_72_bytes_and_refuses_a_73rd() {
        let longest = "x".repeat(MAX_BCRYPT);
        let text = hash(Scheme::Bcrypt, &Password::from(longest.as_str())).expect("hashed");
        assert!(bcrypt::verify(&longest, &text).expect("verifies"));
        let error = hash(Scheme::Bcrypt, &Password::from(format!("{longest}x").as_str()));
        assert_eq!(error, Err(HashError::TooLong(73)));
    }

    #[test]
    fn what_could_never_be_accepted_is_not_hashed() {
        let refused = |bytes: &[u8]| hash(Scheme::Argon2id, &Password::new(bytes.to_vec()));
        assert_eq!(refused(b""), Err(HashError::Empty));
        assert_eq!(refused(b"a\0b"), Err(HashError::Nul));
        assert_eq!(refused(b"\xff"), Err(HashError::NotUtf8));
    }
}
