/**
 * What every file in src/ looks like, as functions from one source file to its findings; and
 * the search for files that nothing reaches.
 */
import { type Finding, findFunctions, lineOf, type SourceFile, topFolder } from './source-scan.js';

export const LINE_COLUMNS_MAX = 100;
export const FUNCTION_LINES_MAX = 70;
/** A mark, not a target: a file has one job. */
export const FILE_LINES_MAX = 500;

/** Where process, library user and build enter. Threads are reached by URL. */
export const ENTRIES = [
  'main.ts',
  'index.ts',
  'build/precompile-schema.ts',
  'build/bundle-entries.ts',
  'build/write-docs.ts',
  'build/production-tree.ts',
];

const PURE = 'any (pure)';
const BOTH_ENDS = 'any (both ends)';
/** The dashboard's script runs in no thread of ours. */
const BROWSER = 'browser';
const THREADS = [
  'acceptor',
  'worker',
  'coordinator',
  'store',
  'supervisor',
  'loader',
  'inspector',
  BROWSER,
  PURE,
  BOTH_ENDS,
];

const THREADS_OF_FOLDER: Readonly<Record<string, readonly string[]>> = {
  base: [PURE, BOTH_ENDS],
  boot: [BOTH_ENDS],
  channel: [PURE, BOTH_ENDS],
  policy: [PURE],
  schema: [PURE],
  routing: [PURE],
  config: [PURE, BOTH_ENDS, 'supervisor', 'loader'],
  filters: ['worker', PURE],
  observability: THREADS,
  plugins: ['worker', 'inspector', 'loader', PURE],
  acceptor: ['acceptor', PURE],
  worker: ['worker', PURE],
  coordinator: ['coordinator', PURE, BOTH_ENDS],
  store: ['store', BOTH_ENDS],
  admin: ['supervisor', BROWSER, PURE],
  explain: ['supervisor', PURE],
  replay: ['supervisor', 'loader', PURE],
  cli: ['supervisor', PURE],
  'main.ts': ['supervisor'],
  'gateway.ts': ['supervisor', 'acceptor'],
  'program-gateway.ts': ['supervisor'],
  'gateway-admin.ts': ['supervisor'],
  supervisor: ['supervisor', 'loader', PURE],
  'index.ts': THREADS,
};

const BANNED_NAMES = ['utils', 'util', 'helpers', 'helper', 'types', 'common', 'index', 'misc'];

