/**
 * Reads TypeScript sources the way the architecture rules need them, without a compiler.
 *
 * One pass over the text blanks comments and the insides of strings, so that a rule which looks
 * for a word sees only code. Blanking keeps every offset and line break: a place found in the
 * code is the same place in the text, which is where specifiers are read from.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface SourceFile {
  /** Path below src/, with forward slashes: `policy/rate-limit/token-bucket.ts`. */
  readonly path: string;
  readonly text: string;
  /** The text with comments and the insides of strings turned into spaces. */
  readonly code: string;
  readonly imports: readonly ImportEdge[];
}

export interface ImportEdge {
  readonly specifier: string;
  /** For relative specifiers: the file below src/, with a `.ts` end. Empty for packages. */
  readonly target: string;
  readonly kind: 'static' | 'dynamic' | 'url' | 'require';
  readonly isTypeOnly: boolean;
  readonly line: number;
}

export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  readonly detail: string;
}

/** The folder of package.json, looked for upward, so that compiled tests find the same one. */
export function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!isFile(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('no package.json above the architecture tests');
    folder = parent;
  }
  return folder;
}

/** Every file below `root` whose name ends with `suffix`, as sorted paths relative to it. */
export function listFiles(root: string, suffix: string): string[] {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(suffix))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

export function readSources(root: string): SourceFile[] {
  const paths = listFiles(root, '.ts').filter((path) => !path.endsWith('.d.ts'));
  return paths.map((path) => parseSource(path, readFileSync(resolve(root, path), 'utf8')));
}

export function parseSource(path: string, text: string): SourceFile {
  const code = blankNonCode(text);
  return { path, text, code, imports: findImports(path, text, code) };
}

export function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) {
    line += 1;
  }
  return line;
}

/** `acceptor` for `acceptor/acceptor.ts`; the file name itself for files directly in src/. */
export function topFolder(path: string): string {
  const slash = path.indexOf('/');
  return slash === -1 ? path : path.slice(0, slash);
}

export function formatFindings(findings: readonly Finding[]): string {
  return findings.map((f) => `src/${f.path}:${f.line} [${f.rule}] ${f.detail}`).join('\n');
}

/** An agreed departure from a rule. Unused ones are reported, so that the list only shrinks. */
export interface RuleException {
  readonly path: string;
  readonly rule: string;
  /** Part of the finding's detail; empty covers every finding of that rule in that file. */
  readonly about: string;
  readonly reason: string;
}

export function applyExceptions(
  findings: readonly Finding[],
  exceptions: readonly RuleException[],
): { readonly left: Finding[]; readonly unused: RuleException[] } {
  const covers = (exception: RuleException, finding: Finding) =>
    exception.path === finding.path &&
    exception.rule === finding.rule &&
    finding.detail.includes(exception.about);
  return {
    left: findings.filter((finding) => !exceptions.some((one) => covers(one, finding))),
    unused: exceptions.filter((one) => !findings.some((finding) => covers(one, finding))),
  };
}

const CONTROL_WORDS = new Set(['if', 'for', 'while', 'switch', 'catch', 'with', 'await']);

export interface FunctionSpan {
  readonly firstLine: number;
  readonly lines: number;
}

/** The braces of every function body, found by what stands before the opening one. */
export function findFunctions(code: string): FunctionSpan[] {
  const spans: FunctionSpan[] = [];
  const open: { offset: number; isFunction: boolean }[] = [];
  for (let at = 0; at < code.length; at += 1) {
    if (code[at] === '{') {
      open.push({ offset: at, isFunction: opensFunction(code, at) });
    } else if (code[at] === '}') {
      const start = open.pop();
      if (start?.isFunction) {
        const firstLine = lineOf(code, start.offset);
        spans.push({ firstLine, lines: lineOf(code, at) - firstLine + 1 });
      }
    }
  }
  return spans;
}

function opensFunction(code: string, brace: number): boolean {
  const before = code.slice(Math.max(0, brace - 2000), brace).trimEnd();
  if (before.endsWith('=>')) return true;
  if (before.endsWith(')')) return !isControl(before, before.length - 1);
  const returnType =
    /\)\s*:\s*(?=\S)[^;={}()]*(\{[^{}]*\}[\s|&[\]>]*(?:undefined|null)?\s*)?$/.exec(before);
  return returnType !== null && !isControl(before, returnType.index);
}

function isControl(text: string, closing: number): boolean {
  let depth = 0;
  for (let at = closing; at >= 0; at -= 1) {
    if (text[at] === ')') depth += 1;
    if (text[at] === '(') depth -= 1;
    if (depth === 0) {
      const word = /(\w+)\s*$/.exec(text.slice(0, at));
      return word !== null && CONTROL_WORDS.has(word[1] ?? '');
    }
  }
  return false;
}

