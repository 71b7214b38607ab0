//! Lists come in pages, each with an opaque cursor to the next.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::error::failed;
use crate::{Store, StoreError};

/// Items of a page that asks for none in particular.
const DEFAULT_LIMIT: u32 = 50;
/// Items of the largest page.
const MAX_LIMIT: u32 = 500;

/// Where the next page starts. Opaque: only the list that gave it out can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// A cursor as it came back from a client; it is checked when it is used.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text to hand out.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn of(sort_key: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(sort_key))
    }

    pub(crate) fn sort_key(&self) -> Result<String, StoreError> {
        let wrong = || StoreError::invalid("cursor", "it was not given out by this list");
        let bytes = URL_SAFE_NO_PAD.decode(&self.0).map_err(|_| wrong())?;
        String::from_utf8(bytes).map_err(|_| wrong())
    }
}

/// Which page is wanted.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    cursor: Option<Cursor>,
    limit: Option<u32>,
}

impl PageRequest {
    /// The first page of the default size (50).
    pub fn first() -> Self {
        Self::default()
    }

    /// The page at `cursor` (absent: the first) with `limit` items: 1 to 500, absent: 50.
    pub fn new(cursor: Option<Cursor>, limit: Option<u32>) -> Result<Self, StoreError> {
        if limit.is_some_and(|n| n == 0 || n > MAX_LIMIT) {
            return Err(StoreError::invalid("limit", format!("it must be 1 to {MAX_LIMIT}")));
        }
        Ok(Self { cursor, limit })
    }

    /// The first page of the largest size.
    pub fn largest() -> Self {
        Self { cursor: None, limit: Some(MAX_LIMIT) }
    }

    /// The same size, at another place.
    pub fn at(&self, cursor: Cursor) -> Self {
        Self { cursor: Some(cursor), limit: self.limit }
    }

    pub(crate) fn sort_key(&self) -> Result<Option<String>, StoreError> {
        self.cursor.as_ref().map(Cursor::sort_key).transpose()
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_LIMIT) as usize
    }

    /// One row more than the page holds, to learn whether there is a next one.
    pub(crate) fn rows(&self) -> u64 {
        self.limit() as u64 + 1
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The items, in the order the list states.
    pub items: Vec<T>,
    /// Where the next page starts; absent on the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Cuts rows fetched with [`PageRequest::rows`] to the page.
    pub(crate) fn cut<R>(
        mut rows: Vec<R>,
        request: &PageRequest,
        sort_key: impl Fn(&R) -> String,
        read: impl FnMut(R) -> Result<T, StoreError>,
    ) -> Result<Self, StoreError> {
        let more = rows.len() > request.limit();
        rows.truncate(request.limit());
        let next = if more { rows.last().map(|row| Cursor::of(&sort_key(row))) } else { None };
        let items = rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { items, next })
    }

    /// The page of the rows that are `wanted`, the newest first: their `id` tells when they were made.
    pub(crate) async fn newest<E: EntityTrait>(
        store: &Store,
        wanted: Condition,
        id: E::Column,
        id_of: impl Fn(&E::Model) -> String,
        request: &PageRequest,
        doing: &'static str,
        read: impl FnMut(E::Model) -> Result<T, StoreError>,
    ) -> Result<Self, StoreError> {
        let wanted = match request.sort_key()? {
            Some(before) => wanted.add(id.lt(before)),
            None => wanted,
        };
        let rows = E::find()
            .filter(wanted)
            .order_by_desc(id)
            .limit(request.rows())
            .all(store.reader())
            .await
            .map_err(failed(doing))?;
        Self::cut(rows, request, id_of, read)
    }

    /// The page of a list that is at hand whole, in the order of its keys, which are all different.
    pub fn of(
        mut all: Vec<T>,
        request: &PageRequest,
        sort_key: impl Fn(&T) -> String,
    ) -> Result<Self, StoreError> {
        let after = request.sort_key()?;
        all.retain(|item| after.as_ref().is_none_or(|after| sort_key(item) > *after));
        all.sort_by_cached_key(&sort_key);
        Self::cut(all, request, sort_key, Ok)
    }

    /// The same page of other items.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_at_hand_is_handed_out_whole_page_by_page() -> Result<(), StoreError> {
        let all = ["b", "e", "a", "d", "c"].map(str::to_owned);
        let (mut seen, mut cursor) = (Vec::new(), None);
        for want in [2, 2, 1] {
            let request = PageRequest::new(cursor, Some(2))?;
            let page = Page::of(all.to_vec(), &request, Clone::clone)?;
            assert_eq!(page.items.len(), want);
            seen.extend(page.items);
            cursor = page.next;
        }
        assert_eq!((seen.concat().as_str(), cursor), ("abcde", None));
        let wrong = PageRequest::new(Some(Cursor::from_text("#")), None)?;
        assert!(Page::of(all.to_vec(), &wrong, Clone::clone).is_err());
        Ok(())
    }
}
