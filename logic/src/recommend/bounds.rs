//! What happens at the bounds on items and users: an eighth leaves at once, so that the search for it is rare.

use super::Model;
use super::names::Slot;
use super::user::User;

impl Model {
    /// The slot of an item, a new one if need be.
    pub(super) fn intern_item(&mut self, name: &str) -> Option<Slot> {
        if let Some(slot) = self.items.names.find(name) {
            return Some(slot);
        }
        if self.items.names.len() >= self.settings.items_max {
            self.drop_rare_items();
        }
        self.items.intern(name)
    }

    /// The slot of a user, a new one if need be.
    pub(super) fn intern_user(&mut self, name: &str) -> Option<Slot> {
        if let Some(slot) = self.user_names.find(name) {
            return Some(slot);
        }
        if self.user_names.len() >= self.settings.users_max {
            self.drop_quiet_users();
        }
        let slot = self.user_names.add(name)?;
        let width = self.user_names.width().max(self.users.len());
        self.users.resize(width, User::default());
        Some(slot)
    }

    fn drop_rare_items(&mut self) {
        let items = &self.items;
        let mut all: Vec<(f64, u32, &str, Slot)> = items
            .names
            .all()
            .map(|(slot, name)| {
                let item = items.get(slot);
                (item.count, item.last, name, slot)
            })
            .collect();
        let keep = self.settings.items_max - (self.settings.items_max / 8).max(1);
        let out = all.len().saturating_sub(keep);
        all.sort_unstable_by(|one, other| {
            let count = one.0.total_cmp(&other.0);
            count.then(one.1.cmp(&other.1)).then(one.2.cmp(other.2))
        });
        let mut gone = vec![false; self.items.names.width()];
        for (.., slot) in all.into_iter().take(out) {
            if let Some(gone) = gone.get_mut(slot as usize) {
                *gone = true;
            }
        }
        let gone = |slot: Slot| gone.get(slot as usize).copied().unwrap_or(false);
        for user in &mut self.users {
            user.remove(gone);
        }
        if let Some(pending) = &mut self.pending {
            pending.remove(gone);
        }
        self.items.remove(&gone);
        self.items.rebuild_boards(self.settings.candidates_max);
    }

    fn drop_quiet_users(&mut self) {
        let mut all: Vec<(u32, &str, Slot)> = self
            .user_names
            .all()
            .map(|(slot, name)| {
                let last = self.users.get(slot as usize).map_or(0, |user| user.last);
                (last, name, slot)
            })
            .collect();
        let keep = self.settings.users_max - (self.settings.users_max / 8).max(1);
        let out = all.len().saturating_sub(keep);
        all.sort_unstable();
        let out: Vec<Slot> = all.into_iter().take(out).map(|(.., slot)| slot).collect();
        let mut gone = vec![false; self.user_names.width()];
        for slot in out {
            if let (Some(gone), Some(user)) = (
                gone.get_mut(slot as usize),
                self.users.get_mut(slot as usize),
            ) {
                (*gone, *user) = (true, User::default());
            }
            self.user_names.remove(slot);
        }
        for holders in &mut self.items.holders {
            holders.retain(|slot| !gone.get(*slot as usize).copied().unwrap_or(false));
        }
    }

    /// Brings a model that was restored within bounds that are smaller now.
    pub(super) fn enforce(&mut self) {
        if self.items.names.len() > self.settings.items_max {
            self.drop_rare_items();
        }
        if self.user_names.len() > self.settings.users_max {
            self.drop_quiet_users();
        }
    }
}
