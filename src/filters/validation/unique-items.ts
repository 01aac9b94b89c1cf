/**
 * The keyword `uniqueItems`, in time that grows with the items and not with their pairs.
 *
 * Thread: any (pure). ajv compares every two items that are not all strings or numbers: half a
 * second for five thousand small objects, which a stranger may send.
 */
import type { Ajv } from 'ajv';
import { type CodeWriter, replaceKeyword } from './own-keyword.js';

/** Puts it in the place of ajv's own. The verdict and the error are the same. */
export function useLinearUniqueItems(ajv: Ajv, { _, str }: CodeWriter): void {
  replaceKeyword(ajv, {
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    error: {
      message: ({ params: { i, j } }) =>
        str`must NOT have duplicate items (items ## ${j} and ${i} are identical)`,
      params: ({ params: { i, j } }) => _`{i: ${i}, j: ${j}}`,
    },
    code: (context) => {
      const { gen, data } = context;
      if (context.schema !== true) return;
      const find = { ref: firstRepeated, code: _`own.firstRepeated` };
      const repeated = gen.const('repeated', _`${gen.scopeValue('func', find)}(${data})`);
      context.setParams({ i: _`${repeated}[0]`, j: _`${repeated}[1]` });
      context.fail(_`${repeated} !== null`);
    },
  });
}

/** Positions of two items that are equal (JSON Schema core 4.2.2), the later one first. */
export function firstRepeated(items: readonly unknown[]): [later: number, earlier: number] | null {
  const places = new Map<string, number>();
  for (const [at, item] of items.entries()) {
    const text = canonicalText(item);
    const earlier = places.get(text);
    if (earlier !== undefined) return [at, earlier];
    places.set(text, at);
  }
  return null;
}

/** Equal values have equal texts: members stand in the order of their names. */
function canonicalText(value: unknown): string {
  // What is too large to be counted is not null, as JSON would have it.
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalText).join()}]`;
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${canonicalText(member)}`,
  );
  return `{${members.sort().join()}}`;
}
