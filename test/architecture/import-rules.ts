/**
 * The table of who may import whom in src/, and which words a folder may not contain, as
 * functions from one source file to its findings.
 */
import { builtinModules } from 'node:module';
import {
  type Finding,
  type ImportEdge,
  lineOf,
  type SourceFile,
  topFolder,
} from './source-scan.js';

interface FolderRule {
  /** Folders, files or name ends (any `options.ts`) of ours, apart from the folder itself. */
  readonly mayImport: readonly string[];
  /** `import type` from the files that describe the configuration. */
  readonly mayUseConfigTypes: boolean;
  readonly forbiddenPackages: readonly string[];
  readonly forbiddenWords: readonly RegExp[];
}

const ANY_OF_OURS = '*';
const SOCKET_MODULES = ['net', 'tls', 'dgram', 'http', 'https', 'http2'].map((m) => `node:${m}`);
/** `readFileSync`, `execSync` and their kin: the calls that make the event loop wait. */
const SYNC_CALL = /\b[a-z]+[A-Za-z]*Sync\b/;
const NOT_DETERMINISTIC = [
  /\bDate\b/,
  /\bperformance\b/,
  /\bMath\s*\.\s*random\b/,
  /\bset(?:Timeout|Interval|Immediate)\b/,
  /\bqueueMicrotask\b/,
  /\basync\b/,
  /\bawait\b/,
  /\bAtomics\b/,
];
const TIMERS = /\bset(?:Timeout|Interval|Immediate)\b/;

export const CONFIG_TYPE_FILES = [
  'config/compiled-config.ts',
  'config/compiled-observability.ts',
  'config/compiled-plugin.ts',
  'config/compiled-websocket.ts',
  'config/compiled-replies.ts',
  'config/compiled-split.ts',
  'config/compiled-log-bodies.ts',
  'config/compiled-mirror.ts',
  'config/compiled-fallback.ts',
  'config/compiled-faults.ts',
  'config/compiled-target-tls.ts',
  'config/gateway-config.ts',
  'config/listener-settings.ts',
  'config/spiffe-settings.ts',
  'config/store-settings.ts',
];

/** Where the native library is known: the engine of clients, and the admin listener of its own. */
const NATIVE_PLACES = ['acceptor/uws'];

/** Files that a thread starts in: they are named by URL and never imported. */
export const THREAD_ENTRIES = [
  'worker/worker-task.ts',
  'coordinator/coordinator-thread.ts',
  'acceptor/acceptor-thread.ts',
  'store/store-thread.ts',
  'plugins/inspect-thread.ts',
];

export const THREAD_FOLDERS = ['acceptor', 'worker', 'coordinator', 'store', 'admin'];

/** What of the filters describes, checks and compiles their options; no steps. */
const PURE_PARTS_OF_FILTERS = [
  'filters/catalog.ts',
  'filters/filter-options.ts',
  'filters/address-list.ts',
  'filters/validation/schema-engine.ts',
  'filters/validation/schema-code.ts',
  'filters/validation/linear-pattern.ts',
  'filters/grpc-json/http-rules.ts',
];

/** Lists all filters, and so names files of each. */
const CATALOG = 'filters/catalog.ts';

const MAIN_THREAD_ROOT: FolderRule = {
  mayImport: [ANY_OF_OURS],
  mayUseConfigTypes: true,
  forbiddenPackages: [],
  forbiddenWords: [/\bAtomics\s*\.\s*wait\b/],
};

