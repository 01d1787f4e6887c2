//! Numbers and blocks of bytes, written one after the other, and read without trust.
//!
//! Numbers have seven bits a byte, the lowest first, as the codec of values has them; so what is written
//! here can be read there, and the other way round.

/// Appends a number.
pub(crate) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// Appends how long a block is, and the block.
pub(crate) fn put_block(bytes: &mut Vec<u8>, block: &[u8]) {
    put_number(bytes, block.len() as u64);
    bytes.extend_from_slice(block);
}

/// The bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads what was appended, from the front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    /// A number, or zero at the end.
    pub(crate) fn number_or_zero(&mut self) -> Result<u64, Malformed> {
        if self.is_empty() { Ok(0) } else { self.number() }
    }

    /// A number that counts things in memory.
    pub(crate) fn count(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.number()?).map_err(|_| Malformed)
    }

    pub(crate) fn block(&mut self) -> Result<&'b [u8], Malformed> {
        let len = self.count()?;
        self.take(len)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'b [u8], Malformed> {
        let (block, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(block)
    }

    /// All that is left.
    pub(crate) fn rest(self) -> &'b [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_is_read(numbers: Vec<u64>, block: Vec<u8>) {
            let mut bytes = Vec::new();
            numbers.iter().for_each(|number| put_number(&mut bytes, *number));
            put_block(&mut bytes, &block);
            let mut reader = Reader::new(&bytes);
            for number in numbers {
                prop_assert_eq!(reader.number(), Ok(number));
            }
            prop_assert_eq!(reader.block(), Ok(block.as_slice()));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while !reader.is_empty() {
                let before = reader.rest().len();
                if reader.block().or_else(|Malformed| reader.take(1)).is_err() {
                    break;
                }
                prop_assert!(reader.rest().len() < before);
            }
        }

        #[test]
        fn the_codec_of_values_writes_numbers_alike(number: u64) {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            put_number(&mut ours, number);
            ipc_core::wire::encode_plain(&number, &mut theirs).unwrap();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn numbers_that_are_too_large_are_refused() {
        assert_eq!(Reader::new(&[0xff; 10]).number(), Err(Malformed));
        assert_eq!(Reader::new(&[0x80; 9]).number(), Err(Malformed));
        let mut largest = [0xff; 10];
        largest[9] = 1;
        assert_eq!(Reader::new(&largest).number(), Ok(u64::MAX));
    }
}
