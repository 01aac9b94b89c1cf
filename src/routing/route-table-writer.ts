/**
 * Writes a route table: route-table-layout.ts describes its memory.
 *
 * Thread: any (pure). Runs once for a configuration, in the thread that loads the configuration.
 */
import { assert, defined } from '../base/assert.js';
import type { RoutePattern } from './route-pattern.js';
import {
  EDGE_WORDS,
  HEADER_EDGE_MASK,
  HEADER_EDGES,
  HEADER_HAS_HOSTS,
  HEADER_HAS_STAR_HOSTS,
  HEADER_HOST_MASK,
  HEADER_HOSTS,
  HEADER_METHODS,
  HEADER_NAMES,
  HEADER_ROOT,
  HEADER_WORDS,
  HOST_WORDS,
  hashSeed,
  hashText,
  NODE_EXPRESSIONS,
  NODE_HAS_EDGES,
  NODE_LEAF,
  NODE_PARAM,
  NODE_PARTIALS,
  NODE_STAR,
  NODE_WORDS,
} from './route-table-layout.js';
import {
  inOrder,
  partialsInOrder,
  RouteTrie,
  type TrieEntry,
  type TrieLeaf,
  type TrieNode,
} from './route-trie.js';

/** The memory of a table. */
export interface RouteTableMemory {
  readonly words: Int32Array;
  readonly text: Uint8Array;
}

/** Makes the table of these routes, whose paths and hosts were checked before. */
export function writeRouteTable(patterns: readonly RoutePattern[]): RouteTableMemory {
  return new Writer().write(new RouteTrie(patterns));
}

class Writer {
  private readonly words: number[] = new Array<number>(HEADER_WORDS).fill(0);
  /** The first byte is unused, so that no text begins at 0. */
  private readonly text: number[] = [0];
  private readonly placeOfText = new Map<string, number>();
  private readonly refs = new Map<string, number>();
  private readonly entries = new Map<string, number>();
  private readonly lists = new Map<string, number>();
  private readonly nameLists = new Map<string, number>();
  private readonly edges: { node: number; label: string; child: number }[] = [];

  write({ roots, methods }: RouteTrie): RouteTableMemory {
    this.words[HEADER_METHODS] = this.refOf(JSON.stringify(methods.others));
    const hosts: { name: string; root: number }[] = [];
    for (const [name, node] of roots) {
      const root = this.writeNode(node);
      if (name === '') this.words[HEADER_ROOT] = root;
      else hosts.push({ name: name.startsWith('*.') ? name.slice(1) : name, root });
    }
    this.words[HEADER_HAS_HOSTS] = hosts.length === 0 ? 0 : 1;
    this.words[HEADER_HAS_STAR_HOSTS] = hosts.some(({ name }) => name.startsWith('.')) ? 1 : 0;
    this.writeEdges();
    this.writeHosts(hosts);
    const refs = [...this.nameLists.keys()].map((names) => this.refOf(names));
    this.words[HEADER_NAMES] = this.append(refs);
    return { words: Int32Array.from(this.words), text: Uint8Array.from(this.text) };
  }

  private writeNode(node: TrieNode): number {
    const at = this.words.length;
    for (let word = 0; word < NODE_WORDS; word += 1) this.words.push(0);
    const set = (word: number, value: number): void => {
      this.words[at + word] = value;
    };
    if (node.leaf !== null) set(NODE_LEAF, this.writeLeaf(node.leaf));
    if (node.star !== null) set(NODE_STAR, this.writeLeaf(node.star));
    if (node.param !== null) set(NODE_PARAM, this.writeNode(node.param));
    set(NODE_HAS_EDGES, node.literals.size === 0 ? 0 : 1);
    for (const [label, child] of node.literals) {
      this.edges.push({ node: at, label, child: this.writeNode(child) });
    }
    const partials = partialsInOrder(node.partials.values()).map((child) => [
      this.refOf(JSON.stringify(child.parts)),
      this.writeNode(child.node),
    ]);
    set(NODE_PARTIALS, this.writePairs(partials));
    const expressions = [...node.expressions].map(([source, leaf]) => [
      this.refOf(JSON.stringify(source)),
      this.writeLeaf(leaf),
    ]);
    set(NODE_EXPRESSIONS, this.writePairs(expressions));
    return at;
  }

