/**
 * Reads YAML (and JSON, which is YAML) into plain data, and remembers where each value stood.
 *
 * Thread: any (pure). Input is hostile until shown otherwise: nesting, aliases and the number of
 * values are bounded before they cost anything, and no message quotes the text.
 *
 * The usual forms of YAML are read by plain-yaml.ts, in a fraction of the time; the full reader
 * here has the rest, every mistake, and the places: those are found when somebody asks for one.
 */
import type { Composer, CST, Document, LineCounter, Node, YAMLError, YAMLMap, YAMLSeq } from 'yaml';
import { childPointer, displayPath, pointerOf } from '../../base/json-pointer.js';
import type { ConfigIssue } from '../check/config-error.js';
import { yamlLibrary } from '../references/yaml-library.js';
import { NOT_PLAIN, readPlainYaml } from './plain-yaml.js';
import { syntaxReason } from './syntax-reasons.js';
import { type Environment, substituteVariables } from './variables.js';

/** Deeper than any configuration; the YAML composer recurses, and the stack is finite. */
const NESTING_DEPTH_MAX = 64;
const TOO_DEEP = `nested more than ${NESTING_DEPTH_MAX} levels deep`;
/** Aliases that one file may use: one for each of ten thousand routes. */
const ALIAS_COUNT_MAX = 10_000;
/** Values that one file may hold, repeated ones counted each time. */
const VALUE_COUNT_MAX = 500_000;
/** An alias, or what was meant as a text: `hosts: [*.example.com]`. */
const NO_ANCHOR = 'the alias has no anchor before it; quote a text that begins with "*"';
/** The key whose value is a map, or a list of maps, whose keys a map takes over (YAML 1.1). */
const MERGE_KEY = '<<';

/**
 * One mistake in the syntax often causes many others: one for each line is reported, up to this
 * number.
 */
const SYNTAX_ISSUES_MAX = 20;

/** Where one value stands in the file. */
export interface ValuePlace {
  readonly line: number;
  readonly column: number;
  /** Place of its key; for list items and the root, the place of the value. */
  readonly keyLine: number;
  readonly keyColumn: number;
  /** The file, if it is not the main one. */
  readonly file: string | undefined;
  /** The same place, in a file that the main one includes. */
  inFile(file: string): ValuePlace;
}

/** The variable that a value came out of. */
export interface ValueVariable {
  readonly name: string;
  /** The value is that variable and nothing else, so its type is still open. */
  readonly isWhole: boolean;
}

export interface ValuePlaces {
  /** By JSON Pointer. */
  get(pointer: string): ValuePlace | undefined;
}

/**
 * Keeps offsets, and finds lines when it is asked: a file has hundreds of thousands of values, and
 * few of them are ever told of.
 */
class NodePlace implements ValuePlace {
  file: string | undefined = undefined;

  constructor(
    private readonly lines: LineCounter,
    private readonly offset: number,
    private readonly keyOffset: number,
  ) {}

  get line(): number {
    return this.find(this.offset).line;
  }

  get column(): number {
    return this.find(this.offset).column;
  }

  get keyLine(): number {
    return this.find(this.keyOffset).line;
  }

  get keyColumn(): number {
    return this.find(this.keyOffset).column;
  }

  inFile(file: string): NodePlace {
    const place = new NodePlace(this.lines, this.offset, this.keyOffset);
    place.file = file;
    return place;
  }

