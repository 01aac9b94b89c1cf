/**
 * Finds the route of a request.
 *
 * Thread: any (pure). route-table-writer.ts writes the table once, and this class only reads it;
 * threads share it. What a lookup found beside the index stays in fields until the next lookup.
 *
 * A path is matched segment by segment, and at each place the alternatives are tried in this order:
 * fixed text, a part of a segment, a parameter, an expression for the whole path, a star. An
 * alternative that leads nowhere is dropped for the next. Routes of one host and path are
 * distinguished by method, priority and conditions.
 */
import { hostName } from './host-name.js';
import {
  type ConditionCheck,
  compileConditions,
  type LinearMatcher,
  type MatcherFactory,
  wholeText,
} from './match-conditions.js';
import { MethodPlaces, NO_METHOD } from './method-places.js';
import type { SegmentPart } from './path-pattern.js';
import type { MatchCondition, RoutedRequest } from './route-pattern.js';
import {
  EDGE_CHILD,
  EDGE_HASH,
  EDGE_LABEL,
  EDGE_LABEL_BYTES,
  EDGE_NODE,
  EDGE_WORDS,
  ENTRY_CONDITIONS,
  ENTRY_INDEX,
  ENTRY_NAMES,
  ENTRY_VERSIONS,
  HEADER_EDGE_MASK,
  HEADER_EDGES,
  HEADER_HAS_HOSTS,
  HEADER_HAS_STAR_HOSTS,
  HEADER_HOST_MASK,
  HEADER_HOSTS,
  HEADER_METHODS,
  HEADER_NAMES,
  HEADER_ROOT,
  HOST_HASH,
  HOST_NAME,
  HOST_NAME_BYTES,
  HOST_ROOT,
  HOST_WORDS,
  hashEnd,
  hashSeed,
  hashStep,
  hashText,
  METHOD_NOT_ALLOWED,
  NODE_EXPRESSIONS,
  NODE_HAS_EDGES,
  NODE_LEAF,
  NODE_PARAM,
  NODE_PARTIALS,
  NODE_STAR,
  PAIR_WORDS,
  ROUTE_NOT_FOUND,
} from './route-table-layout.js';
import type { RouteTableMemory } from './route-table-writer.js';
import { compileSegment, type SegmentMatcher } from './segment-matcher.js';

export { METHOD_NOT_ALLOWED, ROUTE_NOT_FOUND } from './route-table-layout.js';

/** Path parameters by name; `*` holds what a star matched. Encoded characters are decoded. */
export type PathParams = Readonly<Record<string, string | undefined>>;

const NO_PARAMS: PathParams = Object.freeze({});
const SLASH = 47;
/** An object without a prototype, since a parameter may have any name. */
class Params {
  [name: string]: string;
}
Object.setPrototypeOf(Params.prototype, null);
Reflect.deleteProperty(Params.prototype, 'constructor');

/** No pattern has more parameters. */
const CAPTURES_MAX = 1024;

/** For tests, and for routes without hosts and conditions. */
const ANY_REQUEST: RoutedRequest = { host: '', valuesOf: () => [] };

/** Stands for a method's place: asks whether the path is taken at all. */
const ANY_METHOD = -2;

export class RouteTable {
  private readonly words: Int32Array;
  private readonly text: Uint8Array;
  private readonly root: number;
  private readonly edges: number;
  private readonly edgeMask: number;
  private readonly hasHosts: boolean;
  /** Beginning and end of each parameter of the lookup, in turn. */
  private readonly captures = new Int32Array(CAPTURES_MAX * 2);
  private captureCount = 0;
  private readonly onCapture = (from: number, to: number): void => this.capture(from, to);
  private path = '';
  private hasEscapes = false;
  private place = 0;
  private readonly methods: MethodPlaces;
  /** 1 at the places of methods about which no leaf of this lookup has decided. */
  private readonly undecided: Uint8Array;
  private request: RoutedRequest = ANY_REQUEST;
  /** The entry of the last find(). */
  private entry = 0;
  /** Roots of the last host, the most exact root first. */
  private roots: readonly number[];
  private rootsHost = '';

