import type { QueryAnswer } from '@/api/types';

/** A value of an answer as text. */
export function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** RFC 4180. Texts that a spreadsheet would take for a formula are made harmless. */
export function asCsv(answer: QueryAnswer): string {
  const quote = (value: unknown): string => {
    let text = cell(value);
    if (typeof value === 'string' && /^[=+@\t\r-]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  return [answer.columns.map((c) => c.name), ...answer.rows].map((row) => row.map(quote).join(',')).join('\r\n') + '\r\n';
}
