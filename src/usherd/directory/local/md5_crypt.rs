//! `$apr1$` of htpasswd(1) and `$1$` of crypt(3): a thousand rounds of MD5. No maintained crate has
//! it, and files of old are full of it.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

const ROUNDS: usize = 1000;
/// What is beyond was never looked at.
const MAX_SALT: usize = 8;
const ALPHABET: &[u8] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Three bytes of the digest make four letters; the last makes two.
const ORDER: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
const LAST: usize = 11;

/// A hash taken apart.
#[derive(Debug)]
pub(super) struct Md5Crypt {
    magic: &'static str,
    salt: String,
    letters: String,
}

impl Md5Crypt {
    /// Reads `MAGIC SALT $ 22 letters`; none if it is not that.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let magic = ["$apr1$", "$1$"].into_iter().find(|magic| text.starts_with(magic))?;
        let (salt, letters) = text.strip_prefix(magic)?.split_once('$')?;
        let fits = salt.len() <= MAX_SALT
            && letters.len() == 22
            && letters.bytes().all(|it| ALPHABET.contains(&it));
        fits.then(|| Self { magic, salt: salt.to_owned(), letters: letters.to_owned() })
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let letters = letters(&self.digest(password));
        letters.as_bytes().ct_eq(self.letters.as_bytes()).into()
    }

    /// As Poul-Henning Kamp wrote it in 1994.
    fn digest(&self, password: &[u8]) -> [u8; 16] {
        let salt = self.salt.as_bytes();
        let inner: [u8; 16] = Md5::new()
            .chain_update(password)
            .chain_update(salt)
            .chain_update(password)
            .finalize()
            .into();
        let mut outer =
            Md5::new().chain_update(password).chain_update(self.magic).chain_update(salt);
        outer.update(inner.iter().cycle().take(password.len()).copied().collect::<Vec<u8>>());
        let mut bits = password.len();
        while bits > 0 {
            outer.update(if bits & 1 == 1 { &[0] } else { password.get(..1).unwrap_or_default() });
            bits >>= 1;
        }
        let mut digest: [u8; 16] = outer.finalize().into();
        for round in 0..ROUNDS {
            let mut next = Md5::new();
            let odd = round % 2 == 1;
            next.update(if odd { password } else { &digest });
            if round % 3 != 0 {
                next.update(salt);
            }
            if round % 7 != 0 {
                next.update(password);
            }
            next.update(if odd { &digest[..] } else { password });
            digest = next.finalize().into();
        }
        digest
    }
}

fn letters(digest: &[u8; 16]) -> String {
    let byte = |at: usize| u32::from(digest.get(at).copied().unwrap_or_default());
    let mut text = String::with_capacity(22);
    let mut put = |mut bits: u32, count: usize| {
        for _ in 0..count {
            text.push(char::from(ALPHABET.get((bits & 63) as usize).copied().unwrap_or_default()));
            bits >>= 6;
        }
    };
    for [high, middle, low] in ORDER {
        put(byte(high) << 16 | byte(middle) << 8 | byte(low), 4);
    }
    put(byte(LAST), 2);
    text
}

#[cfg(test)]
mod tests {
    use super::Md5Crypt;

    #[test]
    fn is_what_openssl_makes() {
        for (text, password) in [
            // openssl passwd -apr1 -salt saltsalt secret
            ("$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0", "secret"),
            // openssl passwd -1 -salt saltsalt secret
            ("$1$saltsalt$9xy1btjgzLYfb7hivXtC//", "secret"),
            // openssl passwd -apr1 -salt s "a password of more than sixteen bytes, with an ü"
            ("$apr1$s$klZGO5bhoXUK8jRf4ZFs.1", "a password of more than sixteen bytes, with an ü"),
        ] {
            let hash = Md5Crypt::parse(text).expect(text);
            assert!(hash.verify(password.as_bytes()), "{text}");
            assert!(!hash.verify(b"Secret"), "{text}");
            assert!(!hash.verify(b""), "{text}");
        }
    }

    #[test]
    fn what_is_not_whole_is_none() {
        for text in ["$apr1$", "$apr1$saltsalt", "$1$saltsalt$short", "$apr1$ninechars$x", "apr1"] {
            assert!(Md5Crypt::parse(text).is_none(), "{text}");
        }
    }
}