  // Texts of the table that were compiled at their first use, by their refs.
  private readonly names: (readonly string[] | undefined)[] = [];
  private readonly conditions = new Map<number, ConditionCheck>();
  private readonly versionMaps = new Map<number, ReadonlyMap<string, number>>();
  private readonly segments = new Map<number, SegmentMatcher>();
  private readonly expressions = new Map<number, LinearMatcher>();

  /** `compile` is called for expressions only, at their first use. */
  constructor(
    { words, text }: RouteTableMemory,
    private readonly compile: MatcherFactory,
  ) {
    this.words = words;
    this.text = text;
    this.root = this.word(HEADER_ROOT);
    this.edges = this.word(HEADER_EDGES);
    this.edgeMask = this.word(HEADER_EDGE_MASK);
    this.hasHosts = this.word(HEADER_HAS_HOSTS) === 1;
    this.roots = [this.root];
    this.methods = new MethodPlaces(this.json(this.word(HEADER_METHODS)) as string[]);
    this.undecided = new Uint8Array(this.methods.count);
  }

  /**
   * The index of the route, ROUTE_NOT_FOUND or METHOD_NOT_ALLOWED. `path` is normalised. Hot path,
   * watched by bench/micro/routing/route-table: once for every request.
   */
  find(method: string, path: string, request: RoutedRequest = ANY_REQUEST): number {
    this.begin(path, request);
    const found = this.findFor(this.methods.placeOf(method));
    if (found !== ROUTE_NOT_FOUND) return found;
    this.undecided.fill(1);
    return this.findFor(ANY_METHOD) === ROUTE_NOT_FOUND ? ROUTE_NOT_FOUND : METHOD_NOT_ALLOWED;
  }

  /** The methods that some route takes for this path. */
  allowedMethods(path: string, request: RoutedRequest = ANY_REQUEST): string[] {
    this.begin(path, request);
    return this.methods.names.filter((_, place) => this.findFor(place) >= 0);
  }

  /** Result of the last find(), which found a route. */
  get params(): PathParams {
    if (this.captureCount === 0) return NO_PARAMS;
    const names = this.namesOf(this.word(this.entry + ENTRY_NAMES));
    const params = new Params();
    for (let at = 0; at < this.captureCount; at += 1) {
      params[names[at] ?? ''] = this.captured(at);
    }
    return params;
  }

  /**
   * Result of the last find(): the routes of the path by version; null: the path has no versions.
   */
  get versions(): ReadonlyMap<string, number> | null {
    const ref = this.word(this.entry + ENTRY_VERSIONS);
    if (ref === 0) return null;
    let versions = this.versionMaps.get(ref);
    if (versions === undefined) {
      versions = new Map(this.json(ref) as [string, number][]);
      this.versionMaps.set(ref, versions);
    }
    return versions;
  }

  private begin(path: string, request: RoutedRequest): void {
    this.hasEscapes = path.includes('%');
    this.path = this.hasEscapes ? decodeDelimiters(path) : path;
    this.request = request;
    if (this.hasHosts) this.useHost(request.host);
  }

  private findFor(place: number): number {
    if (place === NO_METHOD) return ROUTE_NOT_FOUND;
    this.place = place;
    for (const root of this.roots) {
      this.captureCount = 0;
      const found = this.walk(root, 1);
      if (found !== ROUTE_NOT_FOUND) return found;
    }
    return ROUTE_NOT_FOUND;
  }

