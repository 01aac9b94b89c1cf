/**
 * The contract between the configuration and every filter: which keys a filter has, how they are
 * checked, and what they are compiled to.
 *
 * Thread: any (pure). A filter owns its keys alone. It sees nothing of the rest of a configuration
 * but what is handed to it here.
 */
import type { PatternSegment } from '../routing/path-pattern.js';
import type { SoundPart } from '../schema/finding.js';
import type { SchemaNode, TypeOf } from '../schema/schema-node.js';
import type { TemplateContext } from './check-template.js';
import type { Place } from './filter.js';

type Nodes = Readonly<Record<string, SchemaNode>>;

/** The content of a file that the configuration names, or why there is none. */
export type Document =
  | { readonly isValid: true; readonly value: unknown }
  | { readonly isValid: false; readonly problem: string };

export type ReadDocument = (file: string) => Document;

/** Where keys of a filter stand, and what a check of them may ask. */
export interface CheckPlace extends TemplateContext {
  /** JSON Pointer to what has the keys: a route, or '' for the whole gateway. */
  readonly pointer: string;
  /** Of the path of the route; undefined: it has a mistake, or there is no route. */
  readonly segments: readonly PatternSegment[] | undefined;
  readonly readDocument: ReadDocument;
}

/** What a filter may ask besides its own keys when it is compiled for a route. */
export interface CompileContext {
  /** `limits.headerBytes` of the gateway. */
  readonly headerBytes: number;
  /** `limits.headerFields` of the gateway. */
  readonly headerFields: number;
  /** `limits.bodyBytes` of the gateway. */
  readonly bodyBytes: number;
  /** Upper case; empty: every method. */
  readonly methods: readonly string[];
  /** The route takes calls of gRPC (`match.grpc`). */
  readonly isGrpc: boolean;
  /** The version that requests must ask for, where it does not stand in the path; else ''. */
  readonly version: string;
  readonly readDocument: ReadDocument;
}

type ValuesOf<K extends Nodes> = { readonly [Key in keyof K]?: TypeOf<K[Key]> };

/**
 * One filter as the configuration knows it.
 *
 * N: its name; R and G: its keys of routes and of the gateway; C: what they are compiled to; P:
 * where it has steps.
 */
export interface FilterOptions<
  N extends string,
  R extends Nodes,
  G extends Nodes,
  C extends object,
  P extends Place,
> {
  /** Its name in compiled configurations and explanations. */
  readonly name: N;
  /** Schemas of the keys that a route has. */
  readonly route: R;
  /** Schemas of the keys that the whole gateway has. */
  readonly gateway: G;
  /**
   * What the keys of the gateway mean. `default`: they hold for routes that have no such keys.
   * `always`: they hold for every request, whether a route takes it or not.
   */
  readonly gatewayMeans: 'default' | 'always';
  /** Where in the pipeline it may have steps. */
  readonly places: readonly P[];
  /** Finds what a schema cannot say. `part`: its keys, as far as they are right. */
  check(part: SoundPart<ValuesOf<R & G>>, place: CheckPlace): void;
  /** Fills in defaults and units of checked keys; null: nothing is to be done. */
  compile(part: ValuesOf<R & G>, context: CompileContext): C | null;
}

/** Any filter, for code that treats all filters alike. */
export interface AnyFilterOptions {
  readonly name: string;
  readonly route: Nodes;
  readonly gateway: Nodes;
  readonly gatewayMeans: 'default' | 'always';
  readonly places: readonly Place[];
  check(part: object, place: CheckPlace): void;
  compile(part: object, context: CompileContext): object | null;
}

/** Of one filter: what its keys are compiled to. */
export type CompiledOf<F extends AnyFilterOptions> = NonNullable<ReturnType<F['compile']>>;

/** Says what a filter is. Without `check` it has nothing to find that a schema cannot say. */
export function filterOptions<
  const N extends string,
  const R extends Nodes,
  const G extends Nodes,
  C extends object,
  const P extends Place,
>(
  filter: Omit<FilterOptions<N, R, G, C, P>, 'gatewayMeans' | 'check'> &
    Partial<FilterOptions<N, R, G, C, P>>,
): FilterOptions<N, R, G, C, P> {
  return { gatewayMeans: 'default', check: () => {}, ...filter };
}

/** The keys of `nodes` that `from` has. */
export function keysOf(nodes: Nodes, from: object): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const key of Object.keys(nodes)) {
    const value: unknown = Reflect.get(from, key);
    if (value !== undefined) found[key] = value;
  }
  return found;
}
