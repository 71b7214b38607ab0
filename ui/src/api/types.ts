/** The wire types by their names; the shapes are generated (`npm run types`). */
import type { components } from './schema';

type S = components['schemas'];

export type Advice = S['Advice'];
export type AdviceOption = S['AdviceOption'];
export type Alert = S['Alert'];
export type Anomaly = S['Anomaly'];
export type ApiKey = S['ApiKey'];
export type ApiKeyCreated = S['ApiKeyCreated'];
export type Assessment = S['Assessment'];
export type AssessmentHistory = S['AssessmentHistory'];
export type BacktestReport = S['BacktestReport'];
export type BudgetForecast = S['BudgetForecast'];
export type BurnStretch = S['BurnStretch'];
export type Cause = S['Cause'];
export type Causes = S['Causes'];
export type ChangeEvent = S['ChangeEvent'];
export type Checkpoint = S['Checkpoint'];
export type ComponentScore = S['Component'];
export type Dependency = S['Dependency'];
export type Entry = S['Entry'];
export type FailurePath = S['FailurePath'];
export type Fault = S['Fault'];
export type Freeze = S['Freeze'];
export type Incident = S['Incident'];
export type Intervention = S['Intervention'];
export type InterventionDraft = S['InterventionDraft'];
export type InterventionSummary = S['InterventionSummary'];
export type Job = S['Job'];
export type LeadTime = S['LeadTime'];
export type LedgerState = S['LedgerState'];
export type Model = S['Model'];
export type ModelCard = S['ModelCard'];
export type Overview = S['Overview'];
export type Playbook = S['Playbook'];
export type PlaybookCheck = S['PlaybookCheck'];
export type Principal = S['Principal'];
export type PrincipalCreated = S['PrincipalCreated'];
export type ProblemDocument = S['Problem'];
export type QueryAnswer = S['QueryAnswer'];
export type Reason = S['Reason'];
export type Receipt = S['Receipt'];
export type ReliabilityBin = S['ReliabilityBin'];
export type Resource = S['Resource'];
export type Risk = S['Risk'];
export type Series = S['Series'];
export type SeriesPoints = S['SeriesPoints'];
export type SeriesForecast = S['SeriesForecast'];
export type Session = S['Session'];
export type Slo = S['Slo'];
export type SloDraft = S['SloDraft'];
export type SloIndicator = S['SloIndicator'];
export type SloPreview = S['SloPreview'];
export type SloStatus = S['SloStatus'];
export type Tenant = S['Tenant'];
export type TenantCreated = S['TenantCreated'];
export type Verification = S['Verification'];

export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}