export const FOLDER_RULES: Readonly<Record<string, FolderRule>> = {
  base: {
    mayImport: [],
    mayUseConfigTypes: false,
    forbiddenPackages: ['*'],
    forbiddenWords: [TIMERS],
  },
  boot: {
    mayImport: ['base'],
    mayUseConfigTypes: false,
    forbiddenPackages: ['undici', 'uWebSockets.js', 'piscina', 'pino'],
    forbiddenWords: [TIMERS],
  },
  channel: {
    mayImport: ['base'],
    mayUseConfigTypes: false,
    forbiddenPackages: ['pino', 'undici', 'node:timers', 'node:timers/promises'],
    forbiddenWords: [TIMERS],
  },
  policy: {
    mayImport: ['base'],
    mayUseConfigTypes: false,
    forbiddenPackages: ['*'],
    forbiddenWords: NOT_DETERMINISTIC,
  },
  schema: {
    mayImport: ['base'],
    mayUseConfigTypes: false,
    forbiddenPackages: ['*'],
    forbiddenWords: NOT_DETERMINISTIC,
  },
  routing: {
    mayImport: ['base'],
    mayUseConfigTypes: false,
    forbiddenPackages: ['node:*', 'undici', 'pino'],
    forbiddenWords: NOT_DETERMINISTIC,
  },
  wire: {
    mayImport: ['base'],
    mayUseConfigTypes: false,
    forbiddenPackages: ['*'],
    forbiddenWords: [TIMERS, /\basync\b/, /\bawait\b/, /\bAtomics\b/],
  },
  config: {
    mayImport: [
      'base',
      'channel/shared-texts.ts',
      'channel/plugins/plugin-board.ts',
      'plugins/inspect-plugins.ts',
      'plugins/inspection.ts',
      'plugins/plugin-module.ts',
      'schema',
      'routing',
      'wire/x509/der-reader.ts',
      ...PURE_PARTS_OF_FILTERS,
      '*/options.ts',
    ],
    mayUseConfigTypes: true,
    forbiddenPackages: ['undici', 'uWebSockets.js', 'piscina'],
    forbiddenWords: [],
  },
  filters: {
    mayImport: ['base', 'schema', 'routing', 'observability', 'wire/grpc'],
    mayUseConfigTypes: false,
    forbiddenPackages: ['uWebSockets.js'],
    forbiddenWords: [],
  },
  plugins: {
    mayImport: ['base', 'channel/plugins'],
    mayUseConfigTypes: false,
    forbiddenPackages: ['undici', 'uWebSockets.js', 'piscina'],
    forbiddenWords: [TIMERS],
  },
  observability: {
    mayImport: ['base', 'channel/counter-block.ts'],
    mayUseConfigTypes: true,
    forbiddenPackages: ['undici', 'uWebSockets.js', 'piscina'],
    forbiddenWords: [],
  },
  acceptor: {
    mayImport: [
      'base',
      'wire',
      'channel',
      'routing',
      'filters/cors/refusals.ts',
      'filters/validation/linear-pattern.ts',
      'observability',
      'config/shared',
    ],
    mayUseConfigTypes: true,
    forbiddenPackages: ['undici'],
    forbiddenWords: [/\bAtomics\s*\.\s*wait\b/, SYNC_CALL],
  },
  worker: {
    mayImport: [
      'base',
      'wire',
      'channel',
      'policy/caching',
      'policy/retry',
      'policy/traffic',
      'routing',
      'filters',
      'plugins',
      'observability',
      'config/shared',
    ],
    mayUseConfigTypes: true,
    forbiddenPackages: ['uWebSockets.js'],
    forbiddenWords: [],
  },
  coordinator: {
    mayImport: ['base', 'channel', 'policy', 'observability', 'config/shared'],
    mayUseConfigTypes: true,
    forbiddenPackages: ['undici', ...SOCKET_MODULES],
    forbiddenWords: [/\basync\b/, /\bawait\b/, /\bwaitAsync\b/],
  },
  store: {
    mayImport: ['base', 'channel', 'observability'],
    mayUseConfigTypes: true,
    forbiddenPackages: ['undici', 'uWebSockets.js', 'pino'],
    forbiddenWords: [/\bAtomics\s*\.\s*wait\b/, SYNC_CALL],
  },
  admin: {
    mayImport: ['base', 'channel', 'observability', 'config/shared'],
    mayUseConfigTypes: true,
    forbiddenPackages: ['undici'],
    forbiddenWords: [/\bAtomics\s*\.\s*wait\b/],
  },
  build: {
    mayImport: ['base', 'boot', 'schema', 'config'],
    mayUseConfigTypes: true,
    forbiddenPackages: ['uWebSockets.js', 'piscina', 'undici'],
    forbiddenWords: [],
  },
  explain: MAIN_THREAD_ROOT,
  replay: MAIN_THREAD_ROOT,
  cli: MAIN_THREAD_ROOT,
  'main.ts': MAIN_THREAD_ROOT,
  'gateway.ts': MAIN_THREAD_ROOT,
  'program-gateway.ts': MAIN_THREAD_ROOT,
  'gateway-admin.ts': MAIN_THREAD_ROOT,
  supervisor: MAIN_THREAD_ROOT,
  'index.ts': MAIN_THREAD_ROOT,
};

