//! How much memory a model takes.

use super::Model;
use super::items::Item;
use super::row::Row;
use super::user::User;

/// Bytes by what they are for, without what the allocator adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Ids, counts and trends of items.
    pub items: usize,
    /// Neighbours of items.
    pub neighbours: usize,
    /// Users of items that are compared.
    pub holders: usize,
    /// Ids, history, seen items and boosts of users.
    pub users: usize,
}

impl Memory {
    /// All of it.
    pub const fn whole(&self) -> usize {
        self.items + self.neighbours + self.holders + self.users
    }
}

impl Model {
    /// What it takes now. Looks at every table: not for each event.
    pub fn memory(&self) -> Memory {
        let items = &self.items;
        let rows: usize = items.rows.iter().map(Row::bytes).sum();
        let holders: usize = items.holders.iter().map(|all| all.capacity() * 4).sum();
        let users: usize = self.users.iter().map(User::bytes).sum();
        Memory {
            items: items.names.bytes()
                + items.all.capacity() * size_of::<Item>()
                + items.frequent.bytes()
                + items.trending.bytes(),
            neighbours: rows + items.rows.capacity() * size_of::<Row>(),
            holders: holders + items.holders.capacity() * size_of::<Vec<u32>>(),
            users: self.user_names.bytes() + users + self.users.capacity() * size_of::<User>(),
        }
    }
}
