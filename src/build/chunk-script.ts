/**
 * Makes a script of a chunk that the bundler has written as a module. Only of scripts can V8 be
 * given code that it has compiled before (Node 20), and they are loaded without a turn of the event
 * loop for each.
 *
 * Thread: any (pure), in the process of the build.
 * Invariant: what a chunk exports is never assigned again once the chunk has run, so that importers
 * may have copies.
 */
import { parseAst } from 'rolldown/parseAst';
import { defined } from '../base/assert.js';

/** Packages that only `import` loads, which has to be awaited. */
export type NeedsOfChunk = (chunk: string) => readonly string[];

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

interface Named extends Node {
  readonly name: string;
}

interface Specifier extends Node {
  readonly local: Named;
  readonly imported?: Named;
  readonly exported?: Named;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** What a module imports at once: other chunks by `./` and their names, and packages. */
export function importsOf(code: string): string[] {
  const body: readonly Node[] = parseAst(code).body;
  return body
    .filter((node) => sourceOf(node) !== null)
    .map((node) => defined(sourceOf(node), 'what is imported'));
}

/**
 * @param isModule whether a package is loaded by `import` only.
 * @param needsOf such packages that a chunk needs at once, by itself or by what it imports.
 * @throws Error for a form of module that the bundler does not write.
 */
export function scriptOf(
  code: string,
  isModule: (id: string) => boolean,
  needsOf: NeedsOfChunk,
): string {
  const edits: Edit[] = [];
  /** By the name inside of the chunk. */
  const exported = new Map<string, string>();
  const passedOn: string[] = [];
  const body: readonly Node[] = parseAst(code).body;
  for (const node of body) {
    if (node.type === 'ImportDeclaration') {
      edits.push({ ...rangeOf(node), text: loading(node, isModule) });
    } else if (node.type.startsWith('Export')) {
      const source = sourceOf(node);
      for (const { local, exported: as } of exportsOf(node)) {
        if (source === null) exported.set(local.name, nameOf(as));
        else passedOn.push(`${nameOf(as)}: ${loadOf(source)}.${nameOf(local)}`);
      }
      edits.push({ ...rangeOf(node), text: '' });
    }
  }
  let isAsync = false;
  walk(body, false, (node, isInFunction) => {
    if (node.type === 'AwaitExpression' && !isInFunction) isAsync = true;
    else if (node.type === 'MetaProperty' && code.startsWith('import', node.start)) {
      edits.push({ ...rangeOf(node), text: '$meta' });
    } else if (node.type === 'ImportExpression') edits.push(...laterImport(code, node, needsOf));
    else refuseChange(node, exported);
  });
  const names = [...Array.from(exported, ([local, as]) => `${as}: ${local}`), ...passedOn];
  const head = `(${isAsync ? 'async ' : ''}function ($load, $import, $meta) { 'use strict';\n`;
  return `${head}${edited(withoutHashbang(code), edits)}\nreturn { ${names.join(', ')} };\n})\n`;
}

function withoutHashbang(code: string): string {
  return code.startsWith('#!') ? `//${code.slice(2)}` : code;
}

function rangeOf({ start, end }: Node): { readonly start: number; readonly end: number } {
  return { start, end };
}

function edited(code: string, edits: readonly Edit[]): string {
  let text = '';
  let at = 0;
  for (const edit of [...edits].sort((one, other) => one.start - other.start)) {
    text += code.slice(at, edit.start) + edit.text;
    at = edit.end;
  }
  return text + code.slice(at);
}

/** What a statement imports from, or passes on; null: nothing. */
function sourceOf(node: Node): string | null {
  if (!/^(?:Import|Export\w*)Declaration$/.test(node.type)) return null;
  return (
    (node as Node & { readonly source?: { readonly value: string } | null }).source?.value ?? null
  );
}

function loadOf(id: string): string {
  return `$load(${JSON.stringify(id)})`;
}

function nameOf(name: Named | undefined): string {
  if (name?.type !== 'Identifier') throw new Error('a name that is no identifier');
  return name.name;
}

function loading(node: Node, isModule: (id: string) => boolean): string {
  const id = defined(sourceOf(node), 'what is imported');
  const call = loadOf(id);
  const lines: string[] = [];
  const named: string[] = [];
  for (const one of (node as Node & { readonly specifiers: readonly Specifier[] }).specifiers) {
    if (one.type === 'ImportDefaultSpecifier') {
      // What a package exports that is no module is its default.
      lines.push(`const ${one.local.name} = ${call}${isModule(id) ? '.default' : ''};`);
    } else if (one.type === 'ImportNamespaceSpecifier') {
      lines.push(`const ${one.local.name} = ${call};`);
    } else {
      const name = nameOf(one.imported);
      named.push(name === one.local.name ? name : `${name}: ${one.local.name}`);
    }
  }
  if (named.length > 0) lines.push(`const { ${named.join(', ')} } = ${call};`);
  return lines.length === 0 ? `${call};` : lines.join(' ');
}

function exportsOf(node: Node): readonly Specifier[] {
  const { declaration, specifiers } = node as Node & {
    readonly declaration?: Node | null;
    readonly specifiers?: readonly Specifier[];
  };
  if (node.type !== 'ExportNamedDeclaration' || declaration != null) {
    throw new Error(`an export of another form than "export { … }": ${node.type}`);
  }
  return specifiers ?? [];
}

function laterImport(code: string, node: Node, needsOf: NeedsOfChunk): Edit[] {
  const { source } = node as Node & { readonly source: Node & { readonly value?: unknown } };
  const { value } = source;
  const needs = typeof value === 'string' && value.startsWith('./') ? needsOf(value) : [];
  const call = { start: node.start, end: source.start, text: '$import(' };
  if (!code.startsWith('import(', node.start)) throw new Error('an import of another form');
  if (needs.length === 0) return [call];
  return [call, { start: source.end, end: source.end, text: `, ${JSON.stringify(needs)}` }];
}

function refuseChange(node: Node, exported: ReadonlyMap<string, string>): void {
  const { left, argument } = node as Node & { readonly left?: Node; readonly argument?: Node };
  const target =
    node.type === 'AssignmentExpression'
      ? left
      : node.type === 'UpdateExpression'
        ? argument
        : undefined;
  if (target?.type !== 'Identifier') return;
  const { name } = target as Named;
  if (exported.has(name)) throw new Error(`"${name}" is exported and assigned later`);
}

const FUNCTIONS = /^(?:FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/;

function walk(
  tree: unknown,
  isInFunction: boolean,
  visit: (node: Node, isInFunction: boolean) => void,
): void {
  if (typeof tree !== 'object' || tree === null) return;
  if (Array.isArray(tree)) {
    for (const one of tree) walk(one, isInFunction, visit);
    return;
  }
  const { type } = tree as Partial<Node>;
  if (type !== undefined) visit(tree as Node, isInFunction);
  const isInside = isInFunction || (type !== undefined && FUNCTIONS.test(type));
  for (const child of Object.values(tree)) walk(child, isInside, visit);
}
