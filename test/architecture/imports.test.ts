/**
 * The direction of imports in src/ is the architecture: this suite holds every source file to
 * the table in import-rules.ts, and shows for every rule that it can fail.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findFileCircles, findRoomCircles } from './circle-rules.js';
import {
  checkClock,
  checkFolder,
  checkImports,
  checkSharedMemory,
  checkWords,
  FOLDER_RULES,
  THREAD_FOLDERS,
} from './import-rules.js';
import {
  applyExceptions,
  type Finding,
  formatFindings,
  parseSource,
  projectRoot,
  type RuleException,
  readSources,
  type SourceFile,
} from './source-scan.js';

/** Agreed departures, each with its reason. Unused entries fail, so the list only shrinks. */
const EXCEPTIONS: readonly RuleException[] = [
  {
    path: 'base/clock.ts',
    rule: 'package',
    about: 'node:perf_hooks',
    reason: 'the one place that reads the monotonic clock',
  },
  {
    path: 'base/clock.ts',
    rule: 'word',
    about: 'set',
    reason: 'the one place that sets timers of the machine for others',
  },
  {
    path: 'base/direct-write.ts',
    rule: 'package',
    about: 'node:fs',
    reason: 'the one place that writes to descriptors of sockets, for acceptors and workers',
  },
  {
    path: 'base/direct-write.ts',
    rule: 'package',
    about: 'node:net',
    reason: 'names the type of a socket; none is made',
  },
  {
    path: 'wire/http1/host-value.ts',
    rule: 'package',
    about: 'node:net',
    reason: 'what is an IPv6 address is asked of Node; no socket is made',
  },
  {
    path: 'wire/proxy-protocol/proxy-header-reader.ts',
    rule: 'package',
    about: 'node:net',
    reason: 'what is an IPv6 address is asked of Node; no socket is made',
  },
  {
    path: 'worker/lane-task.ts',
    rule: 'shared memory',
    about: 'SharedArrayBuffer',
    reason: 'names the memory that a worker is started with; looks into none of it',
  },
  {
    path: 'acceptor/uws/native-binary.ts',
    rule: 'word',
    about: 'existsSync',
    reason: 'looks for the library once, before anything listens',
  },
  {
    path: 'acceptor/uws/native-binary.ts',
    rule: 'word',
    about: 'readdirSync',
    reason: 'looks for the library once, before anything listens',
  },
];

const sources = readSources(join(projectRoot(), 'src'));
const CHECKS = [checkFolder, checkImports, checkWords, checkSharedMemory, checkClock];

function checkAll(file: SourceFile): Finding[] {
  return CHECKS.flatMap((check) => check(file));
}

describe('src/', () => {
  it('has a row in the import table for each of its folders', () => {
    expect(formatFindings(sources.flatMap(checkFolder))).toBe('');
  });

  for (const folder of Object.keys(FOLDER_RULES)) {
    it(`keeps to the import table in ${folder}`, () => {
      const files = sources.filter((f) => f.path === folder || f.path.startsWith(`${folder}/`));
      const { left } = applyExceptions(files.flatMap(checkAll), EXCEPTIONS);
      expect(formatFindings(left)).toBe('');
    });
  }

  it('has no circle of files', () => {
    expect(formatFindings(findFileCircles(sources))).toBe('');
  });

  it.each(['worker', 'config', 'coordinator', 'channel', 'policy'])(
    'has no circle of rooms in %s',
    (folder) => {
      expect(formatFindings(findRoomCircles(sources, folder))).toBe('');
    },
  );

  it('needs every exception that is listed', () => {
    const { unused } = applyExceptions(sources.flatMap(checkAll), EXCEPTIONS);
    expect(unused).toEqual([]);
  });
});

describe('circles', () => {
  const parse = (files: Readonly<Record<string, string>>) =>
    Object.entries(files).map(([path, text]) => parseSource(path, text));

  it('are found through any number of files, and by types', () => {
    const files = parse({
      'base/a.ts': "import type { B } from './b.js';",
      'base/b.ts': "import { c } from './c.js';",
      'base/c.ts': "const a = import('./a.js');",
      'base/d.ts': "import { a } from './a.js';",
    });
    const [circle, ...others] = findFileCircles(files);
    expect(others).toEqual([]);
    expect(circle?.detail).toBe('base/a.ts → base/b.ts → base/c.ts');
  });

  it('are none where a thread is started by its URL', () => {
    const files = parse({
      'base/a.ts': "new URL('./b.js', import.meta.url);",
      'base/b.ts': "import { a } from './a.js';",
    });
    expect(findFileCircles(files)).toEqual([]);
  });

  it('of rooms are found where no file is in one', () => {
    const files = parse({
      'worker/a/one.ts': "import { b } from '../b/two.js';",
      'worker/a/three.ts': '',
      'worker/b/two.ts': '',
      'worker/b/four.ts': "import { c } from '../a/three.js';",
    });
    expect(findFileCircles(files)).toEqual([]);
    expect(findRoomCircles(files, 'worker').map(({ detail }) => detail)).toEqual([
      'worker/a → worker/b',
    ]);
    expect(findRoomCircles(files.slice(0, 3), 'worker')).toEqual([]);
  });
});

