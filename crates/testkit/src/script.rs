//! A script made of bytes, so that a fuzzer can write it.

/// What a script still has to say.
///
/// Whoever plays it draws from it until it [is over](Self::is_over). Any bytes are a script, and a short one
/// ends in zeros.
#[derive(Clone, Copy, Debug)]
pub struct Script<'s>(&'s [u8]);

impl<'s> Script<'s> {
    /// The script that these bytes are.
    #[must_use]
    pub fn new(bytes: &'s [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte; zero at the end.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// The next two bytes, the high one first.
    pub fn wide(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    /// The next byte if it is one of few, else what is usual.
    pub fn mostly(&mut self, usual: u8) -> u8 {
        let byte = self.byte();
        if byte < 0x30 { byte } else { usual }
    }

    /// The next eight bytes, the high one first.
    pub fn word(&mut self) -> u64 {
        (0..8).fold(0, |word, _| word << 8 | u64::from(self.byte()))
    }
}

#[cfg(test)]
mod tests {
    use super::Script;

    #[test]
    fn a_script_is_drawn_in_order_and_ends_in_zeros() {
        let mut script = Script::new(&[1, 2, 3, 4, 5]);
        assert_eq!((script.byte(), script.wide()), (1, 0x0203));
        assert!(!script.is_over());
        assert_eq!(script.word(), 0x0405_0000_0000_0000);
        assert!(script.is_over());
        assert_eq!(script.byte(), 0);
        assert_eq!(Script::new(&[0x2f]).mostly(7), 0x2f);
        assert_eq!(Script::new(&[0x30]).mostly(7), 7);
    }
}