/** Only these may speak of shared memory; those who put the parts together hold it and no more. */
const SHARED_MEMORY_FOLDERS = ['channel'];
const SHARED_MEMORY_HOLDERS = ['gateway.ts', 'supervisor'];

/** Reading a clock or drawing lots: whoever does that cannot be stepped by hand. */
const CLOCK_WORDS = [
  /\bDate\s*\.\s*now\b/,
  /\bnew\s+Date\s*(?:\(\s*\)|(?![\s(]))/,
  /(?<!new\s+)\bDate\s*\(/,
  /\bperformance\s*\.\s*(?:now|timeOrigin)\b/,
  /\bprocess\s*\.\s*hrtime\b/,
  /\bMath\s*\.\s*random\b/,
  /\bsystemClock\b/,
  /\bsystemRandom\b/,
];

/** Where threads begin, the page that runs in a browser, and what the clock is made of. */
const CLOCK_READERS = [
  'base/clock.ts',
  'main.ts',
  'gateway.ts',
  ...THREAD_ENTRIES,
  'supervisor/loading/load-thread.ts',
  'admin/dashboard/client/main.ts',
];

/** Later ones may import earlier ones, never the other way. */
const COMPOSITION = [
  'supervisor',
  'explain',
  'replay',
  'gateway-admin.ts',
  'gateway.ts',
  'program-gateway.ts',
  'index.ts',
  'cli',
  'main.ts',
];

export function checkFolder(file: SourceFile): Finding[] {
  if (FOLDER_RULES[topFolder(file.path)] !== undefined) return [];
  return [finding(file, 1, 'unknown folder', `${topFolder(file.path)} has no row in the table`)];
}

export function checkImports(file: SourceFile): Finding[] {
  return file.imports.flatMap((edge) =>
    edge.target === '' ? checkPackage(file, edge) : checkOwnImport(file, edge),
  );
}

function checkOwnImport(file: SourceFile, edge: ImportEdge): Finding[] {
  const from = topFolder(file.path);
  const to = topFolder(edge.target);
  const rule = FOLDER_RULES[from];
  if (rule === undefined) return [];
  const say = (name: string, why: string) => [
    finding(file, edge.line, name, `${edge.target}: ${why}`),
  ];
  if (THREAD_ENTRIES.includes(edge.target) && edge.kind !== 'url' && !edge.isTypeOnly) {
    return say('thread entry', 'a thread entry is named by URL, never imported');
  }
  if (edge.kind === 'url' && THREAD_ENTRIES.includes(edge.target) && isRoot(from)) return [];
  if (THREAD_FOLDERS.includes(from) && THREAD_FOLDERS.includes(to) && from !== to) {
    return say('sibling threads', `${from} and ${to} meet only in channel/`);
  }
  if (from === 'filters' && to === 'filters' && !mayShare(file.path, edge.target)) {
    return say('sibling filters', 'a filter never imports another');
  }
  const mayKnowEngines = isOfEngine(file.path) || THREAD_ENTRIES.includes(file.path);
  if (from === 'acceptor' && isOfEngine(edge.target) && !mayKnowEngines) {
    return say('engine', 'the acceptor is given its engine, and knows client-engine.ts alone');
  }
  if (from === to) return [];
  if (isRoot(from) && isRoot(to)) {
    const isDown = COMPOSITION.indexOf(from) > COMPOSITION.indexOf(to);
    return isDown ? [] : say('direction', `${from} may not import ${to}`);
  }
  if (isRoot(to)) return say('direction', `${from} may not import ${to}`);
  if (rule.mayUseConfigTypes && edge.isTypeOnly && CONFIG_TYPE_FILES.includes(edge.target)) {
    return [];
  }
  if (rule.mayImport.some((allowed) => allows(allowed, edge.target))) return [];
  const how = to === 'config' && rule.mayUseConfigTypes ? ' (config types only)' : '';
  return say('direction', `${from} may not import ${to}${how}`);
}

function checkPackage(file: SourceFile, edge: ImportEdge): Finding[] {
  if (edge.specifier === 'uWebSockets.js' && !NATIVE_PLACES.some((one) => allows(one, file.path))) {
    return [finding(file, edge.line, 'package', 'only its engine may know uWebSockets.js')];
  }
  const rule = FOLDER_RULES[topFolder(file.path)];
  if (rule === undefined || edge.kind === 'url') return [];
  const name = builtinModules.includes(edge.specifier) ? `node:${edge.specifier}` : edge.specifier;
  const hit = rule.forbiddenPackages.find(
    (forbidden) =>
      forbidden === '*' ||
      forbidden === name ||
      (forbidden === 'node:*' && name.startsWith('node:')) ||
      name.startsWith(`${forbidden}/`),
  );
  if (hit === undefined) return [];
  const folder = topFolder(file.path);
  return [finding(file, edge.line, 'package', `${edge.specifier} may not appear in ${folder}`)];
}

export function checkWords(file: SourceFile): Finding[] {
  const rule = FOLDER_RULES[topFolder(file.path)];
  if (rule === undefined) return [];
  return rule.forbiddenWords.flatMap((word) => findWord(file, word, 'word'));
}

export function checkSharedMemory(file: SourceFile): Finding[] {
  const folder = topFolder(file.path);
  if (SHARED_MEMORY_FOLDERS.includes(folder)) return [];
  const words = SHARED_MEMORY_HOLDERS.includes(folder)
    ? [/\bAtomics\b/]
    : [/\bSharedArrayBuffer\b/, /\bAtomics\b/];
  return words.flatMap((word) => findWord(file, word, 'shared memory'));
}

export function checkClock(file: SourceFile): Finding[] {
  if (CLOCK_READERS.includes(file.path)) return [];
  return CLOCK_WORDS.flatMap((word) => findWord(file, word, 'clock'));
}

function findWord(file: SourceFile, word: RegExp, rule: string): Finding[] {
  const everywhere = new RegExp(word.source, 'g');
  return [...file.code.matchAll(everywhere)].map((match) =>
    finding(file, lineOf(file.code, match.index), rule, match[0]),
  );
}

function allows(allowed: string, target: string): boolean {
  if (allowed === ANY_OF_OURS || allowed === target) return true;
  if (allowed.startsWith('*/')) return target.endsWith(allowed.slice(1));
  return target.startsWith(`${allowed}/`);
}

function isOfEngine(path: string): boolean {
  return allows('acceptor/uws', path) || allows('acceptor/net', path);
}

function isRoot(top: string): boolean {
  return COMPOSITION.includes(top);
}

/** Within one feature, or what lies beside the features: the contract that all of them share. */
function mayShare(from: string, to: string): boolean {
  return from === CATALOG || featureOf(from) === featureOf(to) || !featureOf(to).includes('/');
}

function featureOf(path: string): string {
  return path
    .split('/')
    .slice(0, 2)
    .join('/')
    .replace(/^filters\/(?=[^/]*\.ts$)/, '');
}

function finding(file: SourceFile, line: number, rule: string, detail: string): Finding {
  return { path: file.path, line, rule, detail };
}