interface Sample {
  readonly path: string;
  readonly text: string;
  /** Name of the rule that has to object; empty when the text is fine. */
  readonly rule: string;
}

const SAMPLES: readonly Sample[] = [
  { path: 'services/x.ts', text: '', rule: 'unknown folder' },
  { path: 'base/x.ts', text: "import { a } from '../channel/a.js';", rule: 'direction' },
  { path: 'base/x.ts', text: "import fs from 'node:fs';", rule: 'package' },
  { path: 'base/x.ts', text: "import fs from 'fs';", rule: 'package' },
  { path: 'channel/x.ts', text: "import { a } from '../policy/a.js';", rule: 'direction' },
  { path: 'channel/x.ts', text: "import { pino } from 'pino';", rule: 'package' },
  { path: 'channel/x.ts', text: 'setTimeout(go, 1);', rule: 'word' },
  { path: 'channel/x.ts', text: "import { a } from '../base/a.js'; Atomics.wait();", rule: '' },
  { path: 'policy/a/x.ts', text: "import { now } from 'node:perf_hooks';", rule: 'package' },
  { path: 'policy/a/x.ts', text: 'const now = Date.now();', rule: 'word' },
  { path: 'policy/a/x.ts', text: 'const now = performance.now();', rule: 'word' },
  { path: 'policy/a/x.ts', text: 'const r = Math.random();', rule: 'word' },
  { path: 'policy/a/x.ts', text: 'setImmediate(go);', rule: 'word' },
  { path: 'policy/a/x.ts', text: 'export async function f() {}', rule: 'word' },
  { path: 'policy/a/x.ts', text: 'Atomics.load(words, 0);', rule: 'word' },
  { path: 'policy/a/x.ts', text: '// Date and async are fine here: "await"', rule: '' },
  { path: 'policy/a/x.ts', text: "const text = 'Date';", rule: '' },
  { path: 'routing/x.ts', text: "import router from 'find-my-way';", rule: '' },
  { path: 'routing/x.ts', text: "import { a } from '../policy/a.js';", rule: 'direction' },
  { path: 'routing/x.ts', text: "import crypto from 'node:crypto';", rule: 'package' },
  { path: 'config/x.ts', text: "import { a } from '../worker/a.js';", rule: 'direction' },
  { path: 'config/x.ts', text: "import { a } from '../policy/retry/options.js';", rule: '' },
  {
    path: 'config/x.ts',
    text: "import { a } from '../policy/retry/budget.js';",
    rule: 'direction',
  },
  { path: 'filters/a/x.ts', text: "import { b } from '../b/b.js';", rule: 'sibling filters' },
  { path: 'filters/a/x.ts', text: "import { b } from './b.js';", rule: '' },
  { path: 'filters/a/x.ts', text: "import { b } from '../filter.js';", rule: '' },
  { path: 'filters/filter.ts', text: "import { b } from './a/b.js';", rule: 'sibling filters' },
  { path: 'filters/a/x.ts', text: "import { b } from '../../channel/b.js';", rule: 'direction' },
  { path: 'filters/a/x.ts', text: "import uws from 'uWebSockets.js';", rule: 'package' },
  {
    path: 'observability/x.ts',
    text: "import { a } from '../channel/lane.js';",
    rule: 'direction',
  },
  {
    path: 'observability/x.ts',
    text: "import { a } from '../channel/counter-block.js';",
    rule: '',
  },
  { path: 'acceptor/x.ts', text: "import { Client } from 'undici';", rule: 'package' },
  { path: 'acceptor/x.ts', text: "import { App } from 'uWebSockets.js';", rule: 'package' },
  { path: 'acceptor/uws/x.ts', text: "import { App } from 'uWebSockets.js';", rule: '' },
  { path: 'acceptor/x.ts', text: "import type { A } from './uws/a.js';", rule: 'engine' },
  { path: 'acceptor/uws/x.ts', text: "import { A } from '../a.js';", rule: '' },
  { path: 'gateway.ts', text: "import { a } from './acceptor/uws/a.js';", rule: '' },
  { path: 'acceptor/x.ts', text: "import { t } from '../policy/t.js';", rule: 'direction' },
  { path: 'acceptor/x.ts', text: 'const t = readFileSync(path);', rule: 'word' },
  {
    path: 'acceptor/x.ts',
    text: "import type { C } from '../config/compiled-config.js';",
    rule: '',
  },
  {
    path: 'acceptor/x.ts',
    text: "import { load } from '../config/load-config.js';",
    rule: 'direction',
  },
  { path: 'worker/x.ts', text: "const u = require('uWebSockets.js');", rule: 'package' },
  { path: 'worker/x.ts', text: "const u = await import('uWebSockets.js');", rule: 'package' },
  { path: 'worker/x.ts', text: "import { b } from '../policy/retry/budget.js';", rule: '' },
  {
    path: 'worker/x.ts',
    text: "import { b } from '../policy/rate-limit/b.js';",
    rule: 'direction',
  },
  { path: 'worker/x.ts', text: "import { b } from '../gateway.js';", rule: 'direction' },
  { path: 'coordinator/x.ts', text: 'await Promise.resolve();', rule: 'word' },
  { path: 'coordinator/x.ts', text: 'export const f = async () => 1;', rule: 'word' },
  { path: 'coordinator/x.ts', text: 'doorbell.waitAsync();', rule: 'word' },
  { path: 'coordinator/x.ts', text: "import { fetch } from 'undici';", rule: 'package' },
  { path: 'coordinator/x.ts', text: "import net from 'node:net';", rule: 'package' },
  { path: 'admin/x.ts', text: "import { b } from '../policy/b.js';", rule: 'direction' },
  {
    path: 'gateway.ts',
    text: "import { a } from './worker/worker-task.js';",
    rule: 'thread entry',
  },
  { path: 'gateway.ts', text: "new URL('./worker/worker-task.js', import.meta.url);", rule: '' },
  { path: 'gateway.ts', text: "import { a } from './main.js';", rule: 'direction' },
  { path: 'worker/x.ts', text: "import { a } from '../supervisor/a.js';", rule: 'direction' },
  { path: 'supervisor/x.ts', text: "import { a } from '../gateway.js';", rule: 'direction' },
  {
    path: 'supervisor/x.ts',
    text: "import { a } from '../coordinator/coordinator-thread.js';",
    rule: 'thread entry',
  },
  { path: 'gateway.ts', text: 'const memory = new SharedArrayBuffer(8);', rule: '' },
  { path: 'gateway.ts', text: 'Atomics.store(words, 0, 1);', rule: 'shared memory' },
  { path: 'worker/x.ts', text: 'Atomics.store(words, 0, 1);', rule: 'shared memory' },
  { path: 'admin/x.ts', text: 'function f(memory: SharedArrayBuffer) {}', rule: 'shared memory' },
  { path: 'supervisor/x.ts', text: 'const at = Date.now();', rule: 'clock' },
  { path: 'supervisor/x.ts', text: 'f(Date.now);', rule: 'clock' },
  { path: 'supervisor/x.ts', text: 'const at = new Date();', rule: 'clock' },
  { path: 'supervisor/x.ts', text: 'const at = new Date;', rule: 'clock' },
  { path: 'supervisor/x.ts', text: 'const at = Date();', rule: 'clock' },
  { path: 'supervisor/x.ts', text: 'new Date(unixMs).toISOString();', rule: '' },
  { path: 'worker/x.ts', text: 'const at = performance.now();', rule: 'clock' },
  { path: 'worker/x.ts', text: 'performance.eventLoopUtilization();', rule: '' },
  { path: 'admin/x.ts', text: 'const at = process.hrtime.bigint();', rule: 'clock' },
  { path: 'worker/x.ts', text: 'f(Math.random);', rule: 'clock' },
  { path: 'worker/x.ts', text: "import { systemClock } from '../base/clock.js';", rule: 'clock' },
  { path: 'cli/x.ts', text: "import { systemRandom } from '../base/clock.js';", rule: 'clock' },
  { path: 'worker/x.ts', text: "import type { Clock } from '../base/clock.js';", rule: '' },
  { path: 'gateway.ts', text: 'const clock = systemClock;', rule: '' },
];