  /** Continues below a node with the segment that begins at `from`. */
  private walk(node: number, from: number): number {
    const { path } = this;
    const length = path.length;
    let to = from;
    let hash = hashSeed(node);
    for (; to < length; to += 1) {
      const code = path.charCodeAt(to);
      if (code === SLASH) break;
      hash = hashStep(hash, code);
    }
    if (this.word(node + NODE_HAS_EDGES) !== 0) {
      const child = this.childOf(node, hashEnd(hash), from, to);
      const found = child === 0 ? ROUTE_NOT_FOUND : this.enter(child, to);
      if (found !== ROUTE_NOT_FOUND) return found;
    }
    const isTaken = to > from && this.isDecodable(from, to);
    const partials = this.word(node + NODE_PARTIALS);
    if (partials !== 0 && isTaken) {
      const found = this.tryPartials(partials, from, to);
      if (found !== ROUTE_NOT_FOUND) return found;
    }
    const param = this.word(node + NODE_PARAM);
    if (param !== 0 && isTaken) {
      this.capture(from, to);
      const found = this.enter(param, to);
      if (found !== ROUTE_NOT_FOUND) return found;
      this.captureCount -= 1;
    }
    const expressions = this.word(node + NODE_EXPRESSIONS);
    if (expressions !== 0) {
      const found = this.tryExpressions(expressions);
      if (found !== ROUTE_NOT_FOUND) return found;
    }
    const star = this.word(node + NODE_STAR);
    if (star === 0) return ROUTE_NOT_FOUND;
    this.capture(from, length);
    const found = this.take(star);
    if (found === ROUTE_NOT_FOUND) this.captureCount -= 1;
    return found;
  }

  /** Continues behind the segment that ends at `to` and has led to this node. */
  private enter(node: number, to: number): number {
    if (to < this.path.length) return this.walk(node, to + 1);
    const leaf = this.word(node + NODE_LEAF);
    return leaf === 0 ? ROUTE_NOT_FOUND : this.take(leaf);
  }

  private childOf(node: number, hash: number, from: number, to: number): number {
    const { words, edgeMask } = this;
    for (let slot = hash & edgeMask; ; slot = (slot + 1) & edgeMask) {
      const at = this.edges + slot * EDGE_WORDS;
      const child = words[at + EDGE_CHILD] as number;
      if (child === 0) return 0;
      if (words[at + EDGE_HASH] !== hash || words[at + EDGE_NODE] !== node) continue;
      if (words[at + EDGE_LABEL_BYTES] !== to - from) continue;
      if (this.isText(words[at + EDGE_LABEL] as number, this.path, from, to)) return child;
    }
  }

  private isText(label: number, path: string, from: number, to: number): boolean {
    const { text } = this;
    for (let at = from, byte = label; at < to; at += 1, byte += 1) {
      if (text[byte] !== path.charCodeAt(at)) return false;
    }
    return true;
  }

  private tryPartials(list: number, from: number, to: number): number {
    const end = list + 1 + this.word(list) * PAIR_WORDS;
    const before = this.captureCount;
    for (let at = list + 1; at < end; at += PAIR_WORDS) {
      const matches = this.segmentOf(this.word(at));
      if (matches(this.path, from, to, this.onCapture)) {
        const found = this.enter(this.word(at + 1), to);
        if (found !== ROUTE_NOT_FOUND) return found;
      }
      this.captureCount = before;
    }
    return ROUTE_NOT_FOUND;
  }

  private tryExpressions(list: number): number {
    const end = list + 1 + this.word(list) * PAIR_WORDS;
    const before = this.captureCount;
    this.captureCount = 0;
    for (let at = list + 1; at < end; at += PAIR_WORDS) {
      if (!this.expressionOf(this.word(at)).test(this.path)) continue;
      const found = this.take(this.word(at + 1));
      if (found !== ROUTE_NOT_FOUND) return found;
    }
    this.captureCount = before;
    return ROUTE_NOT_FOUND;
  }

  /** The first entry of the leaf that takes the method and whose conditions hold. */
  private take(leaf: number): number {
    return this.place === ANY_METHOD ? this.takeAny(leaf) : this.takeFor(leaf, this.place);
  }

  /** Whether this leaf takes some method about which no leaf before has decided. */
  private takeAny(leaf: number): number {
    const { undecided } = this;
    for (let place = 0; place < undecided.length; place += 1) {
      if (undecided[place] === 0) continue;
      const found = this.takeFor(leaf, place);
      if (found >= 0) return found;
      if (found === METHOD_NOT_ALLOWED) undecided[place] = 0;
    }
    return ROUTE_NOT_FOUND;
  }

  private takeFor(leaf: number, place: number): number {
    const list = this.word(leaf + place);
    if (list === 0) return ROUTE_NOT_FOUND;
    const count = this.word(list);
    for (let at = 1; at <= count; at += 1) {
      const entry = this.word(list + at);
      const conditions = this.word(entry + ENTRY_CONDITIONS);
      if (conditions !== 0 && !this.conditionsOf(conditions)(this.request)) continue;
      this.entry = entry;
      return this.word(entry + ENTRY_INDEX);
    }
    return ROUTE_NOT_FOUND;
  }

