//! Observe, plan, do: one look at one service.

use crate::action::{Action, Plan};
use crate::error::OperatorError;

/// Where actions are done.
pub trait Target {
    /// Does one action about a service, or fails without a trace.
    fn perform(
        &self,
        namespace: &str,
        service: &str,
        action: &Action,
    ) -> impl Future<Output = Result<(), OperatorError>> + Send;
}

/// Does what is planned, in order. The first failure ends it: what follows may rest on it, and the
/// next plan is made from what is by then.
///
/// # Errors
/// What the target says.
pub async fn carry_out(
    target: &impl Target,
    namespace: &str,
    service: &str,
    plan: &Plan,
) -> Result<(), OperatorError> {
    for action in &plan.actions {
        target.perform(namespace, service, action).await?;
    }
    Ok(())
}