export function checkHeader(file: SourceFile): Finding[] {
  const header = /^(?:#![^\n]*\n)?\/\*\*\n(?: \*[^\n]*\n)*? \*\/\n/.exec(file.text)?.[0];
  if (header === undefined) return [finding(file, 1, 'header', 'the file opens with no /** block')];
  const threadLine = /^ \* Thread: (.*)$/m.exec(header);
  if (threadLine === null) return [finding(file, 1, 'header', 'the header has no Thread: line')];
  const said = threadLine[1] ?? '';
  const thread = THREADS.find(
    (one) => said.startsWith(one) && !/^[\w(]/.test(said.slice(one.length)),
  );
  const line = lineOf(file.text, threadLine.index);
  if (thread === undefined) return [finding(file, line, 'header', `no such thread: ${said}`)];
  const fitting = THREADS_OF_FOLDER[topFolder(file.path)] ?? THREADS;
  if (fitting.includes(thread)) return [];
  return [finding(file, line, 'header', `${thread} does not fit ${topFolder(file.path)}`)];
}

export function checkSizes(file: SourceFile): Finding[] {
  const lines = file.text.replace(/\n$/, '').split('\n');
  const found: Finding[] = [];
  if (lines.length > FILE_LINES_MAX) {
    found.push(finding(file, 1, 'file length', `${lines.length} lines`));
  }
  lines.forEach((line, index) => {
    const columns = [...line].length;
    if (columns > LINE_COLUMNS_MAX) {
      found.push(finding(file, index + 1, 'line length', `${columns} columns`));
    }
  });
  for (const span of findFunctions(file.code)) {
    if (span.lines > FUNCTION_LINES_MAX) {
      found.push(finding(file, span.firstLine, 'function length', `${span.lines} lines`));
    }
  }
  return found;
}

export function checkFileName(file: SourceFile): Finding[] {
  const found: Finding[] = [];
  for (const part of file.path.replace(/\.ts$/, '').split('/')) {
    if (!/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(part)) {
      found.push(finding(file, 1, 'file name', `${part} is not kebab-case`));
    }
    if (BANNED_NAMES.includes(part) && file.path !== 'index.ts') {
      found.push(finding(file, 1, 'file name', `${part} says nothing about what is inside`));
    }
  }
  return found;
}

interface BannedShape {
  readonly rule: string;
  readonly pattern: RegExp;
  readonly instead: string;
  readonly isAllowedIn?: (path: string) => boolean;
  /** Look in comments and strings as well. */
  readonly isInText?: boolean;
}

const BANNED_SHAPES: readonly BannedShape[] = [
  { rule: 'default export', pattern: /\bexport\s+default\b|\bas\s+default\b/, instead: 'a name' },
  {
    rule: 'any',
    pattern: /(?<![.\w$])any\b(?!\s*[(:])/,
    instead: 'unknown, and a check that narrows it',
  },
  { rule: 'enum', pattern: /\benum\s+\w/, instead: 'integer constants and a union type' },
  { rule: 'namespace', pattern: /\bnamespace\s+\w/, instead: 'a module' },
  { rule: 'double cast', pattern: /\bas\s+unknown\s+as\b/, instead: 'a check that narrows it' },
  { rule: 'FIXME', pattern: /\bFIXME\b/, instead: 'the repair', isInText: true },
  {
    rule: 'suppression',
    pattern: /@ts-(?:ignore|nocheck)\b/,
    instead: 'a type that is right',
    isInText: true,
  },
  {
    rule: 'console',
    pattern: /\bconsole\s*\.\s*\w+/,
    instead: 'the logger',
    isAllowedIn: (path) => path === 'main.ts' || path.startsWith('cli/'),
  },
  {
    rule: 'field encoding',
    pattern: /['"`]\\r\\n[A-Za-z$]|\bas\s+FieldBlock\b/,
    instead: 'the functions of base/field-block.ts',
    isAllowedIn: (path) => path === 'base/field-block.ts',
    isInText: true,
  },
];

export function checkBannedShapes(file: SourceFile): Finding[] {
  return BANNED_SHAPES.flatMap((shape) => {
    if (shape.isAllowedIn?.(file.path)) return [];
    const where = shape.isInText ? file.text : file.code;
    const everywhere = new RegExp(shape.pattern.source, 'g');
    return [...where.matchAll(everywhere)].map((match) =>
      finding(file, lineOf(where, match.index), shape.rule, `take ${shape.instead}`),
    );
  });
}

/** Files that no entry reaches by import or URL. */
export function findDeadFiles(files: readonly SourceFile[]): Finding[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const waiting = ENTRIES.filter((path) => byPath.has(path));
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const edge of byPath.get(path)?.imports ?? []) {
      if (byPath.has(edge.target)) waiting.push(edge.target);
    }
  }
  return files
    .filter((file) => !reached.has(file.path))
    .map((file) => finding(file, 1, 'dead file', 'no entry reaches it'));
}

/** Files that a comment names and that are not there, or lie in another folder by now. */
export function findLostPaths(files: readonly SourceFile[]): Finding[] {
  const paths = files.map(({ path }) => `/src/${path}`);
  return files.flatMap((file) =>
    [...file.text.matchAll(/(?<![\w./-])([a-z][a-z0-9/-]*\.ts)\b/g)]
      .filter(([, named]) => !paths.some((path) => path.endsWith(`/${named}`)))
      .map(({ 0: named, index }) =>
        finding(file, lineOf(file.text, index), 'lost path', `there is no ${named}`),
      ),
  );
}

function finding(file: SourceFile, line: number, rule: string, detail: string): Finding {
  return { path: file.path, line, rule, detail };
}
