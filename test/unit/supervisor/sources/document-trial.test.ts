import { describe, expect, it } from 'vitest';
import { tryDocuments } from '../../../../src/supervisor/sources/document-trial.js';
import type { DocumentSet } from '../../../../src/supervisor/sources/store-document.js';

/** `{ '': 'a', red: 'b' }` as documents. */
const set = (texts: Readonly<Record<string, string>>): DocumentSet =>
  new Map(
    Object.entries(texts).map(([team, text]) => [
      team,
      { name: team, text, team, id: text, sha256: text },
    ]),
  );

const textsOf = (documents: DocumentSet) =>
  Object.fromEntries([...documents].map(([team, { text }]) => [team, text]));

/** Takes everything but a set with a text that begins with "bad". */
const judge =
  (tried: DocumentSet[] = []) =>
  async (documents: DocumentSet) => {
    tried.push(documents);
    const bad = [...documents.values()].filter(({ text }) => text.startsWith('bad'));
    return bad.length === 0 ? null : bad.map(({ text }) => `${text} is bad`);
  };

describe('a trial of documents', () => {
  it('takes all at once where all are right', async () => {
    const tried: DocumentSet[] = [];
    const wanted = set({ '': 'b', red: 'c' });
    const outcome = await tryDocuments(set({ '': 'a' }), wanted, judge(tried));
    expect([outcome.inForce, outcome.refused.size, tried.length]).toEqual([wanted, 0, 1]);
  });

  it('keeps the last good version of what is wrong, and takes the others', async () => {
    const before = set({ '': 'a', red: 'r1', blue: 'b1' });
    const wanted = set({ '': 'a2', red: 'bad r2', blue: 'b2', green: 'bad g1' });
    const { inForce, refused } = await tryDocuments(before, wanted, judge());
    expect(textsOf(inForce)).toEqual({ '': 'a2', red: 'r1', blue: 'b2' });
    expect([...refused].map(([team, { reasons }]) => [team, reasons])).toEqual([
      ['green', ['bad g1 is bad']],
      ['red', ['bad r2 is bad']],
    ]);
  });

  it('tries again what needed something that came behind it', async () => {
    const needs = async (documents: DocumentSet) => {
      if (documents.has('z') && documents.get('bad') === undefined) {
        return documents.has('a') && !documents.has('y') ? ['a needs y'] : null;
      }
      if (documents.has('bad')) return ['bad'];
      return documents.has('a') && !documents.has('y') ? ['a needs y'] : null;
    };
    const wanted = set({ '': 'r', a: '1', y: '2', bad: '3' });
    const { inForce, refused } = await tryDocuments(set({ '': 'r' }), wanted, needs);
    expect(textsOf(inForce)).toEqual({ '': 'r', a: '1', y: '2' });
    expect([...refused.keys()]).toEqual(['bad']);
  });

  it('says why a part that others need cannot be taken away', async () => {
    const judgeOf = async (documents: DocumentSet) =>
      documents.has('red') ? null : ['red is needed'];
    const { inForce, refused } = await tryDocuments(
      set({ '': 'r', red: '1' }),
      set({ '': 'r' }),
      judgeOf,
    );
    expect(textsOf(inForce)).toEqual({ '': 'r', red: '1' });
    expect(refused.get('red')?.reasons).toEqual(['red is needed']);
  });
});
