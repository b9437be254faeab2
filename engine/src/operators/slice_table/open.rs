//! The open slices of a table, by number. Rows mostly lie in the slice of the row before them,
//! which is found without a search: that was 2 % of a worker's time.

use std::collections::BTreeMap;

use hashbrown::HashTable;

/// One open slice.
#[derive(Default)]
pub(super) struct Slice {
    pub(super) index: HashTable<u32>,
    pub(super) slots: Vec<u32>,
    pub(super) other: Option<u32>,
}

/// The slices.
#[derive(Default)]
pub(super) struct OpenSlices {
    /// Their places, by number.
    places: BTreeMap<i64, u32>,
    slices: Vec<Slice>,
    free: Vec<u32>,
    /// The one that was asked for last, and its place.
    last: Option<(i64, u32)>,
}

impl OpenSlices {
    /// A slice, which is opened where it is not.
    #[inline]
    pub(super) fn open(&mut self, number: i64) -> &mut Slice {
        let place = match self.last {
            Some((last, place)) if last == number => place,
            _ => self.find_or_open(number),
        };
        &mut self.slices[place as usize]
    }

    fn find_or_open(&mut self, number: i64) -> u32 {
        let place = *self.places.entry(number).or_insert_with(|| match self.free.pop() {
            Some(place) => place,
            None => {
                self.slices.push(Slice::default());
                self.slices.len() as u32 - 1
            }
        });
        self.last = Some((number, place));
        place
    }

    pub(super) fn get(&self, number: i64) -> Option<&Slice> {
        self.places.get(&number).map(|place| &self.slices[*place as usize])
    }

    pub(super) fn get_mut(&mut self, number: i64) -> Option<&mut Slice> {
        self.places.get(&number).map(|place| &mut self.slices[*place as usize])
    }

    /// Takes a slice out.
    pub(super) fn remove(&mut self, number: i64) -> Option<Slice> {
        let place = self.places.remove(&number)?;
        self.free.push(place);
        self.last = None;
        Some(std::mem::take(&mut self.slices[place as usize]))
    }

    /// All of them, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &Slice)> {
        self.places.iter().map(|(number, place)| (*number, &self.slices[*place as usize]))
    }

    /// The numbers of those before one, ascending.
    pub(super) fn before(&self, number: i64) -> Vec<i64> {
        self.places.range(..number).map(|(number, _)| *number).collect()
    }

    /// Each of them, in no order; those that are free are empty.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Slice> {
        self.slices.iter_mut()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::OpenSlices;

    #[test]
    fn a_slice_that_went_is_opened_anew_and_others_stay() {
        let mut open = OpenSlices::default();
        open.open(3).slots.push(30);
        open.open(1).slots.push(10);
        open.open(3).slots.push(31);
        assert_eq!(open.before(3), [1]);
        assert_eq!(open.remove(3).map(|slice| slice.slots), Some(vec![30, 31]));
        assert!(open.get(3).is_none());
        open.open(7).slots.push(70);
        assert!(open.open(3).slots.is_empty());
        let all: Vec<_> = open.iter().map(|(number, slice)| (number, slice.slots.len())).collect();
        assert_eq!(all, [(1, 1), (3, 0), (7, 1)]);
    }
}
