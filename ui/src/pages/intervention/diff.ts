/** Before and after as lines of a diff. Pure. */
export interface Change {
  kind: 'same' | 'before' | 'after';
  text: string;
}

/** The longest common subsequence of lines; what both have is the same. */
export function changes(before: string, after: string): Change[] {
  const a = before.split('\n');
  const b = after.split('\n');
  if (a.length * b.length > 250_000) {
    return [...a.map((text): Change => ({ kind: 'before', text })), ...b.map((text): Change => ({ kind: 'after', text }))];
  }
  const best: number[][] = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      best[i]![j] = a[i] === b[j] ? best[i + 1]![j + 1]! + 1 : Math.max(best[i + 1]![j]!, best[i]![j + 1]!);
    }
  }
  const out: Change[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ kind: 'same', text: a[i]! });
      i += 1;
      j += 1;
    } else if (i < a.length && (j >= b.length || best[i + 1]![j]! >= best[i]![j + 1]!)) {
      out.push({ kind: 'before', text: a[i]! });
      i += 1;
    } else {
      out.push({ kind: 'after', text: b[j]! });
      j += 1;
    }
  }
  return out;
}
