import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

// The client trusts what a page says it gets; here each call is held against the description of the API.
interface Schema {
  $ref?: string;
  type?: string;
  items?: Schema;
}
const root = join(__dirname, '../..');
const api = JSON.parse(readFileSync(join(root, '../docs/reference/openapi.json'), 'utf8'));

function answer(method: string, path: string): string | undefined {
  const parts = path.split(/(?=[/:])/);
  const found = Object.keys(api.paths).find((known) => {
    const its = known.replace(/^\/api\/v1/, '').split(/(?=[/:])/);
    return its.length === parts.length && its.every((part, i) => part === parts[i] || (part.startsWith('/{') && parts[i]!.startsWith('/')) || (parts[i] === ':*' && part.startsWith(':')));
  });
  const responses = found && api.paths[found][method]?.responses;
  const success = responses && Object.keys(responses).find((status) => status.startsWith('2'));
  const schema: Schema | undefined = success && responses[success].content?.['application/json']?.schema;
  const name = (s: Schema | undefined): string | undefined => s?.$ref?.split('/').pop();
  return schema?.type === 'array' ? `${name(schema.items)}[]` : name(schema);
}

const isPages = (method: string): boolean => /pages$/i.test(method);
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) => /\.(ts|vue)$/.test(file));
const calls = sources.flatMap((file) =>
  [...readFileSync(join(root, 'src', file), 'utf8').matchAll(/\b(get|post|put|patch|pages|usePages)<(\w+(?:<\w+>|\[\])?)>\((?:'(\/[^']*)'|`(\/[^`]*)`)/g)].map(([, method, type, plain, template]) => ({
    file,
    method: isPages(method!) ? 'get' : method!,
    type: isPages(method!) ? `${type}Page` : type!.replace(/^Page<(\w+)>$/, '$1Page'),
    path: (plain ?? template)!.replace(/:\$\{[^}]*\}/g, ':*').replace(/\$\{[^}]*\}/g, 'x'),
  })),
);

test('the calls are found', () => expect(calls.length).toBeGreaterThan(30));

test.each(calls)('$method $path answers $type ($file)', ({ method, path, type }) => {
  expect(answer(method, path)).toBe(type);
});
