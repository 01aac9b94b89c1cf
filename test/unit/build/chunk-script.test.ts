import { runInThisContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { importsOf, scriptOf } from '../../../src/build/chunk-script.js';

const PACKAGES: Readonly<Record<string, unknown>> = {
  './part-1.js': { one: 1, two: 2 },
  plain: Object.assign(() => 'called', { named: 'n' }),
  modular: { default: 'd', named: 'm' },
};

interface Later {
  readonly id: string;
  readonly needs: readonly string[];
}

/** What the chunk exports when it is run as the loader runs it, and what it loads on demand. */
function run(code: string): { readonly exports: unknown; readonly later: readonly Later[] } {
  const text = scriptOf(
    code,
    (id) => id === 'modular',
    (id) => (id === './needy.js' ? ['modular'] : []),
  );
  const later: Later[] = [];
  const exports = runInThisContext(text)(
    (id: string) => PACKAGES[id],
    (id: string, needs: readonly string[] = []) => later.push({ id, needs }),
    { url: 'file:///chunk.js' },
  );
  return { exports, later };
}

describe('the script of a chunk', () => {
  it('has what the module imports, under the names that it gives them', () => {
    const { exports } = run(`
      import { one, two as second } from "./part-1.js";
      import call, { named } from "plain";
      import fallback, { named as other } from "modular";
      import * as all from "modular";
      import "plain";
      export { one, second, named, fallback, other, all, result as told };
      const result = call();`);
    expect(exports).toEqual({
      ...{ one: 1, second: 2, named: 'n', fallback: 'd', other: 'm', told: 'called' },
      all: PACKAGES['modular'],
    });
  });

  it('passes on what another chunk exports', () => {
    const code = 'export { two as second } from "./part-1.js"; export {};';
    expect(run(code).exports).toEqual({ second: 2 });
    expect(importsOf(code)).toEqual(['./part-1.js']);
  });

  it('loads on demand, and says what has to be awaited before', () => {
    const { later } = run(`
      import("./needy.js"); import("./other.js"); import("plain");
      const text = 'import("./needy.js")';`);
    expect(later).toEqual([
      { id: './needy.js', needs: ['modular'] },
      { id: './other.js', needs: [] },
      { id: 'plain', needs: [] },
    ]);
  });

  it('knows where it is', () => {
    const code = 'const where = new URL("./beside.js", import.meta.url).href; export { where };';
    expect(run(code).exports).toEqual({ where: 'file:///beside.js' });
  });

  it('may wait at its top, and is strict as modules are', async () => {
    const code = `#!/usr/bin/env node
      const inner = async () => { await 1; };
      const value = await Promise.resolve(7);
      const self = (function () { return this; })();
      export { value, self };`;
    expect(await run(code).exports).toEqual({ value: 7, self: undefined });
    expect(run('async function f() { await 1; } export { f };').exports).toHaveProperty('f');
  });

  it.each([
    'let count = 0; function add() { count += 1; } export { count, add };',
    'let count = 0; function add() { count++; } export { count };',
    'export default 1;',
    'export const one = 1;',
    'export * from "plain";',
  ])('is refused where importers could not have copies: %s', (code) => {
    expect(() => run(code)).toThrow(/exported and assigned later|an export of another form/);
  });
});
