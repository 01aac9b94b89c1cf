/**
 * The style of src/ as a test: headers, sizes, names, banned shapes and dead files. Every rule
 * is shown a text that breaks it, so that none of them can go blind unnoticed.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkExchangeFields, GROUPS, membersOf } from './exchange-rules.js';
import {
  applyExceptions,
  findFunctions,
  formatFindings,
  parseSource,
  projectRoot,
  type RuleException,
  readSources,
  type SourceFile,
} from './source-scan.js';
import {
  checkBannedShapes,
  checkFileName,
  checkHeader,
  checkSizes,
  FILE_LINES_MAX,
  FUNCTION_LINES_MAX,
  findDeadFiles,
  findLostPaths,
  LINE_COLUMNS_MAX,
} from './tidy-rules.js';

/** A ratchet: entries may go, and come only with a reason. Unused ones fail. */
const EXCEPTIONS: readonly RuleException[] = [
  {
    path: 'worker/lane-task.ts',
    rule: 'header',
    about: 'any (both ends)',
    reason: 'types only: what the supervisor and the worker say to each other',
  },
  {
    path: 'explain/phase-steps.ts',
    rule: 'exchange field',
    about: 'rewrittenTarget',
    reason: 'hides what a configuration writes: an explained exchange goes to no target',
  },
  {
    path: 'config/gateway-config.ts',
    rule: 'file length',
    about: 'lines',
    reason: 'generated: the documented types of the whole configuration',
  },
];

const sources = readSources(join(projectRoot(), 'src'));
const CHECKS = {
  checkHeader,
  checkSizes,
  checkFileName,
  checkBannedShapes,
  checkExchangeFields,
};

function checkAll(file: SourceFile) {
  return Object.values(CHECKS).flatMap((check) => check(file));
}

describe('src/', () => {
  it('has sources to look at', () => {
    expect(sources.length).toBeGreaterThan(0);
  });

  for (const [name, check] of Object.entries(CHECKS)) {
    it(`passes ${name}`, () => {
      const { left } = applyExceptions(sources.flatMap(check), EXCEPTIONS);
      expect(formatFindings(left)).toBe('');
    });
  }

  it('holds no file that nothing reaches', () => {
    const { left } = applyExceptions(findDeadFiles(sources), EXCEPTIONS);
    expect(formatFindings(left)).toBe('');
  });

  it('names no file that is not there', () => {
    const { left } = applyExceptions(findLostPaths(sources), EXCEPTIONS);
    expect(formatFindings(left)).toBe('');
  });

  it('needs every exception that is listed', () => {
    const found = [...findDeadFiles(sources), ...findLostPaths(sources)];
    const all = [...sources.flatMap(checkAll), ...found];
    expect(applyExceptions(all, EXCEPTIONS).unused).toEqual([]);
  });
});

function header(thread: string): string {
  return `/**\n * Says what it is.\n *\n * Thread: ${thread}\n */\n`;
}

function body(lines: number): string {
  const open = 'function f(a: number): { b: number } {';
  return `${header('any (pure).')}${open}\n${'  a();\n'.repeat(lines - 2)}}\n`;
}

const PURE = header('any (pure). No clock.');
const WORKER = header('worker.');

/** [rule that has to object, or '' for none; path; text] */
const SAMPLES: readonly (readonly [rule: string, path: string, text: string])[] = [
  ['', 'base/a.ts', PURE],
  ['', 'worker/a.ts', header('worker, one for each lane.')],
  ['', 'main.ts', `#!/usr/bin/env node\n${header('supervisor.')}`],
  ['header', 'base/a.ts', 'export const a = 1;\n'],
  ['header', 'base/a.ts', `import './b.js';\n${PURE}`],
  ['header', 'base/a.ts', '/**\n * No tag.\n */\n'],
  ['header', 'base/a.ts', header('main')],
  ['header', 'worker/a.ts', header('workers')],
  ['header', 'worker/a.ts', header('acceptor')],
  ['header', 'policy/a.ts', header('coordinator')],
  ['header', 'channel/a.ts', header('worker')],
  ['', 'base/a.ts', `${PURE}// ${'x'.repeat(LINE_COLUMNS_MAX - 3)}\n`],
  ['line length', 'base/a.ts', `${PURE}// ${'x'.repeat(LINE_COLUMNS_MAX - 2)}\n`],
  ['', 'base/a.ts', body(FUNCTION_LINES_MAX)],
  ['function length', 'base/a.ts', body(FUNCTION_LINES_MAX + 1)],
  ['', 'base/a.ts', PURE + '\n'.repeat(FILE_LINES_MAX - 5)],
  ['file length', 'base/a.ts', PURE + '\n'.repeat(FILE_LINES_MAX - 4)],
  ['file name', 'base/TokenBucket.ts', PURE],
  ['file name', 'base/token_bucket.ts', PURE],
  ['file name', 'base/utils.ts', PURE],
  ['file name', 'base/helpers.ts', PURE],
  ['file name', 'base/types.ts', PURE],
  ['file name', 'policy/common/a.ts', PURE],
  ['file name', 'base/index.ts', PURE],
  ['', 'index.ts', PURE],
  ['default export', 'base/a.ts', `${PURE}export default 1;\n`],
  ['default export', 'base/a.ts', `${PURE}export { a as default };\n`],
  ['any', 'base/a.ts', `${PURE}let a: any;\n`],
  ['any', 'base/a.ts', `${PURE}let a: any[] = b as any;\n`],
  ['any', 'base/a.ts', `${PURE}let a: Map<string, any>;\n`],
  ['', 'acceptor/a.ts', `${header('acceptor.')}app.any('/*', f); // any word\n`],
  ['enum', 'base/a.ts', `${PURE}enum A { B }\n`],
  ['enum', 'base/a.ts', `${PURE}export const enum A { B }\n`],
  ['namespace', 'base/a.ts', `${PURE}namespace A {}\n`],
  ['double cast', 'base/a.ts', `${PURE}const a = b as unknown as C;\n`],
  ['FIXME', 'base/a.ts', `${PURE}// FIXME soon\n`],
  ['suppression', 'base/a.ts', `${PURE}// @ts-ignore\n`],
  ['console', 'worker/a.ts', `${header('worker.')}console.log(1);\n`],
  ['', 'cli/a.ts', `${header('supervisor.')}console.log(1);\n`],
  ['field encoding', 'worker/a.ts', `${WORKER}const a = '\\r\\nAllow: GET';\n`],
  ['field encoding', 'worker/a.ts', `${WORKER}const a = b as FieldBlock;\n`],
  ['', 'worker/a.ts', `${WORKER}const a = '0\\r\\n\\r\\n';\n`],
  ['exchange field', 'worker/tries/a.ts', `${WORKER}exchange.reply.status = 200;\n`],
  ['exchange field', 'worker/reply/a.ts', `${WORKER}reply.bytesSent += 1;\n`],
  ['exchange field', 'worker/tries/a.ts', `${WORKER}exchange.tries.sent++;\n`],
  ['', 'worker/tries/a.ts', `${WORKER}if (exchange.reply.status === 200) a();\n`],
  ['exchange field', 'worker/tries/a.ts', `${WORKER}exchange.phase = 1;\n`],
  ['', 'worker/request-pipeline.ts', `${WORKER}exchange.phase++;\n`],
  ['exchange caller', 'worker/tries/a.ts', `${WORKER}exchange.reply.begin(0);\n`],
  ['', 'worker/reply/a.ts', `${WORKER}exchange.reply.begin(0);\n`],
  ['', 'worker/tries/a.ts', `${WORKER}exchange.admission.handOver();\n`],
  ['exchange group', 'worker/exchange/exchange.ts', WORKER],
];

