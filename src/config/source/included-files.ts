/**
 * Parts of a configuration in files of their own: `include: routes/*.yaml`.
 *
 * Thread: loader. A file that is included has `routes`, `upstreams` and `authenticators`, and
 * nothing else: what there is once stands in the main file. Routes are added in the order of the
 * files' names; a name that two files give is a mistake.
 */
import { readdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isObject } from '../../base/json-object.js';
import { childPointer } from '../../base/json-pointer.js';
import { fileProblem } from '../../base/system-problem.js';
import type { ConfigIssue } from '../check/config-error.js';
import { resolveFiles } from '../references/document-file.js';
import { stampOfError, stampOfFile } from '../references/files-read.js';
import { yamlLibrary } from '../references/yaml-library.js';
import { dropExtensionKeys } from './extension-keys.js';
import { folderOf, textOfFile } from './piped-file.js';
import type { ValuePlace, ValuePlaces, ValueVariable, YamlSource } from './yaml-source.js';

/** The key of the main file; it is no part of the configuration itself. */
const KEY = 'include';
/** It may be a key of a text in braces; escapes of letters in it may hide it. */
const IN_BRACES = /include|\\/;
/** Files of one configuration. */
const FILES_MAX = 1000;
const MAPS = ['upstreams', 'authenticators'] as const;
const ALLOWED: readonly string[] = ['routes', ...MAPS];

/** A text that is added to the main file. */
export interface AddedPart {
  /** For messages: a file, or the place in a store. */
  readonly name: string;
  /** Files that it names are relative to this folder. */
  readonly folder: string;
  readonly source: YamlSource;
  /** Every key may stand in it that the main file does not have; else routes and maps alone. */
  readonly mayHoldAll: boolean;
}

/** A configuration with what its files include, and where each value stands. */
export interface WholeSource {
  /** Of the main file, for messages. */
  readonly name: string;
  readonly value: unknown;
  readonly origins: ValueOrigins;
  readonly issues: ConfigIssue[];
}

/** A route, upstream or authenticator that stands in another file than the main one. */
interface MovedValue {
  readonly source: YamlSource;
  readonly file: string;
  /** Its pointer in that file. */
  readonly from: string;
}

/** Tells what is known of a value of the whole configuration where it was written. */
class ValueOrigins implements ValuePlaces {
  /** By the pointer in the whole: `/routes/7`, `/upstreams/a`, or `/listen` with all below it. */
  private readonly moved = new Map<string, MovedValue>();
  private hasAny: boolean;

  constructor(private readonly main: YamlSource) {
    this.hasAny = main.variables.size > 0;
  }

  /** Whether any value came out of a variable. */
  get hasVariables(): boolean {
    return this.hasAny;
  }

  move(to: string, value: MovedValue): void {
    this.moved.set(to, value);
    if (value.source.variables.size > 0) this.hasAny = true;
  }

  get(pointer: string): ValuePlace | undefined {
    const moved = this.movedAt(pointer);
    if (moved === undefined) return this.main.places.get(pointer);
    return moved.source.places.get(moved.pointer)?.inFile(moved.file);
  }

  variableAt(pointer: string): ValueVariable | undefined {
    const moved = this.movedAt(pointer);
    if (moved === undefined) return this.main.variables.get(pointer);
    return moved.source.variables.get(moved.pointer);
  }

  /** Something was already said of this value. */
  isBroken(pointer: string): boolean {
    const moved = this.movedAt(pointer);
    if (moved === undefined) return this.main.broken.has(pointer);
    return moved.source.broken.has(moved.pointer);
  }

  /** Where it stands, with its pointer there. */
  private movedAt(
    pointer: string,
  ): (Pick<MovedValue, 'source' | 'file'> & { readonly pointer: string }) | undefined {
    if (this.moved.size === 0) return undefined;
    const [top, key] = [topOf(pointer), keyOf(pointer)];
    const [moved, length] = this.moved.has(top)
      ? [this.moved.get(top), top.length]
      : [this.moved.get(key), key.length];
    if (moved === undefined) return undefined;
    return { source: moved.source, file: moved.file, pointer: moved.from + pointer.slice(length) };
  }
}

/** `/routes/7` of `/routes/7/match/path`. */
function topOf(pointer: string): string {
  const second = pointer.indexOf('/', 1);
  const third = second === -1 ? -1 : pointer.indexOf('/', second + 1);
  return third === -1 ? pointer : pointer.slice(0, third);
}

/** `/routes` of `/routes/7/match/path`. */
function keyOf(pointer: string): string {
  const second = pointer.indexOf('/', 1);
  return second === -1 ? pointer : pointer.slice(0, second);
}

