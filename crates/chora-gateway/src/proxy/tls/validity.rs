//! When a certificate is valid. The TLS library tells that only of a whole chain whose authority is known, so the two
//! times are read here (RFC 5280 §4.1).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The first and the last second of a certificate in DER. `None` when it is none.
pub(in crate::proxy) fn of(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let mut outer = Der(Der(certificate).take(SEQUENCE)?);
    let mut fields = Der(outer.take(SEQUENCE)?);
    if fields.0.first() == Some(&VERSION) {
        fields.next()?;
    }
    // Its number, how it is signed, and by whom.
    for _ in 0..3 {
        fields.next()?;
    }
    let mut times = Der(fields.take(SEQUENCE)?);
    Some((time(times.next()?)?, time(times.next()?)?))
}

/// Values one after the other, each with its tag and its length.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let [tag, length, rest @ ..] = self.0 else { return None };
        let (length, rest) = match length.checked_sub(0x80) {
            None => (usize::from(*length), rest),
            Some(bytes @ 1..=4) => {
                let (bytes, rest) = rest.split_at_checked(usize::from(bytes))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            Some(_) => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, value))
    }

    fn take(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next().filter(|(tag, _)| *tag == wanted).map(|(_, value)| value)
    }
}

/// `YYMMDDHHMMSSZ` of this and the last century, or `YYYYMMDDHHMMSSZ`.
fn time((tag, text): (u8, &[u8])) -> Option<Timestamp> {
    let text = str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => text.split_at_checked(2)?,
        GENERALIZED_TIME => text.split_at_checked(4)?,
        _ => return None,
    };
    let year: i16 = match year.parse().ok()? {
        short @ 0..50 if tag == UTC_TIME => 2000 + short,
        short if tag == UTC_TIME => 1900 + short,
        whole => whole,
    };
    let mut parts = [0_i8; 5];
    let mut rest = rest;
    for part in &mut parts {
        let (two, more) = rest.split_at_checked(2)?;
        *part = two.parse().ok()?;
        rest = more;
    }
    let [month, day, hour, minute, second] = parts;
    let time = DateTime::new(year, month, day, hour, minute, second, 0).ok().filter(|_| rest.is_empty())?;
    TimeZone::UTC.to_timestamp(time).ok()
}

#[cfg(test)]
mod tests {
    use super::{GENERALIZED_TIME, UTC_TIME, of, time};

    #[test]
    fn times_are_read_in_both_forms() {
        for (tag, text, expected) in [
            (UTC_TIME, "261121231500Z", Some("2026-11-21T23:15:00Z")),
            (UTC_TIME, "500101000000Z", Some("1950-01-01T00:00:00Z")),
            (GENERALIZED_TIME, "20500101000000Z", Some("2050-01-01T00:00:00Z")),
            (UTC_TIME, "2611212315Z", None),
            (UTC_TIME, "261321231500Z", None),
            (UTC_TIME, "26112123150000Z", None),
            (GENERALIZED_TIME, "20500101000000", None),
            (2, "261121231500Z", None),
        ] {
            let read = time((tag, text.as_bytes()));
            assert_eq!(read.map(|time| time.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_certificate_tells_from_when_to_when() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut parameters = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).expect("parameters");
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 2);
        parameters.not_after = rcgen::date_time_ymd(2060, 3, 4);
        let der = parameters.self_signed(&key).expect("a certificate").der().to_vec();
        let (from, to) = of(&der).expect("times");
        assert_eq!((from.to_string().as_str(), to.to_string().as_str()), ("2026-01-02T00:00:00Z", "2060-03-04T00:00:00Z"));
        // Cut anywhere before its signature, it is none.
        for end in 0..100 {
            assert!(of(&der[..end]).is_none());
        }
    }
}
