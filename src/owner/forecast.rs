//! What choosing an owner leads to, said before anything is done: one that cannot work is no choice by accident.

use super::{Fit, Works};
use crate::{
    answers::DriverOwner,
    prediction::{CheckKind, Forecast, Prediction},
};

/// Foretells whether the chosen owner works on this node. Without the cluster's own files `apply` is not stopped: of an
/// image of one's own, with which Kubespray's role works anywhere, nobody here knows.
pub fn forecast(fits: &[Fit], chosen: DriverOwner, knows_inventory: bool) -> Option<Prediction> {
    let fit = fits.iter().find(|fit| fit.owner == chosen)?;
    let says = match fit.works {
        Works::Yes => Forecast::Ok,
        Works::No if knows_inventory => Forecast::WillFail,
        Works::Partly => Forecast::Warning,
        Works::No => Forecast::Unknown,
    };
    Some(Prediction::new(CheckKind::Owner, says, fit.reason.clone()))
}
