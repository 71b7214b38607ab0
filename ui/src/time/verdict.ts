/** From figures to the four states that people read. The bounds are those of the server's overview. Pure. */
import type { Assessment, Model, Resource } from '@/api/types';

export type State = 'good' | 'watch' | 'bad' | 'idle';

export const ATTENTION_SCORE = 0.7;
export const BAD_SCORE = 0.4;
export const ATTENTION_RISK = 0.7;

export function stateOfScore(score: number | null | undefined): State {
  if (score === null || score === undefined) return 'idle';
  if (score < BAD_SCORE) return 'bad';
  return score < ATTENTION_SCORE ? 'watch' : 'good';
}

export function stateOfRisk(probability: number): State {
  if (probability >= 0.9) return 'bad';
  return probability >= ATTENTION_RISK ? 'watch' : 'good';
}

export function stateOf(assessment: Assessment | null | undefined): State {
  if (!assessment) return 'idle';
  const both = [stateOfScore(assessment.score), stateOfRisk(assessment.risk.probability)];
  return both.includes('bad') ? 'bad' : both.includes('watch') ? 'watch' : 'good';
}

export const STATE_WORD: Record<State, string> = {
  good: 'Stable',
  watch: 'Attention',
  bad: 'Critical',
  idle: 'No verdict yet',
};

export function stateOfSeverity(severity: string): State {
  return severity === 'critical' ? 'bad' : severity === 'warning' ? 'watch' : 'idle';
}

/** The strongest reason behind a verdict, in words; nothing where all is well. */
export function cause(assessment: Assessment | null | undefined): string {
  if (!assessment) return '';
  const candidates = [
    ...assessment.components.flatMap((c) => c.reasons.map((r) => ({ words: r.words, by: r.contribution * c.weight }))),
    ...assessment.risk.features.map((f) => ({ words: f.words, by: f.contribution * assessment.risk.probability })),
  ].filter((r) => r.by > 0.02);
  candidates.sort((a, b) => b.by - a.by);
  return candidates[0]?.words ?? assessment.anomalies[0]?.words ?? '';
}

/** Worst first: state, then the score in steps of 0.05, so that rows do not jump with each cycle, then the id. */
export function worstFirst(a: Resource, b: Resource): number {
  const rank: Record<State, number> = { bad: 0, watch: 1, good: 2, idle: 3 };
  const by = rank[stateOf(a.assessment)] - rank[stateOf(b.assessment)];
  if (by !== 0) return by;
  const step = (r: Resource): number => Math.round((r.assessment?.score ?? 2) * 20);
  return step(a) - step(b) || (a.id < b.id ? -1 : 1);
}

const OPEN = new Set(['proposed', 'validated', 'approved', 'executing', 'rolling_back']);

export function isOpen(state: string): boolean {
  return OPEN.has(state);
}

const STATES: Record<string, [State, string]> = {
  proposed: ['idle', 'Proposed'],
  validated: ['watch', 'Waits for approval'],
  approved: ['idle', 'Approved'],
  executing: ['watch', 'Executing'],
  verified: ['good', 'Verified'],
  rolling_back: ['watch', 'Rolling back'],
  rolled_back: ['idle', 'Rolled back'],
  rollback_failed: ['bad', 'Rollback failed'],
  failed: ['bad', 'Failed'],
  rejected: ['idle', 'Rejected'],
  expired: ['idle', 'Expired'],
  cancelled: ['idle', 'Cancelled'],
  superseded: ['idle', 'Superseded'],
  firing: ['bad', 'Firing'],
  acknowledged: ['watch', 'Acknowledged'],
  resolved: ['good', 'Resolved'],
};

/** Colour and word of the state of an intervention or alert. */
export function stateWord(state: string): { state: State; word: string } {
  const [colour, word] = STATES[state] ?? ['idle', state];
  return { state: colour, word };
}

/** Colour and word of a version of the risk model. */
export function stateOfModel(model: Pick<Model, 'state' | 'in_use' | 'unused_because'>): { state: State; word: string } {
  if (model.in_use) return { state: 'good', word: 'In use' };
  if (model.state === 'champion') return { state: 'bad', word: 'Cannot be used' };
  return model.state === 'challenger' ? { state: 'watch', word: 'Waits in the shadow' } : { state: 'idle', word: 'Retired' };
}
