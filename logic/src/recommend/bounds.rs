//! What happens at the bounds on items and users: an eighth leaves at once, so that the search for it is rare.

use super::Model;
use super::names::Slot;
use super::user::User;

impl Model {
    /// The slot of an item that gains, a new one if need be.
    pub(super) fn counted_item(&mut self, name: &str) -> Option<Slot> {
        let known = self.items.names.find(name);
        if known.is_some_and(|slot| self.items.get(slot).is_counted) {
            return known;
        }
        if self.items.counted >= self.settings.items_max {
            self.drop_rare_items();
        }
        let slot = self.items.intern(name)?;
        self.items.count_in(slot);
        Some(slot)
    }

    /// The slot of an item that a user has, a new one if need be. New ones are counted once a delta that names them is merged.
    /// They are bounded too: an eighth of the items. At the bound all leave that the delta under way does not name.
    pub(super) fn named_item(&mut self, name: &str) -> Option<Slot> {
        if let Some(slot) = self.items.names.find(name) {
            return Some(slot);
        }
        let most = self.settings.items_max / 8 + 1_000;
        let named = |model: &Self| model.items.names.len().saturating_sub(model.items.counted);
        if named(self) >= most {
            let pending = self.pending.slots();
            let all = self.items.names.all().map(|(slot, _)| slot);
            let out = all.filter(|slot| !self.items.get(*slot).is_counted);
            let out: Vec<Slot> = out.filter(|slot| !pending.contains(slot)).collect();
            self.remove_items(out);
        }
        (named(self) < most).then(|| self.items.intern(name))?
    }

    /// The slot of a user, a new one if need be. The user is now the last to leave.
    pub(super) fn touch_user(&mut self, name: &str) -> Option<Slot> {
        let slot = match self.user_names.find(name) {
            Some(slot) => slot,
            None => self.new_user(name)?,
        };
        self.touches += 1;
        if let Some(user) = self.users.get_mut(slot as usize) {
            user.touched = self.touches;
        }
        Some(slot)
    }

    fn new_user(&mut self, name: &str) -> Option<Slot> {
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
            .map(|(slot, name)| (items.get(slot), name, slot))
            .filter(|(item, ..)| item.is_counted)
            .map(|(item, name, slot)| (item.count, item.last, name, slot))
            .collect();
        let keep = self.settings.items_max - (self.settings.items_max / 8).max(1);
        let out = all.len().saturating_sub(keep);
        all.sort_unstable_by(|one, other| {
            let count = one.0.total_cmp(&other.0);
            count.then(one.1.cmp(&other.1)).then(one.2.cmp(other.2))
        });
        let out = all.into_iter().take(out).map(|(.., slot)| slot).collect();
        self.remove_items(out);
        self.items.rebuild_boards(self.settings.candidates_max);
    }

    /// Items that the delta under way names keep their slot and their users: merging it counts them again.
    fn remove_items(&mut self, out: Vec<Slot>) {
        let mut gone = vec![false; self.items.names.width()];
        for slot in out {
            if let Some(gone) = gone.get_mut(slot as usize) {
                *gone = true;
            }
        }
        let pending = self.pending.slots();
        let gone = |slot: Slot| gone.get(slot as usize).copied().unwrap_or(false);
        let is_named = |slot: Slot| pending.contains(&slot);
        for user in &mut self.users {
            user.remove(|slot| gone(slot) && !is_named(slot));
        }
        self.items.remove(&gone, &is_named);
    }

    fn drop_quiet_users(&mut self) {
        let mut all: Vec<(u64, Slot)> = self
            .user_names
            .all()
            .map(|(slot, _)| {
                let touched = self.users.get(slot as usize).map_or(0, |user| user.touched);
                (touched, slot)
            })
            .collect();
        let keep = self.settings.users_max - (self.settings.users_max / 8).max(1);
        let out = all.len().saturating_sub(keep);
        all.sort_unstable();
        let out = all.into_iter().take(out).map(|(_, slot)| slot).collect();
        self.remove_users(out);
    }

    /// Forgets every user that `keep` refuses; says how many. For users whose events go to another instance from now on.
    pub fn retain_users(&mut self, keep: impl Fn(&str) -> bool) -> usize {
        let all = self.user_names.all();
        let out: Vec<Slot> = all
            .filter(|(_, name)| !keep(name))
            .map(|(slot, _)| slot)
            .collect();
        let many = out.len();
        self.remove_users(out);
        many
    }

    fn remove_users(&mut self, out: Vec<Slot>) {
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
        if self.items.counted > self.settings.items_max {
            self.drop_rare_items();
        }
    }
}
