/** Colours of YAML, enough to read by. Pure: a line in, its pieces out; the pieces joined are the line. */
export interface Piece {
  kind: 'key' | 'text' | 'number' | 'comment' | 'plain';
  text: string;
}

export function pieces(line: string): Piece[] {
  const out: Piece[] = [];
  let rest = line;
  const push = (kind: Piece['kind'], text: string): void => {
    if (text) out.push({ kind, text });
  };
  const comment = commentAt(rest);
  const tail = comment >= 0 ? rest.slice(comment) : '';
  if (comment >= 0) rest = rest.slice(0, comment);
  const key = /^(\s*(?:- )*)([A-Za-z_][\w.-]*)(:)(?=\s|$)/.exec(rest);
  if (key) {
    push('plain', key[1]!);
    push('key', key[2]!);
    push('plain', key[3]!);
    rest = rest.slice(key[0].length);
  }
  const bare = rest.trim();
  if (/^(["']).*\1$/.test(bare)) push('text', rest);
  else if (/^(-?\d[\d.]*\s*(ms|s|m|h|d|%)?|true|false|null)$/.test(bare)) push('number', rest);
  else push('plain', rest);
  push('comment', tail);
  return out;
}

/** Where a comment begins: a `#` at the start or after a space, outside of quotes. */
function commentAt(line: string): number {
  let quote = '';
  for (let i = 0; i < line.length; i += 1) {
    const c = line[i]!;
    if (quote) {
      if (c === quote) quote = '';
    } else if (c === '"' || c === "'") quote = c;
    else if (c === '#' && (i === 0 || /\s/.test(line[i - 1]!))) return i;
  }
  return -1;
}
