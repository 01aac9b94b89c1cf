/**
 * The routes as a tree of segments, from which the route table is written.
 *
 * Thread: any (pure). The tree exists only while a table is made. `/prefix/*` also takes `/prefix`
 * itself, unless another route names that path. A guarded route takes `/exact/` beside `/exact` as
 * well, since most services answer to both, and closes its path for the methods that it does not
 * take: otherwise a wider route could let in what the guarded route keeps out.
 */

import { assert, defined } from '../base/assert.js';
import { literalPrefix } from './literal-prefix.js';
import { MethodPlaces } from './method-places.js';
import {
  type PatternSegment,
  paramNames,
  parsePathPattern,
  partsShape,
  type SegmentPart,
} from './path-pattern.js';
import type { RoutePattern } from './route-pattern.js';
import { METHOD_NOT_ALLOWED } from './route-table-layout.js';

/** How a route came to a path; a smaller number wins. */
const OWN_PATH = 0;
const BARE_PREFIX = 1;
const WITH_SLASH = 2;
const SHUT = 3;
type Claim = typeof OWN_PATH | typeof BARE_PREFIX | typeof WITH_SLASH | typeof SHUT;

/** What a leaf holds for a request. */
export interface TrieEntry {
  readonly index: number;
  /** JSON of the conditions; empty: none. */
  readonly conditions: string;
  readonly conditionCount: number;
  readonly priority: number;
  readonly claim: Claim;
  /** Names of the parameters, in the order of the path. */
  readonly names: readonly string[];
  /** Versions and indexes; null: the path has none. */
  readonly versions: [version: string, index: number][] | null;
}

/** By the method's place: the entries, of which the first that fits takes the request. */
export type TrieLeaf = readonly TrieEntry[][];

export interface PartialChild {
  readonly parts: readonly SegmentPart[];
  readonly node: TrieNode;
}

export interface TrieNode {
  readonly literals: Map<string, TrieNode>;
  /** By shape. */
  readonly partials: Map<string, PartialChild>;
  param: TrieNode | null;
  /** By text, in the order of the file. */
  readonly expressions: Map<string, TrieLeaf>;
  star: TrieLeaf | null;
  leaf: TrieLeaf | null;
}

/** A pattern that is being added to the tree. */
interface Placed {
  readonly pattern: RoutePattern;
  readonly claim: Claim;
  readonly index: number;
  /** Of its methods. */
  readonly places: readonly number[];
}

export class RouteTrie {
  readonly methods: MethodPlaces;
  /** By host; '' is for every host. */
  readonly roots = new Map<string, TrieNode>([['', newNode()]]);

  constructor(patterns: readonly RoutePattern[]) {
    this.methods = MethodPlaces.of(patterns.map(({ methods }) => methods));
    for (const pattern of patterns) this.place(pattern, pathOf(pattern), OWN_PATH);
    for (const pattern of patterns) {
      const bare = barePrefix(pathOf(pattern));
      if (bare !== null) this.place(pattern, bare, BARE_PREFIX);
    }
    const guarded = patterns.filter((pattern) => pattern.isGuarded === true);
    for (const pattern of guarded) {
      const path = withSlash(pathOf(pattern));
      if (path !== null) this.place(pattern, path, WITH_SLASH);
    }
    for (const pattern of guarded) this.shut(pattern);
  }

  /**
   * On the path of a guarded route no other route gets the methods that the guarded route refuses.
   */
  private shut(pattern: RoutePattern): void {
    const path = pathOf(pattern);
    for (const one of [path, barePrefix(path), withSlash(path)]) {
      if (one !== null) this.place(pattern, one, SHUT);
    }
  }

  private place(pattern: RoutePattern, path: RoutePath, claim: Claim): void {
    const isShut = claim === SHUT;
    const placed: Placed = {
      pattern,
      claim,
      index: isShut ? METHOD_NOT_ALLOWED : pattern.index,
      places: isShut ? this.methods.all : this.methods.placesOf(pattern.methods),
    };
    const { hosts = [] } = pattern;
    for (const host of hosts.length === 0 ? [''] : hosts) {
      const root = this.roots.get(host) ?? newNode();
      this.roots.set(host, root);
      const names = typeof path === 'string' ? [] : namesOf(path);
      addEntry(leafAt(root, path, this.methods.count), placed, names);
    }
  }
}

/** Segments of a pattern, or an expression for the whole path. */
type RoutePath = readonly PatternSegment[] | string;

