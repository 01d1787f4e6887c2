//! A number that stands for bytes.

/// Makes a number of bytes, equal for equal bytes: FNV-1a with 128 bits.
///
/// It tells different programs and types apart that differ by accident. It is not made to resist
/// anybody who tries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fingerprint(u128);

impl Fingerprint {
    pub(crate) const fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    /// Takes in more bytes.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
        }
    }

    /// The number for all bytes so far.
    pub(crate) const fn value(self) -> u128 {
        self.0
    }

    /// The number for these bytes.
    pub(crate) fn of(bytes: &[u8]) -> u128 {
        let mut fingerprint = Self::new();
        fingerprint.add(bytes);
        fingerprint.value()
    }
}

#[cfg(test)]
mod tests {
    use super::Fingerprint;

    #[test]
    fn fingerprint_is_fnv_1a() {
        // From the reference implementation's test suite.
        assert_eq!(Fingerprint::of(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(Fingerprint::of(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
