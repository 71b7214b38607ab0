import type { InterventionDraft, Playbook } from '@/api/types';

/** The form of a manual proposal, as typed. */
export interface Form {
  target: string;
  kind: string;
  risk: string;
  actuator: string;
  action: string;
  arguments: string;
  argv: string;
  success: string;
  verify: string;
  reason: string;
}

const lines = (text: string): string[] => text.split('\n').map((l) => l.trim()).filter(Boolean);

/** What is wrong with the form, by field. */
export function faultsOf(form: Form): Partial<Record<keyof Form, string>> {
  const faults: Partial<Record<keyof Form, string>> = {};
  if (!/^[a-z]+:[A-Za-z0-9:/._%-]+$/.test(form.target.trim())) faults.target = 'Name a resource as kind:name, for example service:shop/orders.';
  if (!form.action.trim()) faults.action = 'Say what the actuator shall do.';
  const bad = lines(form.arguments).find((l) => !/^[^=\s]+=/.test(l));
  if (bad) faults.arguments = `“${bad}” is not name=value.`;
  if (form.actuator === 'command' && lines(form.argv).length === 0) faults.argv = 'Give the command, one argument a line.';
  const seconds = Number(form.verify);
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 86_400) faults.verify = 'Give whole seconds from 1 to 86,400.';
  if (!form.reason.trim()) faults.reason = 'Say why: it goes into the ledger.';
  return faults;
}

/** The form as the API takes it. */
export function draftOf(form: Form): InterventionDraft {
  const pairs = lines(form.arguments).map((l): [string, string] => [l.slice(0, l.indexOf('=')).trim(), l.slice(l.indexOf('=') + 1).trim()]);
  const step = { action: form.action.trim(), arguments: Object.fromEntries(pairs), ...(form.actuator === 'command' ? { argv: lines(form.argv) } : {}) };
  return {
    target: form.target.trim(),
    kind: form.kind,
    risk: form.risk,
    actuator: form.actuator,
    steps: [step],
    success: lines(form.success),
    verify_within_s: Number(form.verify),
    reason: form.reason.trim(),
  };
}

/** What a playbook would do, as a form; of several steps the first, since a proposal by hand has one. */
export function formOf(playbook: Playbook): Omit<Form, 'target'> {
  const step = playbook.steps[0];
  const others = playbook.steps.length - 1;
  return {
    kind: playbook.kind,
    // What no playbook stands behind is medium at least.
    risk: playbook.risk === 'high' ? 'high' : 'medium',
    actuator: playbook.actuator,
    action: step?.action ?? '',
    arguments: Object.entries(step?.arguments ?? {}).map(([name, value]) => `${name}=${value}`).join('\n'),
    argv: (step?.argv ?? []).join('\n'),
    success: playbook.success.join('\n'),
    verify: String(playbook.verify_within_s),
    reason: `as the playbook ${playbook.name} would do${others > 0 ? `, its first of ${others + 1} steps` : ''}`,
  };
}