  private find(offset: number): { line: number; column: number } {
    const { line, col } = this.lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

/** A parsed file. */
export interface YamlSource {
  /** Plain data; undefined when the text is no YAML. */
  readonly value: unknown;
  readonly places: ValuePlaces;
  /** By JSON Pointer. */
  readonly variables: ReadonlyMap<string, ValueVariable>;
  /** Syntax errors, duplicate keys, missing variables. */
  readonly issues: readonly ConfigIssue[];
  /** Pointers of values that have an issue here: what else is wrong with them is noise. */
  readonly broken: ReadonlySet<string>;
}

/** Parses the text of a configuration file. */
export function readYaml(text: string, environment: Environment): YamlSource {
  const bounds = { depthMax: NESTING_DEPTH_MAX, valuesMax: VALUE_COUNT_MAX };
  const plain = readPlainYaml(text, bounds);
  if (plain === NOT_PLAIN) return readWhole(text, environment);
  const filler = new VariableFiller(environment);
  const value = text.includes('${') ? filler.fill(plain) : plain;
  if (filler.hasProblems) return readWhole(text, environment);
  const { variables } = filler;
  const places = placesWhenAsked(() => readWhole(text, environment).places);
  return { value, places, variables, issues: [], broken: new Set() };
}

function placesWhenAsked(find: () => ValuePlaces): ValuePlaces {
  let known: ValuePlaces | null = null;
  return {
    get(pointer) {
      known ??= find();
      return known.get(pointer);
    },
  };
}

/** Puts variables into the strings of plain data, in place. */
class VariableFiller {
  readonly variables = new Map<string, ValueVariable>();
  hasProblems = false;
  private readonly path: (string | number)[] = [];

  constructor(private readonly environment: Environment) {}

  fill(value: unknown): unknown {
    if (typeof value === 'string') return value.includes('${') ? this.substitute(value) : value;
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) value[index] = this.fillAt(index, item);
    } else {
      const map = value as Record<string, unknown>;
      for (const key of Object.keys(map)) map[key] = this.fillAt(key, map[key]);
    }
    return value;
  }

  private fillAt(key: string | number, value: unknown): unknown {
    this.path.push(key);
    const filled = this.fill(value);
    this.path.pop();
    return filled;
  }

  private substitute(scalar: string): string {
    const { text, variable, isWhole, problems } = substituteVariables(scalar, this.environment);
    if (problems.length > 0) this.hasProblems = true;
    const pointer = pointerOf(...this.path);
    if (variable !== undefined) this.variables.set(pointer, { name: variable, isWhole });
    return text;
  }
}

/** Reads all of YAML, and where everything stands. */
function readWhole(text: string, environment: Environment): YamlSource {
  const { LineCounter, Parser } = yamlLibrary();
  const lines = new LineCounter();
  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  if (nestingDepth(tokens) > NESTING_DEPTH_MAX) {
    return failedSource([issueAt(1, 1, TOO_DEEP)]);
  }
  const documents = [...createComposer().compose(tokens, true, text.length)];
  const document = documents[0];
  if (document === undefined) return failedSource([issueAt(1, 1, 'the file is empty')]);
  const syntaxIssues = withoutFollowers([...document.errors, ...document.warnings]).map((error) =>
    syntaxIssue(error, { text, lines }),
  );
  const second = documents[1];
  if (second !== undefined) {
    const { line, col } = lines.linePos(second.range[0]);
    syntaxIssues.push(issueAt(line, col, 'a configuration file holds one YAML document'));
  }
  if (syntaxIssues.length > 0) return failedSource(firstOfEachLine(syntaxIssues));
  return new DocumentReader(document, { lines, environment }).read();
}

function createComposer(): Composer {
  const { Composer } = yamlLibrary();
  return new Composer({
    version: '1.2',
    // The file may not choose another schema or invent types.
    schema: 'core',
    resolveKnownTags: false,
    stringKeys: true,
    strict: true,
    // Ours names the key.
    uniqueKeys: false,
    // The library's messages would quote the line, and with it what may be a secret.
    prettyErrors: false,
  });
}

function failedSource(issues: readonly ConfigIssue[]): YamlSource {
  return {
    value: undefined,
    places: new Map<string, ValuePlace>(),
    variables: new Map(),
    issues,
    broken: new Set(),
  };
}

function issueAt(line: number, column: number, message: string): ConfigIssue {
  return { path: '', line, column, message };
}

/** Depth of the token tree, found without recursion. */
function nestingDepth(tokens: readonly CST.Token[]): number {
  let deepest = 0;
  const pending: { token: CST.Token; depth: number }[] = [];
  for (const token of tokens) pending.push({ token, depth: 0 });
  for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
    const depth = entry.depth + 1;
    deepest = Math.max(deepest, depth);
    if (deepest > NESTING_DEPTH_MAX) break;
    for (const token of childTokens(entry.token)) pending.push({ token, depth });
  }
  return deepest;
}

function childTokens(token: CST.Token): CST.Token[] {
  if (token.type === 'document') return token.value === undefined ? [] : [token.value];
  if (!('items' in token)) return [];
  const children: CST.Token[] = [];
  for (const item of token.items) {
    if (item.key) children.push(item.key);
    if (item.value) children.push(item.value);
  }
  return children;
}

interface SyntaxContext {
  readonly text: string;
  readonly lines: LineCounter;
}