function pathOf({ path, expression = '' }: RoutePattern): RoutePath {
  if (expression !== '') return expression;
  const parsed = parsePathPattern(path);
  assert(parsed.isValid, `the path ${path} was checked`);
  return parsed.segments;
}

function barePrefix(path: RoutePath): RoutePath | null {
  if (typeof path === 'string' || path.length < 2) return null;
  return path.at(-1)?.kind === 'wildcard' ? path.slice(0, -1) : null;
}

function withSlash(path: RoutePath): RoutePath | null {
  if (typeof path === 'string') return null;
  const last = path.at(-1);
  if (last?.kind === 'wildcard' || (last?.kind === 'literal' && last.text === '')) return null;
  return [...path, { kind: 'literal', text: '' }];
}

function namesOf(path: readonly PatternSegment[]): string[] {
  return path.flatMap((segment) => (segment.kind === 'wildcard' ? ['*'] : paramNames(segment)));
}

function newNode(): TrieNode {
  return {
    literals: new Map(),
    partials: new Map(),
    param: null,
    expressions: new Map(),
    star: null,
    leaf: null,
  };
}

function newLeaf(places: number): TrieLeaf {
  return Array.from({ length: places }, () => []);
}

function leafAt(root: TrieNode, path: RoutePath, places: number): TrieLeaf {
  if (typeof path === 'string') {
    let node = root;
    for (const text of literalPrefix(path)) node = childOf(node, { kind: 'literal', text });
    const leaf = node.expressions.get(path) ?? newLeaf(places);
    node.expressions.set(path, leaf);
    return leaf;
  }
  let node = root;
  for (const segment of path) {
    if (segment.kind === 'wildcard') {
      node.star ??= newLeaf(places);
      return node.star;
    }
    node = childOf(node, segment);
  }
  node.leaf ??= newLeaf(places);
  return node.leaf;
}

function childOf(node: TrieNode, segment: Exclude<PatternSegment, { kind: 'wildcard' }>): TrieNode {
  if (segment.kind === 'param') {
    node.param ??= newNode();
    return node.param;
  }
  if (segment.kind === 'literal') {
    const child = node.literals.get(segment.text) ?? newNode();
    node.literals.set(segment.text, child);
    return child;
  }
  const shape = partsShape(segment.parts);
  const partial = node.partials.get(shape) ?? { parts: segment.parts, node: newNode() };
  node.partials.set(shape, partial);
  return partial.node;
}

/** The first route keeps a path, unless conditions, priority or version distinguish the routes. */
function addEntry(leaf: TrieLeaf, placed: Placed, names: readonly string[]): void {
  const { pattern, claim, index } = placed;
  const { version = '', conditions = [], priority = 0 } = pattern;
  const text = conditions.length === 0 ? '' : JSON.stringify(conditions);
  for (const place of placed.places) {
    const entries = defined(leaf[place], 'the entries of a method');
    const same = entries.find((one) => one.conditions === text && one.priority === priority);
    if (same === undefined) {
      entries.push({
        index,
        conditions: text,
        conditionCount: conditions.length,
        priority,
        claim,
        names,
        versions: version === '' || claim === SHUT ? null : [[version, index]],
      });
    } else if (version !== '' && claim !== SHUT && !hasVersion(same, version)) {
      same.versions?.push([version, index]);
    }
  }
}

function hasVersion({ versions }: TrieEntry, version: string): boolean {
  return versions?.some(([one]) => one === version) ?? false;
}

/** The entries in the order in which they are tried: see docs/routing-and-filters.md. */
export function inOrder(entries: readonly TrieEntry[]): TrieEntry[] {
  return entries.toSorted(
    (one, other) =>
      one.claim - other.claim ||
      other.priority - one.priority ||
      other.conditionCount - one.conditionCount,
  );
}

/**
 * Parts with more fixed text come first, then parts with an expression, then parts with more text
 * at the start.
 */
export function partialsInOrder(children: Iterable<PartialChild>): PartialChild[] {
  return [...children].toSorted(
    (one, other) =>
      fixedChars(other.parts) - fixedChars(one.parts) ||
      Number(isConstrained(other.parts)) - Number(isConstrained(one.parts)) ||
      startChars(other.parts) - startChars(one.parts),
  );
}

function fixedChars(parts: readonly SegmentPart[]): number {
  return parts.reduce((sum, part) => sum + (typeof part === 'string' ? part.length : 0), 0);
}

function isConstrained(parts: readonly SegmentPart[]): boolean {
  return parts.some((part) => typeof part !== 'string' && part.expression !== '');
}

function startChars([first = '']: readonly SegmentPart[]): number {
  return typeof first === 'string' ? first.length : 0;
}
