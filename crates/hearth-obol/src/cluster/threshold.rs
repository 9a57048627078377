//! What is good to know about a threshold that is allowed.

use hearth_types::{Quorum, Threshold};

/// Why a cluster with this threshold protects its owner less than it could, as a sentence for him; `None` if it is
/// fine.
///
/// Two group signatures over different messages need `2t` partial ones. Honest operators sign only one message, so
/// `2t - n` dishonest ones suffice for both.
/// Source: `obol-cluster.md` 7.
pub fn threshold_warning(operators: u8, threshold: Threshold) -> Option<String> {
    let (n, t, agreement) = (usize::from(operators), threshold.count(), Quorum::of(operators).count());
    if 2 * t <= n {
        return Some(format!(
            "A threshold of {t} among {n} operators lets two separate groups of {t} sign different messages, so that \
             the validators can be slashed without any group needing the other; {agreement} or more is safe."
        ));
    }
    if t < agreement {
        return Some(format!(
            "A threshold of {t} among {n} operators is below the {agreement} that agreement takes: {} dishonest \
             operator{} could bring about two conflicting signatures and have the validators slashed.",
            2 * t - n,
            if 2 * t - n == 1 { "" } else { "s" },
        ));
    }
    (2 * t - n < 2).then(|| {
        format!(
            "A threshold of {t} among {n} operators tolerates {} offline but none that is dishonest: a single one \
             could bring about two conflicting signatures and have the validators slashed. From 4 operators on the \
             usual threshold prevents this.",
            n - t
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_without_byzantine_safety_is_explained_and_the_usual_ones_from_four_on_are_not() {
        for (operators, threshold, warned) in [
            (3, 2, true),
            (3, 3, false),
            (4, 2, true),
            (4, 3, false),
            (4, 4, false),
            (5, 3, true),
            (5, 4, false),
            (6, 4, false),
            (7, 4, true),
            (7, 5, false),
            (10, 5, true),
            (10, 6, true),
            (10, 7, false),
            (254, 2, true),
        ] {
            let warning = threshold_warning(operators, Threshold::new(threshold, operators).unwrap());
            assert_eq!(warning.is_some(), warned, "{threshold} of {operators}: {warning:?}");
        }
    }
}