function syntaxIssue(error: YAMLError, context: SyntaxContext): ConfigIssue {
  const { line, col } = context.lines.linePos(error.pos[0]);
  const reason = syntaxReason(error);
  const start = context.lines.lineStarts[line - 1] ?? 0;
  const lineText = context.text.slice(start, context.lines.lineStarts[line]);
  const hint = lineText.includes('${') ? `; inside { } and [ ] quote variables: "\${NAME}"` : '';
  const language = context.text.trimStart().startsWith('{') ? 'JSON' : 'YAML';
  const message = `not valid ${language}: ${reason}${hint}`;
  return issueAt(Math.max(line, 1), Math.max(col, 1), message);
}

/** Once the reader is lost, everything that follows is unexpected to it. */
function withoutFollowers(errors: readonly YAMLError[]): YAMLError[] {
  return errors.filter(({ message }, at) => at === 0 || !message.includes(' token in YAML stream'));
}

function firstOfEachLine(issues: readonly ConfigIssue[]): ConfigIssue[] {
  const lines = new Set<number>();
  const first = issues.filter(({ line }) => !lines.has(line) && lines.add(line));
  return first.slice(0, SYNTAX_ISSUES_MAX);
}

interface ReaderContext {
  readonly lines: LineCounter;
  readonly environment: Environment;
}

/** Thrown to leave the walk when a bound is passed; never leaves this file. */
class BoundPassed extends Error {
  readonly node: Node;

  constructor(node: Node, message: string) {
    super(message);
    this.node = node;
  }
}

/** Walks one document and builds the plain data. */
class DocumentReader {
  private readonly yaml = yamlLibrary();
  private readonly document: Document.Parsed;
  private readonly lines: LineCounter;
  private readonly environment: Environment;
  private readonly places = new Map<string, NodePlace>();
  private readonly variables = new Map<string, ValueVariable>();
  private readonly issues: ConfigIssue[] = [];
  private readonly broken = new Set<string>();
  private readonly anchors = new Map<string, Node>();
  /** Nodes on the way from the root to the current one: an alias to one of them never ends. */
  private readonly open = new Set<Node>();
  private aliasCount = 0;
  private valueCount = 0;

  constructor(document: Document.Parsed, context: ReaderContext) {
    this.document = document;
    this.lines = context.lines;
    this.environment = context.environment;
  }

  read(): YamlSource {
    const root = this.document.contents;
    if (root === null) return failedSource([issueAt(1, 1, 'the file is empty')]);
    try {
      const value = this.readNode(root, '', root);
      const { places, variables, issues, broken } = this;
      return { value, places, variables, issues, broken };
    } catch (error) {
      if (!(error instanceof BoundPassed)) throw error;
      const { line, column } = this.placeOf(error.node);
      return failedSource([issueAt(line, column, error.message)]);
    }
  }

  private readNode(node: Node, pointer: string, key: Node): unknown {
    this.valueCount += 1;
    if (this.valueCount > VALUE_COUNT_MAX) {
      throw new BoundPassed(node, `the file holds more than ${VALUE_COUNT_MAX} values`);
    }
    if (this.yaml.isAlias(node))
      return this.readNode(this.resolveAlias(node, node.source), pointer, key);
    if ('anchor' in node && node.anchor !== undefined) this.anchors.set(node.anchor, node);
    this.remember(pointer, node, key);
    if (this.yaml.isScalar(node)) return this.readScalar(node.value, pointer);
    this.enter(node);
    const value = this.yaml.isMap(node)
      ? this.readMap(node, pointer)
      : this.readList(node, pointer);
    this.open.delete(node);
    return value;
  }

  private resolveAlias(alias: Node, name: string): Node {
    this.aliasCount += 1;
    if (this.aliasCount > ALIAS_COUNT_MAX) {
      throw new BoundPassed(alias, `the file uses more than ${ALIAS_COUNT_MAX} aliases`);
    }
    const target = this.anchors.get(name);
    if (target === undefined) throw new BoundPassed(alias, NO_ANCHOR);
    if (this.open.has(target)) throw new BoundPassed(alias, 'the alias contains itself');
    return target;
  }

  private readMap(map: YAMLMap, pointer: string): unknown {
    const value: Record<string, unknown> = {};
    this.readKeys(value, map, pointer, true);
    return value;
  }