/** Reads one file. Throws {@link ConfigError} when it cannot be read at all. */
export type SourceReader = (file: string) => YamlSource;

/** Adds what the main file includes. `file` is its name; other names are relative to it. */
export function withIncluded(main: YamlSource, file: string, read: SourceReader): WholeSource {
  const whole: WholeSource = {
    name: file,
    value: main.value,
    origins: new ValueOrigins(main),
    issues: [...main.issues],
  };
  if (!isObject(main.value) || !Object.hasOwn(main.value, KEY)) return whole;
  const patterns = patternsIn(main.value[KEY]);
  delete main.value[KEY];
  const say = (message: string): void => void whole.issues.push(issueAt(main, KEY, message));
  if (patterns === null) {
    say('must be the name of a file, or a list of names; "*" stands for a part of a name');
    return whole;
  }
  const files = lookFor(patterns, folderOf(file), say);
  if (files.length > FILES_MAX) say(`names more than ${FILES_MAX} files`);
  for (const one of files.slice(0, FILES_MAX)) {
    addPart(whole, { name: one, folder: dirname(one), source: read(one), mayHoldAll: false });
  }
  return whole;
}

/** The files that there are; what stands in the way of one is said. */
function lookFor(
  patterns: readonly string[],
  folder: string,
  say: (message: string) => void,
): readonly string[] {
  try {
    const { files, missing } = filesOf(patterns, folder);
    for (const name of missing) {
      const other = statSync(resolve(folder, name), { throwIfNoEntry: false });
      const all = `${JSON.stringify(name)} is a folder: write ${JSON.stringify(`${name}/*.yaml`)}`;
      say(other?.isDirectory() === true ? all : `there is no file ${JSON.stringify(name)}`);
    }
    return files;
  } catch (error) {
    const at = error instanceof Error && 'path' in error ? String(error.path) : folder;
    say(`${JSON.stringify(at)} cannot be looked at: ${fileProblem(error)}`);
    return [];
  }
}

/** Adds what a text has to the whole; what does not fit becomes an issue. */
export function addPart(whole: WholeSource, part: AddedPart): void {
  const { name: file, folder, source, mayHoldAll } = part;
  whole.issues.push(...source.issues.map((issue) => ({ ...issue, file })));
  if (!isObject(whole.value) || source.value === undefined) return;
  if (!isObject(source.value)) {
    whole.issues.push({ ...issueAt(source, '', 'must be a map with routes or upstreams'), file });
    return;
  }
  dropExtensionKeys(source.value);
  resolveFiles(source.value, folder);
  for (const [key, value] of Object.entries(source.value)) {
    if (key === 'routes') addRoutes(whole, file, source, value);
    else if (ALLOWED.includes(key)) addNamed(whole, file, source, { key, value });
    else if (mayHoldAll && key !== KEY) addSetting(whole, file, source, { key, value });
    else {
      const message = mayHoldAll
        ? 'is for files: a document in a store is whole'
        : `may stand in the main file only; included files have ${ALLOWED.join(', ')}`;
      whole.issues.push({ ...issueAt(source, key, message), file });
    }
  }
}

/** What there is once: in one of both, and never merged. */
function addSetting(
  whole: WholeSource,
  file: string,
  part: YamlSource,
  { key, value }: Named,
): void {
  const root = whole.value as Record<string, unknown>;
  const pointer = `/${key}`;
  if (Object.hasOwn(root, key)) {
    const { keyLine = 1, file: other } = whole.origins.get(pointer) ?? {};
    const place = `${other ?? whole.name}:${keyLine}`;
    const message = `stands in ${place} too: one of both has to go`;
    whole.issues.push({ ...issueAt(part, key, message), file });
    return;
  }
  root[key] = value;
  whole.origins.move(pointer, { source: part, file, from: pointer });
}

function addRoutes(whole: WholeSource, file: string, part: YamlSource, value: unknown): void {
  const root = whole.value as Record<string, unknown>;
  root['routes'] ??= [];
  const { routes } = root;
  if (!Array.isArray(routes)) return;
  if (!Array.isArray(value)) {
    whole.issues.push({ ...issueAt(part, 'routes', 'must be a list'), file });
    return;
  }
  value.forEach((route, index) => {
    const [from, to] = [childPointer('/routes', index), childPointer('/routes', routes.length)];
    routes.push(route);
    whole.origins.move(to, { source: part, file, from });
  });
}

interface Named {
  readonly key: string;
  readonly value: unknown;
}

function addNamed(whole: WholeSource, file: string, part: YamlSource, { key, value }: Named): void {
  const root = whole.value as Record<string, unknown>;
  root[key] ??= {};
  const known = root[key];
  if (!isObject(known)) return;
  if (!isObject(value)) {
    whole.issues.push({ ...issueAt(part, key, 'must be a map'), file });
    return;
  }
  for (const [name, content] of Object.entries(value)) {
    const pointer = childPointer(`/${key}`, name);
    if (Object.hasOwn(known, name)) {
      const { keyLine = 1, file: other } = whole.origins.get(pointer) ?? {};
      const place = `${other ?? whole.name}:${keyLine}`;
      const message = `${JSON.stringify(name)} is named in another file too: ${place}`;
      whole.issues.push({ ...issueAt(part, `${key}/${name}`, message), file });
      continue;
    }
    const writable = { value: content, enumerable: true, writable: true, configurable: true };
    Object.defineProperty(known, name, writable);
    whole.origins.move(pointer, { source: part, file, from: pointer });
  }
}

function issueAt(source: YamlSource, path: string, message: string): ConfigIssue {
  const place = source.places.get(path === '' ? '' : `/${path}`);
  const { keyLine: line = 1, keyColumn: column = 1 } = place ?? {};
  return { path: path.replace('/', '.'), line, column, message };
}

function patternsIn(value: unknown): readonly string[] | null {
  const list: unknown = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(list)) return null;
  return list.every((one) => typeof one === 'string' && one !== '') ? list : null;
}

/** Files by their patterns, in order; a name without a star that is not there is missing. */
function filesOf(
  patterns: readonly string[],
  folder: string,
): { readonly files: readonly string[]; readonly missing: readonly string[] } {
  const files = new Set<string>();
  const missing: string[] = [];
  for (const pattern of patterns) {
    const found = expand(pattern, folder);
    for (const file of found) files.add(file);
    if (found.length === 0 && !pattern.includes('*')) missing.push(pattern);
  }
  return { files: [...files], missing };
}

function expand(pattern: string, folder: string): string[] {
  const isAbsolute = pattern.startsWith('/');
  const parts = pattern.split('/').filter((part) => part !== '');
  const start = isAbsolute ? '/' : resolve(folder);
  let found = [start];
  for (const part of parts) found = found.flatMap((parent) => step(parent, part));
  return found.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
}

function step(parent: string, part: string): string[] {
  if (!part.includes('*')) return [resolve(parent, part)];
  const words = part.split('*').map((word) => word.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const expression = new RegExp(`^${words.join('[^/]*')}$`);
  const isFolder = statSync(parent, { throwIfNoEntry: false })?.isDirectory() === true;
  const names = isFolder ? readdirSync(parent).sort() : [];
  // As a shell does: a star is not the dot of a hidden file.
  return names
    .filter((name) => expression.test(name) && (!name.startsWith('.') || part.startsWith('.')))
    .map((name) => resolve(parent, name));
}

/** Tells when a file that is included has changed, was added or is gone. */
export class IncludedFiles {
  private mainStamp = '';
  private patterns: readonly string[] = [];

  constructor(private readonly file: string) {}

  /**
   * Changes with every change of the included files. `mainStamp`: that of the main file. Never
   * throws: that a folder cannot be looked at is a state of the files as well.
   */
  stamp(mainStamp: string): string {
    if (mainStamp !== this.mainStamp) {
      this.mainStamp = mainStamp;
      this.patterns = this.readPatterns();
    }
    if (this.patterns.length === 0) return mainStamp;
    try {
      const { files } = filesOf(this.patterns, folderOf(this.file));
      return [mainStamp, ...files.map((file) => `${file} ${stampOfFile(file)}`)].join('\n');
    } catch (error) {
      return `${mainStamp}\n${stampOfError(error)}`;
    }
  }

  private readPatterns(): readonly string[] {
    try {
      return patternsIn(includeOf(textOfFile(this.file))) ?? [];
    } catch {
      // Loading the file says what is wrong with it.
      return [];
    }
  }
}

/**
 * The text is not parsed as a whole, since it may be large: only the lines of the key are. JSON has
 * no such lines; it is parsed where the key may be in it.
 */
function includeOf(text: string): unknown {
  if (text.trimStart().startsWith('{')) {
    if (!IN_BRACES.test(text)) return undefined;
    return (parseBraces(text) as Record<string, unknown>)[KEY];
  }
  const lines = text.split('\n');
  const first = lines.findIndex((line) => /^["']?include["']?\s*:/.test(line));
  if (first === -1) return undefined;
  const next = lines.findIndex((line, at) => at > first && /^[^\s#-]/.test(line));
  const own = lines.slice(first, next === -1 ? undefined : next).join('\n');
  return (yamlLibrary().parse(own) as Record<string, unknown>)[KEY];
}

/** JSON, which takes a hundredth of the time, or what else YAML writes in braces. */
function parseBraces(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return yamlLibrary().parse(text);
  }
}