for (const from of THREAD_FOLDERS) {
  for (const to of THREAD_FOLDERS) {
    if (from === to) continue;
    for (const word of ['import', 'import type', 'export']) {
      const text = `${word} { a } from '../${to}/a.js';`;
      (SAMPLES as Sample[]).push({ path: `${from}/x.ts`, text, rule: 'sibling threads' });
    }
  }
}

describe('import rules', () => {
  it.each(SAMPLES)('$path: $text → $rule', ({ path, text, rule }) => {
    const found = applyExceptions(checkAll(parseSource(path, text)), EXCEPTIONS).left;
    const names = found.map((finding) => finding.rule);
    if (rule === '') expect(names).toEqual([]);
    else expect(names).toContain(rule);
  });

  it('reads imports of every shape, with their lines', () => {
    const text = [
      "import { a } from './a.js';",
      'import {',
      '  type B,',
      '  type C,',
      "} from './b.js';",
      "import './c.js';",
      "export * from './d.js';",
      "const e = import('./e.js');",
      "const f = new URL('./f.js', import.meta.url);",
      "// import { no } from './no.js';",
      "const s = `text ${call({ x: '}' })} import { no } from './no.js'`;",
      "const regex = /from '.\\/no.js'/;",
    ].join('\n');
    const edges = parseSource('channel/x.ts', text).imports;
    expect(edges.map((e) => [e.target, e.kind, e.isTypeOnly, e.line])).toEqual([
      ['channel/a.ts', 'static', false, 1],
      ['channel/b.ts', 'static', true, 5],
      ['channel/c.ts', 'static', false, 6],
      ['channel/d.ts', 'static', false, 7],
      ['channel/e.ts', 'dynamic', false, 8],
      ['channel/f.ts', 'url', false, 9],
    ]);
  });
});