  /** Adds the keys of a map to `value`, but those that another map has put there before. */
  private readKeys(
    value: Record<string, unknown>,
    map: YAMLMap,
    pointer: string,
    reportsDuplicates: boolean,
  ): void {
    const own = new Set<string>();
    const merges: Node[] = [];
    for (const { key: keyNode, value: node } of map.items as { key: Node; value: Node | null }[]) {
      const name = this.yaml.isScalar(keyNode) ? String(keyNode.value ?? '') : '';
      if (name === MERGE_KEY && this.yaml.isScalar(keyNode) && keyNode.type === 'PLAIN') {
        merges.push(node ?? keyNode);
        continue;
      }
      const isTaken = Object.hasOwn(value, name);
      if (own.has(name) && reportsDuplicates) this.reportDuplicate(keyNode, name, pointer);
      else if (isTaken) continue;
      own.add(name);
      const child = childPointer(pointer, name);
      if (node === null) this.remember(child, keyNode, keyNode);
      const content = node === null ? null : this.readNode(node, child, keyNode);
      // Defined, not assigned: a key named __proto__ is data like any other.
      const writable = { value: content, enumerable: true, writable: true, configurable: true };
      Object.defineProperty(value, name, writable);
    }
    // Behind its own keys, which win wherever they stand.
    for (const merged of merges) this.merge(value, merged, pointer);
  }

  /**
   * Takes over the keys of a map, or of each map of a list, that `value` does not have yet. What is
   * wrong with one of their values is reported where that stands.
   */
  private merge(value: Record<string, unknown>, merged: Node, pointer: string): void {
    this.valueCount += 1;
    const node = this.yaml.isAlias(merged) ? this.resolveAlias(merged, merged.source) : merged;
    if (this.yaml.isMap(node)) {
      if (node.anchor !== undefined) this.anchors.set(node.anchor, node);
      this.enter(node);
      this.readKeys(value, node, pointer, node === merged);
      this.open.delete(node);
    } else if (this.yaml.isSeq(node)) {
      this.enter(node);
      for (const item of node.items) this.merge(value, item as Node, pointer);
      this.open.delete(node);
    } else {
      const { line, column } = this.placeOf(merged);
      const message = '"<<" takes a map, or a list of maps';
      this.issues.push({ path: displayPath(pointer), line, column, message });
    }
  }

  /** Aliases may nest deeper than the text does. */
  private enter(node: Node): void {
    this.open.add(node);
    if (this.open.size > NESTING_DEPTH_MAX) throw new BoundPassed(node, TOO_DEEP);
  }

  private readList(node: Node, pointer: string): unknown {
    const items = this.yaml.isSeq(node) ? (node as YAMLSeq<Node | null>).items : [];
    return items.map((item, index) => {
      return item === null ? null : this.readNode(item, childPointer(pointer, index), item);
    });
  }

  private readScalar(scalar: unknown, pointer: string): unknown {
    if (typeof scalar !== 'string' || !scalar.includes('${')) return scalar;
    const { text, variable, isWhole, problems } = substituteVariables(scalar, this.environment);
    const place = this.places.get(pointer);
    if (place === undefined) return text;
    if (variable !== undefined) this.variables.set(pointer, { name: variable, isWhole });
    const { line, column } = place;
    for (const message of problems) {
      this.issues.push({ path: displayPath(pointer), line, column, message });
    }
    if (problems.length > 0) this.broken.add(pointer);
    return text;
  }

  private reportDuplicate(key: Node, name: string, pointer: string): void {
    const { line, column } = this.placeOf(key);
    const first = this.places.get(childPointer(pointer, name));
    const message = `duplicate key ${JSON.stringify(name)}, first in line ${first?.keyLine ?? 0}`;
    this.issues.push({ path: displayPath(pointer), line, column, message });
    // Of a section that stands twice one half is not seen: names of it would be called unknown.
    if (pointer === '') this.broken.add(pointer);
  }

  private remember(pointer: string, node: Node, key: Node): void {
    // A repeated key is reported where it repeats; places stay with the first.
    if (this.places.has(pointer)) return;
    this.places.set(pointer, new NodePlace(this.lines, startOf(node), startOf(key)));
  }

  private placeOf(node: Node): ValuePlace {
    return new NodePlace(this.lines, startOf(node), startOf(node));
  }
}

function startOf(node: Node): number {
  return node.range?.[0] ?? 0;
}
