/** What a new playbook starts from. */
export const TEMPLATE = `name: restart-before-memory-runs-out
description: Restart a service whose memory is about to run out.
selector:
  kind: service          # or: resource: service:shop/*
when: vitals.memory_utilization > 0.9 && risk.probability > 0.6
hold_for: 30s
type: proactive
risk: low                # low: none, medium: one, high: two approvals
actuator: process
steps:
  - action: restart
success:
  - vitals.memory_utilization < 0.7
  - stability.score >= 0.7
verify_within: 2m
envelope:
  cooldown: 10m
  max_units: 1
  max_per_hour: 3
autonomy: approve        # observe, suggest, approve, auto
`;