const IMPORT_SHAPES: readonly { kind: ImportEdge['kind']; pattern: RegExp }[] = [
  { kind: 'static', pattern: /^[ \t]*(?:import|export)\b([^;'"`]*?)\bfrom\s*(['"])/gm },
  { kind: 'static', pattern: /^[ \t]*import()\s*(['"])/gm },
  { kind: 'dynamic', pattern: /\bimport()\s*\(\s*(['"])/g },
  { kind: 'url', pattern: /\bnew\s+URL()\s*\(\s*(['"])/g },
  { kind: 'require', pattern: /\brequire\w*(?:\.resolve)?()\s*\(\s*(['"])/g },
];

function findImports(path: string, text: string, code: string): ImportEdge[] {
  const edges: ImportEdge[] = [];
  for (const { kind, pattern } of IMPORT_SHAPES) {
    for (const match of code.matchAll(pattern)) {
      const start = match.index + match[0].length;
      const specifier = text.slice(start, text.indexOf(match[2] ?? '"', start));
      if (kind === 'url' && !specifier.startsWith('.')) continue;
      edges.push({
        specifier,
        target: targetOf(path, specifier),
        kind,
        isTypeOnly: isTypeOnly(match[1] ?? ''),
        line: lineOf(text, start),
      });
    }
  }
  return edges.sort((a, b) => a.line - b.line);
}

function targetOf(path: string, specifier: string): string {
  if (!specifier.startsWith('.')) return '';
  return posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts');
}

function isTypeOnly(clause: string): boolean {
  if (/^\s*type\b/.test(clause)) return true;
  const names = /^\s*\{([^}]*)\}\s*$/.exec(clause);
  if (names === null) return false;
  const parts = (names[1] ?? '').split(',').filter((part) => part.trim() !== '');
  return parts.length > 0 && parts.every((part) => /^\s*type\s/.test(part));
}

/** Turns comments, the insides of strings and of regular expressions into spaces. */
export function blankNonCode(text: string): string {
  const out = text.split('');
  const blank = (from: number, to: number) => {
    for (let at = from; at < to; at += 1) if (out[at] !== '\n') out[at] = ' ';
  };
  // One entry for each template literal that we are inside of: how many braces are open in it.
  const templates: number[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at] ?? '';
    if (char === '{' && templates.length > 0) {
      templates.push((templates.pop() ?? 0) + 1);
    } else if (char === '}' && templates.length > 0) {
      const depth = templates.pop() ?? 0;
      if (depth > 0) templates.push(depth - 1);
      else {
        at = endOfTemplate(text, at + 1, blank, templates);
        continue;
      }
    }
    const end = char === '`' ? endOfTemplate(text, at + 1, blank, templates) : endOf(text, at);
    if (char !== '`' && end > at + 1) {
      const isComment = char === '/' && (text[at + 1] === '/' || text[at + 1] === '*');
      blank(isComment ? at : at + 1, isComment ? end : end - 1);
    }
    at = end;
  }
  return out.join('');
}

/** Where the token that starts here ends; one character on when it is plain code. */
function endOf(text: string, at: number): number {
  const char = text[at];
  if (char === '/' && text[at + 1] === '/') return orEnd(text.indexOf('\n', at), text);
  if (char === '/' && text[at + 1] === '*') return orEnd(text.indexOf('*/', at + 2) + 2, text);
  if (char === "'" || char === '"') return endOfQuoted(text, at, char);
  if (char === '/' && startsRegExp(text, at)) return endOfQuoted(text, at, '/');
  return at + 1;
}

function orEnd(offset: number, text: string): number {
  return offset < 2 ? text.length : offset;
}

function endOfQuoted(text: string, start: number, quote: string): number {
  let isInClass = false;
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text[at];
    if (char === '\\') at += 1;
    else if (char === '\n') return at;
    else if (quote === '/' && char === '[') isInClass = true;
    else if (quote === '/' && char === ']') isInClass = false;
    else if (char === quote && !isInClass) return at + 1;
  }
  return text.length;
}

function startsRegExp(text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - 40), at).trimEnd();
  return before === '' || /[(,=:[!&|?{};+\-*%<>~^]$|\b(?:return|typeof|case|in|of)$/.test(before);
}

function endOfTemplate(
  text: string,
  start: number,
  blank: (from: number, to: number) => void,
  templates: number[],
): number {
  for (let at = start; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '`') {
      blank(start, at);
      return at + 1;
    } else if (text[at] === '$' && text[at + 1] === '{') {
      blank(start, at);
      templates.push(0);
      return at + 2;
    }
  }
  blank(start, text.length);
  return text.length;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
