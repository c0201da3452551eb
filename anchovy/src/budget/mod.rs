//! Budgets: fair division of resources that peers make a process hold.
//!
//! ```text
//! Budget ── ledger for each Resource ── share: how much an account may hold
//!   │                │
//!   └─ Account ── Charge (returned on drop), ChargeRequest (waits)
//! ```

mod account;
#[expect(clippy::module_inception, reason = "each type has a file with its name")]
mod budget;
mod charge;
mod key;
mod ledger;
mod ledgers;
mod lines;
mod lingering;
#[cfg(all(test, anchovy_loom))]
mod models;
mod resource;
mod share;
mod turn;

pub use account::Account;
pub use budget::{Budget, BudgetBuilder};
pub use charge::{Charge, ChargeRequest};
pub use key::AccountKey;
pub(crate) use ledgers::Receiving;
pub use resource::{Resource, Usage};
pub(crate) use turn::Turn;

#[cfg(test)]
mod tests;
