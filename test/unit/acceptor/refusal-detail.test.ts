import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { refusalDetail } from '../../../src/acceptor/refusal-detail.js';
import { PROBLEMS } from '../../../src/base/problems.js';

it('every refusal of the guard says what was wrong', () => {
  const files = ['uws/request-guard.ts', 'uws/uws-head.ts'].map((name) =>
    readFileSync(new URL(`../../../src/acceptor/${name}`, import.meta.url), 'utf8'),
  );
  const names = new Set(files.join('').match(/PROBLEMS\.\w+/g));
  expect(names.size).toBeGreaterThan(10);
  const details = Array.from(names, (name) =>
    refusalDetail(PROBLEMS[name.slice('PROBLEMS.'.length) as keyof typeof PROBLEMS]),
  );
  expect(new Set(details).size).toBe(names.size);
  expect(details).not.toContain(refusalDetail(PROBLEMS.internal));
});
