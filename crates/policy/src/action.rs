//! What can be asked of the decision point.

use echobase_types::principal::Scope;

/// An action. The closed set that routes name and policies speak about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// To send signals.
    Ingest,
    /// To load history.
    Import,
    /// To see the first page and the live stream.
    ViewOverview,
    /// To see resources, assessments, anomalies.
    ReadResources,
    /// To see series and points.
    ReadSignals,
    /// To ask in SQL.
    Query,
    /// To see playbooks.
    ReadPlaybooks,
    /// To backtest a playbook or an objective.
    Backtest,
    /// To see interventions and freezes.
    ReadInterventions,
    /// To see alerts.
    ReadAlerts,
    /// To see service level objectives and their budgets.
    ReadSlos,
    /// To read the ledger.
    ReadLedger,
    /// To export the ledger.
    ExportLedger,
    /// To verify the ledger.
    VerifyLedger,
    /// To see principals.
    ReadPrincipals,
    /// To see API keys (own ones, unless principals may be written).
    ReadKeys,
    /// To see tenants.
    ReadTenants,
    /// To see settings and jobs.
    ReadSettings,
    /// To read the server's own metrics.
    ReadSelfMetrics,
    /// To save, enable, disable, remove playbooks.
    WritePlaybooks,
    /// To make, change, remove service level objectives.
    WriteSlos,
    /// To acknowledge alerts.
    AckAlert,
    /// To label what happened: real, noise, expected.
    LabelIncident,
    /// To train, promote, roll back risk models.
    WriteModels,
    /// To change settings.
    WriteSettings,
    /// To propose an intervention, take a suggestion up, cancel.
    ProposeIntervention,
    /// To approve an intervention.
    ApproveIntervention,
    /// To refuse an intervention.
    RejectIntervention,
    /// To roll an intervention back.
    RollbackIntervention,
    /// To freeze.
    Freeze,
    /// To release a freeze.
    Unfreeze,
    /// To make and change principals.
    WritePrincipals,
    /// To make, rotate, revoke API keys (own ones, unless principals may be written).
    WriteKeys,
    /// To make tenants.
    WriteTenants,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 34] = [
        Self::Ingest,
        Self::Import,
        Self::ViewOverview,
        Self::ReadResources,
        Self::ReadSignals,
        Self::Query,
        Self::ReadPlaybooks,
        Self::Backtest,
        Self::ReadInterventions,
        Self::ReadAlerts,
        Self::ReadSlos,
        Self::ReadLedger,
        Self::ExportLedger,
        Self::VerifyLedger,
        Self::ReadPrincipals,
        Self::ReadKeys,
        Self::ReadTenants,
        Self::ReadSettings,
        Self::ReadSelfMetrics,
        Self::WritePlaybooks,
        Self::WriteSlos,
        Self::AckAlert,
        Self::LabelIncident,
        Self::WriteModels,
        Self::WriteSettings,
        Self::ProposeIntervention,
        Self::ApproveIntervention,
        Self::RejectIntervention,
        Self::RollbackIntervention,
        Self::Freeze,
        Self::Unfreeze,
        Self::WritePrincipals,
        Self::WriteKeys,
        Self::WriteTenants,
    ];

    /// The name in policies, problem documents and the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "Ingest",
            Self::Import => "Import",
            Self::ViewOverview => "ViewOverview",
            Self::ReadResources => "ReadResources",
            Self::ReadSignals => "ReadSignals",
            Self::Query => "Query",
            Self::ReadPlaybooks => "ReadPlaybooks",
            Self::Backtest => "Backtest",
            Self::ReadInterventions => "ReadInterventions",
            Self::ReadAlerts => "ReadAlerts",
            Self::ReadSlos => "ReadSlos",
            Self::ReadLedger => "ReadLedger",
            Self::ExportLedger => "ExportLedger",
            Self::VerifyLedger => "VerifyLedger",
            Self::ReadPrincipals => "ReadPrincipals",
            Self::ReadKeys => "ReadKeys",
            Self::ReadTenants => "ReadTenants",
            Self::ReadSettings => "ReadSettings",
            Self::ReadSelfMetrics => "ReadSelfMetrics",
            Self::WritePlaybooks => "WritePlaybooks",
            Self::WriteSlos => "WriteSlos",
            Self::AckAlert => "AckAlert",
            Self::LabelIncident => "LabelIncident",
            Self::WriteModels => "WriteModels",
            Self::WriteSettings => "WriteSettings",
            Self::ProposeIntervention => "ProposeIntervention",
            Self::ApproveIntervention => "ApproveIntervention",
            Self::RejectIntervention => "RejectIntervention",
            Self::RollbackIntervention => "RollbackIntervention",
            Self::Freeze => "Freeze",
            Self::Unfreeze => "Unfreeze",
            Self::WritePrincipals => "WritePrincipals",
            Self::WriteKeys => "WriteKeys",
            Self::WriteTenants => "WriteTenants",
        }
    }

    /// What it is, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ingest => "send signals",
            Self::Import => "load history",
            Self::ViewOverview => "see the first page and the live stream",
            Self::ReadResources => "see resources, assessments, anomalies",
            Self::ReadSignals => "see series and points",
            Self::Query => "ask in SQL",
            Self::ReadPlaybooks => "see playbooks",
            Self::Backtest => "backtest a playbook or an objective",
            Self::ReadInterventions => "see interventions and freezes",
            Self::ReadAlerts => "see alerts",
            Self::ReadSlos => "see service level objectives and their budgets",
            Self::ReadLedger => "read the ledger",
            Self::ExportLedger => "export the ledger",
            Self::VerifyLedger => "verify the ledger",
            Self::ReadPrincipals => "see principals",
            Self::ReadKeys => "see API keys (own ones, unless principals may be written)",
            Self::ReadTenants => "see tenants",
            Self::ReadSettings => "see settings and jobs",
            Self::ReadSelfMetrics => "read the server's own metrics",
            Self::WritePlaybooks => "save, enable, disable, remove playbooks",
            Self::WriteSlos => "make, change, remove service level objectives",
            Self::AckAlert => "acknowledge alerts",
            Self::LabelIncident => {
                "teach the analysis: label what happened (real, noise, expected), take a new reference"
            }
            Self::WriteModels => "train, promote, roll back risk models",
            Self::WriteSettings => "change settings",
            Self::ProposeIntervention => "propose an intervention, take a suggestion up, cancel",
            Self::ApproveIntervention => "approve an intervention",
            Self::RejectIntervention => "refuse an intervention",
            Self::RollbackIntervention => "roll an intervention back",
            Self::Freeze => "freeze",
            Self::Unfreeze => "release a freeze",
            Self::WritePrincipals => "make and change principals",
            Self::WriteKeys => "make, rotate, revoke API keys (own ones, unless principals may be written)",
            Self::WriteTenants => "make tenants",
        }
    }

    /// What an API key must be scoped for.
    pub const fn scope(self) -> Scope {
        match self {
            Self::Ingest | Self::Import => Scope::Ingest,
            Self::ViewOverview
            | Self::ReadResources
            | Self::ReadSignals
            | Self::Query
            | Self::ReadPlaybooks
            | Self::Backtest
            | Self::ReadInterventions
            | Self::ReadAlerts
            | Self::ReadSlos
            | Self::ReadLedger
            | Self::ExportLedger
            | Self::VerifyLedger
            | Self::ReadPrincipals
            | Self::ReadKeys
            | Self::ReadTenants
            | Self::ReadSettings
            | Self::ReadSelfMetrics => Scope::Read,
            Self::WritePlaybooks
            | Self::WriteSlos
            | Self::AckAlert
            | Self::LabelIncident
            | Self::WriteModels
            | Self::WriteSettings => Scope::Write,
            Self::ProposeIntervention
            | Self::ApproveIntervention
            | Self::RejectIntervention
            | Self::RollbackIntervention
            | Self::Freeze
            | Self::Unfreeze => Scope::Act,
            Self::WritePrincipals | Self::WriteKeys | Self::WriteTenants => Scope::Admin,
        }
    }
}