  private capture(from: number, to: number): void {
    this.captures[this.captureCount * 2] = from;
    this.captures[this.captureCount * 2 + 1] = to;
    this.captureCount += 1;
  }

  private captured(at: number): string {
    const raw = this.path.slice(this.captures[at * 2], this.captures[at * 2 + 1]);
    return this.hasEscapes ? (decoded(raw) ?? raw) : raw;
  }

  /** A parameter is decoded to text; a star takes bytes that are not UTF-8 as they are. */
  private isDecodable(from: number, to: number): boolean {
    return !this.hasEscapes || decoded(this.path.slice(from, to)) !== null;
  }

  private useHost(authority: string): void {
    if (authority === this.rootsHost) return;
    this.rootsHost = authority;
    this.roots = this.rootsOf(hostName(authority));
  }

  /**
   * The roots for a host: the name itself, then stars from the longest, then the root for every
   * host.
   */
  private rootsOf(name: string): number[] {
    const roots = name === '' ? [] : [this.rootOf(name)];
    if (this.word(HEADER_HAS_STAR_HOSTS) === 1) {
      for (let dot = name.indexOf('.', 1); dot !== -1; dot = name.indexOf('.', dot + 1)) {
        roots.push(this.rootOf(name.slice(dot)));
      }
    }
    return [...roots.filter((root) => root !== 0), this.root];
  }

  private rootOf(name: string): number {
    const hash = hashText(hashSeed(0), name);
    const hosts = this.word(HEADER_HOSTS);
    const mask = this.word(HEADER_HOST_MASK);
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const at = hosts + slot * HOST_WORDS;
      const root = this.word(at + HOST_ROOT);
      if (root === 0) return 0;
      if (this.word(at + HOST_HASH) !== hash) continue;
      if (this.word(at + HOST_NAME_BYTES) !== name.length) continue;
      if (this.isText(this.word(at + HOST_NAME), name, 0, name.length)) return root;
    }
  }

  private namesOf(list: number): readonly string[] {
    let names = this.names[list];
    if (names === undefined) {
      names = this.json(this.word(this.word(HEADER_NAMES) + list)) as string[];
      this.names[list] = names;
    }
    return names;
  }

  private conditionsOf(ref: number): ConditionCheck {
    let check = this.conditions.get(ref);
    if (check === undefined) {
      check = compileConditions(this.json(ref) as MatchCondition[], this.compile);
      this.conditions.set(ref, check);
    }
    return check;
  }

  private segmentOf(ref: number): SegmentMatcher {
    let matcher = this.segments.get(ref);
    if (matcher === undefined) {
      matcher = compileSegment(this.json(ref) as SegmentPart[], this.compile);
      this.segments.set(ref, matcher);
    }
    return matcher;
  }

  private expressionOf(ref: number): LinearMatcher {
    let matcher = this.expressions.get(ref);
    if (matcher === undefined) {
      matcher = this.compile(wholeText(this.json(ref) as string));
      this.expressions.set(ref, matcher);
    }
    return matcher;
  }

  private json(ref: number): unknown {
    const at = this.word(ref);
    // A copy, since a decoder does not read memory that threads share.
    return JSON.parse(new TextDecoder().decode(this.text.slice(at, at + this.word(ref + 1))));
  }

  private word(at: number): number {
    return this.words[at] as number;
  }
}

/**
 * Decodes the delimiters that a pattern may hold as they are. Targets read `%24` as `$`, so a rule
 * about `/a$b` must hold for both spellings; the target still gets the path as the client sent it.
 */
function decodeDelimiters(path: string): string {
  return path.replace(/%(?:21|24|26|27|28|29|2A|2B|2C|3A|3B|3D|40)/g, (hex) =>
    String.fromCharCode(Number.parseInt(hex.slice(1), 16)),
  );
}

/** null: the bytes are not UTF-8. */
function decoded(text: string): string | null {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
