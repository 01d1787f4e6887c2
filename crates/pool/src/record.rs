//! What travels through the rings: orders to a worker, reports to the parent.
//!
//! A record is the bytes of a value, encoded by whoever knows its type, with a few words of ours
//! behind them, so that nothing is copied on the way in or out:
//!
//! ```text
//! order    | argument | function | ticket (8) | length of function (2) | freight (1) |
//! report   | answer   | ticket (8) | nanoseconds (8) | place (4) | items (4) | freight (1) | what (1) |
//! unwanted | ticket (8) |
//! ```
//!
//! The last one goes to a worker too: parcels up to that of this ticket are of tasks that it will not
//! see. An order is longer.
//!
//! What a ring cannot carry goes another way: many bytes over a [shelf](crate::shelf), of which the place
//! stands where else the value would, or with handles ahead as a parcel through the worker's socket (see
//! [`parcel`](crate::parcel)). The *freight* says which.

use crate::parcel::Freight;

/// A task for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order<'b> {
    /// The argument's bytes, or where they lie on the shelf; none if they come in a parcel.
    pub(crate) argument: &'b [u8],
    /// The encoded name of the function.
    pub(crate) function: &'b [u8],
    /// Which handing-out of which task this is.
    pub(crate) ticket: u64,
    pub(crate) freight: Freight,
}

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The task was run: the value is what came of it.
    Outcome,
    /// The task was not run: the value says why.
    Refusal,
    /// The worker is ready for its first task.
    Ready,
    /// The worker begins nothing more, and ends.
    Leaving,
    /// From the keeper: the worker in this place has ended.
    Ended,
    /// From the keeper: look around.
    Nudge,
}

/// Something that the parent is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) what: What,
    pub(crate) place: usize,
    pub(crate) ticket: u64,
    /// How long the task took.
    pub(crate) nanos: u64,
    /// How many items were done; one, if it was no chunk.
    pub(crate) n_items: u32,
    pub(crate) freight: Freight,
}

/// Up to which ticket parcels are not wanted, if that is what a record says.
pub(crate) fn unwanted(record: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(record.try_into().ok()?))
}

const ORDER_LEN: usize = 8 + 2 + 1;
const REPORT_LEN: usize = 8 + 8 + 4 + 4 + 1 + 1;

impl<'b> Order<'b> {
    /// Appends the words of ours to the argument.
    pub(crate) fn seal(record: &mut Vec<u8>, function: &[u8], ticket: u64, freight: Freight) {
        record.extend_from_slice(function);
        record.extend_from_slice(&ticket.to_le_bytes());
        // The name of a function has a few dozen bytes.
        let len = u16::try_from(function.len()).unwrap_or(u16::MAX);
        record.extend_from_slice(&len.to_le_bytes());
        record.push(freight.code());
    }

    /// Takes a record apart; `None` if it is no order.
    pub(crate) fn read(record: &'b [u8]) -> Option<Self> {
        let (rest, [ticket @ .., l, h, freight]) = record.split_last_chunk::<ORDER_LEN>()?;
        let ticket = u64::from_le_bytes(*ticket);
        let len = usize::from(u16::from_le_bytes([*l, *h]));
        let (argument, function) = rest.split_at_checked(rest.len().checked_sub(len)?)?;
        Some(Self { argument, function, ticket, freight: Freight::of_code(*freight)? })
    }
}

impl Report {
    /// Appends the words of ours to the value.
    pub(crate) fn write(&self, record: &mut Vec<u8>) {
        record.extend_from_slice(&self.ticket.to_le_bytes());
        record.extend_from_slice(&self.nanos.to_le_bytes());
        // There are at most 2^16 workers.
        let place = u32::try_from(self.place).unwrap_or(u32::MAX);
        record.extend_from_slice(&place.to_le_bytes());
        record.extend_from_slice(&self.n_items.to_le_bytes());
        record.push(self.freight.code());
        record.push(self.what.code());
    }

    /// Takes the words of ours off the value; `None` if it is no report.
    pub(crate) fn take(record: &mut Vec<u8>) -> Option<Self> {
        let (rest, [words @ .., freight, what]) = record.split_last_chunk::<REPORT_LEN>()?;
        let (ticket, words) = words.split_first_chunk::<8>()?;
        let (nanos, words) = words.split_first_chunk::<8>()?;
        let (place, words) = words.split_first_chunk::<4>()?;
        let place = u32::from_le_bytes(*place);
        let report = Self {
            what: What::of_code(*what)?,
            place: usize::try_from(place).ok()?,
            ticket: u64::from_le_bytes(*ticket),
            nanos: u64::from_le_bytes(*nanos),
            n_items: u32::from_le_bytes(*words.first_chunk()?),
            freight: Freight::of_code(*freight)?,
        };
        let len = rest.len();
        record.truncate(len);
        Some(report)
    }
}

impl Report {
    /// Whether it is about a task.
    pub(crate) const fn is_answer(&self) -> bool {
        matches!(self.what, What::Outcome | What::Refusal)
    }
}

impl What {
    const fn code(self) -> u8 {
        match self {
            Self::Outcome => 0,
            Self::Refusal => 1,
            Self::Ended => 2,
            Self::Nudge => 3,
            Self::Ready => 4,
            Self::Leaving => 5,
        }
    }

    const fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Outcome),
            1 => Some(Self::Refusal),
            2 => Some(Self::Ended),
            3 => Some(Self::Nudge),
            4 => Some(Self::Ready),
            5 => Some(Self::Leaving),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Freight, Order, Report, What, unwanted};

    #[test]
    fn order_comes_out_as_it_went_in_and_a_cut_one_does_not() {
        let order =
            Order { argument: b"args", function: b"name", ticket: 7, freight: Freight::Handles };
        let mut record = b"args".to_vec();
        Order::seal(&mut record, b"name", 7, Freight::Handles);
        assert_eq!(Order::read(&record), Some(order));
        for len in 0..11 {
            assert_eq!(Order::read(&record[..len]), None, "{len} bytes");
            assert_eq!(unwanted(&record[..len]).is_some(), len == 8);
        }
        // A length that is longer than the record, and a freight that does not exist.
        record[17] = 0xff;
        assert_eq!(Order::read(&record), None);
        record[17] = 0;
        record[18] = 9;
        assert_eq!(Order::read(&record), None);
    }

    #[test]
    fn report_comes_off_its_value_and_a_cut_one_does_not() {
        let report = Report {
            what: What::Refusal,
            place: 3,
            ticket: 1 << 40,
            nanos: 5,
            n_items: 6,
            freight: Freight::File,
        };
        let mut record = b"value".to_vec();
        report.write(&mut record);
        let whole = record.clone();
        assert_eq!(Report::take(&mut record), Some(report));
        assert_eq!(record, b"value");
        for len in 0..26 {
            assert_eq!(Report::take(&mut whole[..len].to_vec()), None, "{len} bytes");
        }
        let mut wrong = whole;
        *wrong.last_mut().unwrap() = 9;
        assert_eq!(Report::take(&mut wrong), None);
    }
}
