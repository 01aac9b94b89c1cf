/** Modules as functions: what they import and export, whatever else stands in them. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { evaluateModules } from '../../../src/plugins/evaluate-modules.js';
import { readModules } from '../../../src/plugins/module-graph.js';
import { rewriteModule } from '../../../src/plugins/module-text.js';
import { collectGarbageUntil } from '../../support/collect-garbage.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-modules-'));

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const run = async (text: string): Promise<Record<string, unknown>> =>
  evaluateModules(readModules(file('main.js', text)));

file('one.js', 'export const a = 1; export function b() { return 2; } export default 3;');
file('two.js', "export * from './one.js'; export { a as c } from './one.js'; export let d = 4;");
file('all.js', "export * as one from './one.js';");

describe('a module as a function', () => {
  it.each([
    ["import { a, b as other } from './one.js'; export default a + other();", 3],
    ["import three, { a } from './one.js'; export default three + a;", 4],
    ["import * as one from './one.js'; export default one.default;", 3],
    ["import { c, d, b } from './two.js'; export default c + d + b();", 7],
    ["import { one } from './all.js'; export default one.a;", 1],
    ["import { // comment, with 'quotes'\n a /* b */ } from './one.js';\nexport default a", 1],
    ["import './one.js'\nexport default 5", 5],
    ["import { sep } from 'node:path'; export default sep.length;", 1],
    ["const { a } = await import('./one.js'); export default a;", 1],
    ['export default function named() {}\nnamed.x = 6;', expect.objectContaining({ x: 6 })],
    ['export default class { static y = 1 }', expect.objectContaining({ y: 1 })],
    ['const x = 7; export { x as default };', 7],
  ])('%s', async (text, value) => {
    expect((await run(text)).default).toEqual(value);
  });

  it.each([
    'const s = "export default 1"; export default s.length;',
    'const s = `a ${"}"} ${`export const q = ${1}`} import x from "y"`; export default 16;',
    "const r = /['\"`/]export/.test('x') ? 1 : 16; export default r;",
    'const q = { export: 1, import: 2 }; export default q.export + q.import + 13;',
    'const n = 32 / 2 /* import a from "b" */; export default n; // export default 2',
    'if (1) { const a = [1, /}/]; }\nexport default 16',
  ])('leaves text alone that only looks like it: %s', async (text) => {
    expect((await run(text)).default).toBe(16);
  });

  it('has its own lines in stacks', async () => {
    const made = await run(
      "import {\n a,\n b,\n} from './one.js';\nexport default () => {\n throw new Error('x');\n};",
    );
    const thrown = made['default'] as () => void;
    try {
      thrown();
    } catch (error) {
      expect((error as Error).stack).toMatch(/main\.js:6:/);
    }
    expect.assertions(1);
  });

  it('knows where it is', async () => {
    expect((await run('export default import.meta.filename')).default).toBe(
      join(folder, 'main.js'),
    );
  });

  it.each([
    ["import { nothing } from './one.js';", /\.\/one\.js has no export named nothing/],
    ["import a from './one.js' with { type: 'json' };", /line 1: import attributes/],
    ['\nexport const { a } = {};', /line 2: an export that cannot be read/],
    ["import './gone.js';", /gone\.js/],
    ["import './main.js';", /import each other/],
    ["await import('./' + 'one.js');", /imported by its name only/],
    ["throw new Error('at once');", /at once/],
    ['const a = ;', /Unexpected token/],
  ])('says what is wrong: %s', async (text, message) => {
    await expect(run(text)).rejects.toThrow(message);
  });

  it('needs Node.js to take types away', async () => {
    const wanted = 'export const a: number = 1; export default a satisfies number;';
    const ts = (): Promise<Record<string, unknown>> =>
      Promise.resolve().then(() => evaluateModules(readModules(file('typed.ts', wanted))));
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    if (major > 22 || (major === 22 && minor >= 13)) expect((await ts()).default).toBe(1);
    else await expect(ts()).rejects.toThrow(/compile the plugin to JavaScript first/);
  });

  it('is rewritten in time that grows with its length only', () => {
    const long = 'const a = `${1}` / 2; import("x"); '.repeat(5000);
    expect(rewriteModule(long).code.length).toBeGreaterThan(long.length);
  });

  it('is freed when nobody holds it, however often it changes', async () => {
    let freed = 0;
    const registry = new FinalizationRegistry(() => {
      freed += 1;
    });
    for (let count = 0; count < 100; count += 1) {
      const text = `import { sep } from 'node:path'; const big = new Array(1e4).fill(${count}); export default { big, sep };`;
      const made = await run(text);
      registry.register(made['default'] as object, count);
    }
    await collectGarbageUntil(() => freed >= 90);
    expect(freed).toBeGreaterThanOrEqual(90);
  });
});
