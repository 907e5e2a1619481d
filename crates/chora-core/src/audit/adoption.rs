//! How much is adopted, by weight.

use super::Counts;
use super::feature::Feature;
use super::marks::{FeatureState, Marks};

/// Weights, doubled so that halves are whole.
#[derive(Debug, Clone)]
pub(super) struct Adoption {
    pub(super) counts: Counts,
    have: u32,
    of: u32,
}

/// What a state is worth, of two.
const fn halves(state: FeatureState) -> u32 {
    match state {
        FeatureState::Adopted => 2,
        FeatureState::Partly => 1,
        FeatureState::Missing | FeatureState::Unknown | FeatureState::NotApplicable => 0,
    }
}

impl Adoption {
    pub(super) fn of(judged: &[(&Feature, Marks)]) -> Self {
        let mut all = Self { counts: Counts::default(), have: 0, of: 0 };
        for (feature, marks) in judged {
            let state = marks.state();
            *match state {
                FeatureState::Adopted => &mut all.counts.adopted,
                FeatureState::Partly => &mut all.counts.partly,
                FeatureState::Missing => &mut all.counts.missing,
                FeatureState::Unknown => &mut all.counts.unknown,
                FeatureState::NotApplicable => &mut all.counts.not_applicable,
            } += 1;
            if state != FeatureState::NotApplicable {
                all.have += halves(state) * u32::from(feature.weight);
                all.of += 2 * u32::from(feature.weight);
            }
        }
        all
    }

    /// Rounded down: 100 is all of it.
    pub(super) fn percent(&self) -> u8 {
        u8::try_from((self.have * 100).checked_div(self.of).unwrap_or(100)).unwrap_or(100)
    }

    /// What adopting the rest of a feature adds, in halves of its weight.
    pub(super) fn halves_left(feature: &Feature, state: FeatureState) -> u32 {
        (2 - halves(state)) * u32::from(feature.weight)
    }

    /// The same in percent, to one decimal.
    pub(super) fn gain(&self, feature: &Feature, state: FeatureState) -> f64 {
        let tenths = (Self::halves_left(feature, state) * 1000 + self.of / 2).checked_div(self.of).unwrap_or(0);
        f64::from(tenths) / 10.0
    }

    /// Counts a feature as adopted from now on.
    pub(super) fn adopt(&mut self, feature: &Feature, state: FeatureState) {
        self.have += Self::halves_left(feature, state);
    }
}
