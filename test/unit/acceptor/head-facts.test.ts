/** What is read in the text of a head. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { valuesIn } from '../../../src/acceptor/head-facts.js';
import { HEAD_FIELDS } from '../../../src/channel/records/request-head.js';

/** The same, in a plain way. */
function plainly(text: string, name: string): string[] {
  const parts = text.split('\n').slice(HEAD_FIELDS);
  return parts.filter((_, at) => at % 2 === 1 && parts[at - 1] === name);
}

describe('the values of a field', () => {
  it('are those behind its name, and not behind a value that looks like it', () => {
    const text =
      'POST\n/\npeer\nhttp\nx-a\ncontent-type\nx-b\n1\ncontent-type\na/b\ncontent-type\n';
    expect(valuesIn(text, 'content-type')).toEqual(['a/b', '']);
    expect(valuesIn(text, 'x-a')).toEqual(['content-type']);
    expect(valuesIn(text, 'x')).toEqual([]);
  });

  it('are those that a plain reader finds, in any text', () => {
    const line = fc.constantFrom('', 'a', 'ab', 'content-type', 'content', 'b\r', ' ');
    fc.assert(
      fc.property(fc.array(line, { maxLength: 14 }), line, (lines, name) => {
        const text = lines.join('\n');
        expect(valuesIn(text, name)).toEqual(plainly(text, name));
      }),
      { numRuns: 2000 },
    );
  });
});
