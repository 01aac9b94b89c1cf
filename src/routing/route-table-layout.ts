/**
 * How a route table lies in memory: one block of words and one of text, which all threads read.
 *
 * Thread: any (pure). Offsets are in words, or in bytes of the text; 0 stands for "none", since
 * the header comes first in both.
 *
 *     words   header │ nodes │ edges (open addressing) │ hosts (open addressing) │ leaves, lists
 *     text    labels of edges, names of hosts, and JSON of what is looked at more seldom
 *
 *     node    param child │ partial list │ expression list │ star leaf │ own leaf │ has edges
 *     edge    node │ hash │ label offset │ label bytes │ child
 *     host    hash │ name offset │ name bytes │ root node
 *     leaf    one entry list for each place of method-places.ts, 0: none
 *     list    count │ entries
 *     entry   index │ conditions (JSON ref) │ versions (JSON ref) │ names (list number)
 *     partial count │ (parts JSON ref │ child)…         the more exact first
 *     express count │ (source JSON ref │ leaf)…         in the order of the file
 *     ref     offset into the directory of JSON texts: text offset │ text bytes
 */
export const HEADER_WORDS = 12;
export const HEADER_EDGES = 0;
export const HEADER_EDGE_MASK = 1;
export const HEADER_HOSTS = 2;
export const HEADER_HOST_MASK = 3;
/** Node of the routes for every host. */
export const HEADER_ROOT = 4;
/** 1: some host name begins with a star. */
export const HEADER_HAS_STAR_HOSTS = 5;
/** Directory of lists of names: count, then refs. */
export const HEADER_NAMES = 6;
export const HEADER_HAS_HOSTS = 7;
/** JSON ref: methods that have places besides those of every table. */
export const HEADER_METHODS = 8;

export const NODE_WORDS = 6;
export const NODE_PARAM = 0;
export const NODE_PARTIALS = 1;
export const NODE_EXPRESSIONS = 2;
export const NODE_STAR = 3;
export const NODE_LEAF = 4;
export const NODE_HAS_EDGES = 5;

export const EDGE_WORDS = 5;
export const EDGE_NODE = 0;
export const EDGE_HASH = 1;
export const EDGE_LABEL = 2;
export const EDGE_LABEL_BYTES = 3;
export const EDGE_CHILD = 4;

export const HOST_WORDS = 4;
export const HOST_HASH = 0;
export const HOST_NAME = 1;
export const HOST_NAME_BYTES = 2;
export const HOST_ROOT = 3;

export const ENTRY_WORDS = 4;
export const ENTRY_INDEX = 0;
export const ENTRY_CONDITIONS = 1;
export const ENTRY_VERSIONS = 2;
export const ENTRY_NAMES = 3;

/** Words of one item of a list of partial segments or expressions. */
export const PAIR_WORDS = 2;

const HASH_PRIME = 0x01000193;
const HASH_SPREAD = 0x9e3779b1;

/** The initial hash of a segment below this node. */
export function hashSeed(node: number): number {
  return Math.imul(node + 1, HASH_SPREAD);
}

/** Adds one character to the hash. */
export function hashStep(hash: number, code: number): number {
  return Math.imul(hash ^ code, HASH_PRIME);
}

/** The slot at which the search begins is in the low bits of the result. */
export function hashEnd(hash: number): number {
  return hash ^ (hash >>> 15);
}

export function hashText(seed: number, text: string): number {
  let hash = seed;
  for (let at = 0; at < text.length; at += 1) hash = hashStep(hash, text.charCodeAt(at));
  return hashEnd(hash);
}

/** No route takes the path. */
export const ROUTE_NOT_FOUND = -1;
/** The index of an entry that closes a path: no route takes this method there. */
export const METHOD_NOT_ALLOWED = -2;
