//! Large messages: those that do not fit into a slot.

use crate::bytes::ByteQueue;
use crate::error::{GetError, PutError};
use crate::heap::geometry::BlockId;
use crate::heap::record::Record;
use crate::heap::{self, Heap};
use crate::ring::{Patience, Refused, Ring, planted};
use crate::seat::Seated;
use crate::side::{MayGet, MayPut};

impl<S: MayPut> ByteQueue<S> {
    /// Puts a message that does not fit into a slot: writes it before it claims one, so that a long
    /// copy holds up nobody.
    #[cold]
    pub(crate) fn put_large<'b>(
        &self,
        bytes: &'b [u8],
        patience: Patience,
    ) -> Result<(), PutError<&'b [u8]>> {
        let len = bytes.len() as u64;
        let (seated, id) = match self.allocate(bytes.len(), patience) {
            Ok(allocated) => allocated,
            Err(error) => return Err(error.map(|()| bytes)),
        };
        let ring = self.ring();
        let put = match ring.write_block(id, bytes) {
            Ok(()) => {
                self.publish(seated, id, len, patience).map_err(|refused| refused.of_put(bytes))
            }
            Err(source) => Err(PutError::NoMemory { value: bytes, source }),
        };
        if put.is_err() {
            Heap(ring).free(id, seated.owner, seated.me);
        }
        put
    }

    /// Takes a block for a message of `len` bytes, which is the caller's to publish or to free.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a result in memory takes longer")]
    pub(crate) fn allocate(
        &self,
        len: usize,
        patience: Patience,
    ) -> Result<(Seated, BlockId), PutError<()>> {
        let ring = self.ring();
        let limit = self.max_message();
        if len > limit {
            return Err(PutError::TooLarge { value: (), len, limit });
        }
        if let Some(refused) = Ring(ring).turns_away() {
            return Err(refused.of_put(()));
        }
        let seated =
            self.table.sit_down().map_err(|source| PutError::NoSeat { value: (), source })?;
        let id = Heap(ring)
            .allocate(seated.owner, seated.me, len as u64, patience)
            .map_err(heap::Refused::of_put)?;
        Ok((seated, id))
    }

    /// Hands a block of the caller's, with a message in it, to the queue.
    pub(crate) fn publish(
        &self,
        seated: Seated,
        id: BlockId,
        len: u64,
        patience: Patience,
    ) -> Result<(), Refused> {
        let Seated { me, owner } = seated;
        let ring = self.ring();
        ring.pend(me);
        let mut put = Ring(ring).put(owner, patience);
        if let Ok(claim) = put {
            ring.write_record(&claim, Record::Large(id, len));
            if planted::COMMITS_FIRST {
                Ring(ring).commit(claim);
            }
            if Heap(ring).queue(id, owner, claim.at) {
                if !planted::COMMITS_FIRST {
                    Ring(ring).commit(claim);
                }
                ring.count_put(owner);
            } else {
                Ring(ring).abandon(claim);
                put = Err(Refused::Corrupt);
            }
        }
        me.pend_clear();
        put.map(|_| ())
    }
}

impl<S: MayGet> ByteQueue<S> {
    /// Copies a message of `len` bytes out of a block of the caller's, which is freed.
    #[cold]
    pub(crate) fn read_large(
        &self,
        seated: Seated,
        id: BlockId,
        len: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<(), GetError> {
        let read = self.copy_out(id, len, bytes);
        Heap(self.ring()).free(id, seated.owner, seated.me);
        read
    }

    fn copy_out(&self, id: BlockId, len: u64, bytes: &mut Vec<u8>) -> Result<(), GetError> {
        let ring = self.ring();
        let len = match usize::try_from(len) {
            Ok(whole) if len <= Heap(ring).backed(id) => whole,
            _ => return Err(GetError::Corrupt),
        };
        if bytes.try_reserve_exact(len).is_ok() && ring.read_block(id, len, bytes).is_ok() {
            Ok(())
        } else {
            bytes.clear();
            Err(GetError::NoMemory { len })
        }
    }
}

impl heap::Refused {
    /// What a putter is told.
    fn of_put(self) -> PutError<()> {
        match self {
            Self::Ring(refused) => refused.of_put(()),
            Self::NoMemory(source) => PutError::NoMemory { value: (), source },
        }
    }
}