describe('tidy rules', () => {
  it.each(SAMPLES.map(([rule, path, text], at) => ({ rule, path, text, at })))(
    'sample $at, $path → $rule',
    ({ rule, path, text }) => {
      const names = checkAll(parseSource(path, text)).map((finding) => finding.rule);
      expect([...new Set(names)]).toEqual(rule === '' ? [] : [rule]);
    },
  );

  it('know the fields and the methods of every group of an exchange', () => {
    for (const { file, className } of Object.values(GROUPS)) {
      const source = sources.find(({ path }) => path === file);
      const { fields, methods } = membersOf(source?.code ?? '', className);
      expect(fields.length, file).toBeGreaterThan(1);
      expect(methods.length, file).toBeGreaterThan(1);
    }
    const code =
      'class A {\n  readonly a = 1;\n  b = 2;\n  private c: number | null = null;\n\n' +
      '  constructor(d: number) {\n  }\n\n  get e(): number {\n  }\n\n  f(g: number): void {\n  }\n}\n';
    expect(membersOf(code, 'A')).toEqual({ fields: ['b', 'c'], methods: ['f'] });
  });

  it('finds a file that only a dead file imports, and none that a URL reaches', () => {
    const files = [
      parseSource('main.ts', "new URL('./worker/worker-task.js', import.meta.url);"),
      parseSource('worker/worker-task.ts', "import type { A } from '../base/a.js';"),
      parseSource('base/a.ts', ''),
      parseSource('base/dead.ts', "import { b } from './deader.js';"),
      parseSource('base/deader.ts', ''),
    ];
    const dead = findDeadFiles(files).map((finding) => finding.path);
    expect(dead).toEqual(['base/dead.ts', 'base/deader.ts']);
  });

  it('finds a path that leads nowhere, and none that a file has', () => {
    const files = [
      parseSource('base/a.ts', '// See b.ts, policy/b.ts, src/policy/b.ts and a-b.ts.'),
      parseSource('policy/b.ts', '/** As base/b.ts has it. */'),
    ];
    const lost = findLostPaths(files).map(({ detail }) => detail);
    expect(lost).toEqual(['there is no a-b.ts', 'there is no base/b.ts']);
  });

  it('reports an exception that nothing needs', () => {
    const one = { path: 'base/a.ts', rule: 'any', about: '', reason: 'none' };
    const findings = checkBannedShapes(parseSource('base/a.ts', 'let a: any;'));
    expect(applyExceptions(findings, [one])).toEqual({ left: [], unused: [] });
    expect(applyExceptions([], [one]).unused).toEqual([one]);
  });

  it('measures functions and methods, and leaves blocks and literals alone', () => {
    const code = [
      'function short(a: number): { b: number } {',
      '  return { b: a };',
      '}',
      '',
      'class A {',
      '  method(a: number, b = { c: 1 }): Promise<void> {',
      '    if (a) {',
      '      b();',
      '    }',
      '    for (const x of f(a)) {',
      '    }',
      '  }',
      '}',
      'const arrow = (a: number) => {',
      '  return { a };',
      '};',
    ].join('\n');
    expect(findFunctions(code)).toEqual([
      { firstLine: 1, lines: 3 },
      { firstLine: 6, lines: 7 },
      { firstLine: 14, lines: 3 },
    ]);
  });
});
