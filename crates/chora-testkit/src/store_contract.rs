//! What every `Store` adapter has to do.

pub mod deployments;
pub mod leases;
pub mod releases;
pub mod sample;

use std::sync::Arc;

use async_trait::async_trait;
use chora_core::ports::store::Store;

/// Gives handles on one and the same state, as two programs would have them.
#[async_trait]
pub trait StoreFixture: Send + Sync {
    /// Opens the state again.
    async fn open(&self) -> Arc<dyn Store>;
}

/// Writes one test per case of the contract for the fixture that the expression makes.
#[macro_export]
macro_rules! store_contract {
    ($fixture:expr) => {
        $crate::store_contract!(@cases $fixture; leases: one_owner_at_a_time, of_many_one_wins, only_the_named_owner_is_stolen_from,
            a_heartbeat_is_kept, a_lost_lease_is_said, giving_back_is_forgiving, environments_do_not_meet);
        $crate::store_contract!(@cases $fixture; releases: a_release_comes_back_whole, the_same_release_again_is_fine,
            another_release_under_the_same_id_is_refused, live_follows_what_is_set, live_must_be_recorded);
        $crate::store_contract!(@cases $fixture; deployments: a_deployment_comes_back_whole, a_plan_completes_it,
            newest_first_whatever_the_clock_says, what_made_releases_live_is_told, the_end_comes_once, the_end_and_live_change_together,
            unknown_is_not_found, the_journal_keeps_its_order, the_journal_and_live_change_together,
            a_deployment_begins_with_its_release, a_journal_needs_its_deployment);
    };
    (@cases $fixture:expr; $group:ident: $($case:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $case() {
            let fixture = $fixture;
            $crate::store_contract::$group::$case(&fixture).await;
        })*
    };
}