  private writePairs(pairs: readonly (readonly number[])[]): number {
    if (pairs.length === 0) return 0;
    return this.append([pairs.length, ...pairs.flat()]);
  }

  private append(words: readonly number[]): number {
    const at = this.words.length;
    for (const word of words) this.words.push(word);
    return at;
  }

  private writeLeaf(leaf: TrieLeaf): number {
    return this.append(leaf.map((entries) => this.listOf(inOrder(entries))));
  }

  /** Most methods of a leaf share one list. */
  private listOf(entries: readonly TrieEntry[]): number {
    if (entries.length === 0) return 0;
    const places = entries.map((entry) => this.entryOf(entry));
    return place(this.lists, places.join(' '), () => this.append([places.length, ...places]));
  }

  private entryOf({ index, conditions, versions, names }: TrieEntry): number {
    const versionsText = versions === null ? '' : JSON.stringify(versions);
    const words = [
      index,
      conditions === '' ? 0 : this.refOf(conditions),
      versionsText === '' ? 0 : this.refOf(versionsText),
      place(this.nameLists, JSON.stringify(names), () => this.nameLists.size),
    ];
    return place(this.entries, words.join(' '), () => this.append(words));
  }

  private refOf(json: string): number {
    return place(this.refs, json, () => {
      const bytes = new TextEncoder().encode(json);
      const at = this.text.length;
      for (const byte of bytes) this.text.push(byte);
      return this.append([at, bytes.length]);
    });
  }

  /** Labels and hosts are ASCII, so one character is one byte. */
  private placeText(label: string): number {
    return place(this.placeOfText, label, () => {
      const at = this.text.length;
      for (let char = 0; char < label.length; char += 1) {
        const code = label.charCodeAt(char);
        assert(code < 128, 'labels are ASCII');
        this.text.push(code);
      }
      return at;
    });
  }

  private writeEdges(): void {
    const slots = new Slots(this.edges.length, EDGE_WORDS);
    for (const { node, label, child } of this.edges) {
      const hash = hashText(hashSeed(node), label);
      slots.put(hash, [node, hash, this.placeText(label), label.length, child]);
    }
    this.words[HEADER_EDGES] = this.append(slots.words);
    this.words[HEADER_EDGE_MASK] = slots.mask;
  }

  private writeHosts(hosts: readonly { readonly name: string; readonly root: number }[]): void {
    const slots = new Slots(hosts.length, HOST_WORDS);
    for (const { name, root } of hosts) {
      const hash = hashText(hashSeed(0), name);
      slots.put(hash, [hash, this.placeText(name), name.length, root]);
    }
    this.words[HEADER_HOSTS] = this.append(slots.words);
    this.words[HEADER_HOST_MASK] = slots.mask;
  }
}

/** A table with open addressing, at most half full; a slot whose last word is 0 is free. */
class Slots {
  readonly mask: number;
  readonly words: number[];

  constructor(
    count: number,
    private readonly slotWords: number,
  ) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(2, count * 2)));
    this.mask = size - 1;
    this.words = new Array<number>(size * slotWords).fill(0);
  }

  put(hash: number, words: readonly number[]): void {
    let slot = hash & this.mask;
    while (this.words[slot * this.slotWords + this.slotWords - 1] !== 0) {
      slot = (slot + 1) & this.mask;
    }
    for (const [at, word] of words.entries()) this.words[slot * this.slotWords + at] = word;
  }
}

function place(places: Map<string, number>, key: string, make: () => number): number {
  if (!places.has(key)) places.set(key, make());
  return defined(places.get(key), 'what was placed');
}
