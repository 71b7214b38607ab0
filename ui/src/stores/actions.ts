/** What the web app asks permission for, in the words of the decision point (`Session.permissions`). */
export const ACTION = {
  propose: 'ProposeIntervention',
  approve: 'ApproveIntervention',
  reject: 'RejectIntervention',
  rollback: 'RollbackIntervention',
  freeze: 'Freeze',
  release: 'Unfreeze',
  acknowledge: 'AckAlert',
  writePlaybook: 'WritePlaybook',
  query: 'Query',
  readLedger: 'ReadLedger',
  exportLedger: 'ExportLedger',
  managePrincipals: 'ManagePrincipals',
  manageKeys: 'ManageKeys',
  manageTenants: 'ManageTenants',
} as const;
