/**
 * Reads the YAML that nearly every configuration is written in, several times as fast as a reader
 * of all of YAML: maps, lists and scalars of one line each, in blocks or in braces.
 *
 * Thread: any (pure).
 * Invariant: what it reads is exactly what the full reader (yaml-source.ts) makes of the same text.
 * Whatever is unusual, ambiguous or wrong it leaves to that one: tabs, tags, anchors, text of
 * several lines, repeated keys, every mistake. So this file never has to say what is wrong.
 */

/** The text is for the full reader. */
export const NOT_PLAIN = Symbol('not plain');

export interface PlainBounds {
  readonly depthMax: number;
  readonly valuesMax: number;
}

/** Where the text ends, or another line begins with nothing that counts. */
const END = -1;

const LINE = 10;
const SPACE = 32;
const QUOTE = 34;
const HASH = 35;
const APOSTROPHE = 39;
const COMMA = 44;
const DASH = 45;
const COLON = 58;
const LIST = 91;
const LIST_END = 93;
const MAP = 123;
const MAP_END = 125;

/** Line ends of other systems, tabs, marks of byte order and everything that is not printed. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const UNUSUAL = /[\x00-\x09\x0b-\x1f\x7f-\x9f\ufeff]/;
/** Directives and the marks between documents. */
const DOCUMENT_MARK = /^(?:---|\.\.\.|%)/m;
/** Begins neither a comment, a tag, an anchor, text of several lines nor anything reserved. */
const PLAIN_START = /[^\s#&*!|>%@`"'{}[\],?:-]/;
/** Text that YAML 1.2 takes for something else than a string. */
const TYPED = new RegExp(
  [
    '^(?:~|null|Null|NULL|true|True|TRUE|false|False|FALSE)$',
    '^[-+]?[0-9]+$|^0o[0-7]+$|^0x[0-9a-fA-F]+$',
    '^[-+]?\\.(?:inf|Inf|INF)$|^\\.(?:nan|NaN|NAN)$',
    '^[-+]?(?:\\.[0-9]+|[0-9]+(?:\\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$',
  ].join('|'),
);
/** Keys are strings; of these every reader of YAML makes the same one. */
const STATUS = /^[1-9][0-9]{0,5}$/;
const INTEGER = /^-?(?:0|[1-9][0-9]{0,14})$/;
const WORDS: ReadonlyMap<string, unknown> = new Map([
  ['true', true],
  ['false', false],
  ['null', null],
] as const);
/** Keys that are more than a name. */
const SPECIAL_KEYS: ReadonlySet<string> = new Set(['<<', '__proto__']);

/** The value of the text, or {@link NOT_PLAIN}. */
export function readPlainYaml(text: string, bounds: PlainBounds): unknown {
  if (UNUSUAL.test(text) || DOCUMENT_MARK.test(text)) return NOT_PLAIN;
  try {
    return new PlainReader(text, bounds).read();
  } catch (error) {
    if (error === NOT_PLAIN) return NOT_PLAIN;
    throw error;
  }
}

class PlainReader {
  /** Where it reads: in a block at the first character of a line that counts. */
  private at = 0;
  /** Columns before the current line's content; {@link END}: there is no other line. */
  private indent = END;
  private depth = 0;
  private values = 0;

  constructor(
    private readonly text: string,
    private readonly bounds: PlainBounds,
  ) {}

  read(): unknown {
    this.nextLine(0);
    if (this.indent !== 0) throw NOT_PLAIN;
    const first = this.text.charCodeAt(this.at);
    const value = first === MAP || first === LIST ? this.readInline(END) : this.readBlock();
    if (!this.isOver) throw NOT_PLAIN;
    return value;
  }

  private get isOver(): boolean {
    return this.indent === END;
  }

  /** Goes to the first line from `from` on, a line's beginning, that has content. */
  private nextLine(from: number): void {
    const { text } = this;
    let start = from;
    while (start < text.length) {
      let at = start;
      while (text.charCodeAt(at) === SPACE) at += 1;
      const first = text.charCodeAt(at);
      if (at < text.length && first !== LINE && first !== HASH) {
        this.at = at;
        this.indent = at - start;
        return;
      }
      const end = text.indexOf('\n', at);
      if (end === -1) break;
      start = end + 1;
    }
    this.at = text.length;
    this.indent = END;
  }

  /** Nothing but a comment may follow in this line. */
  private endLine(): void {
    const { text } = this;
    let { at } = this;
    while (text.charCodeAt(at) === SPACE) at += 1;
    const isComment = text.charCodeAt(at) === HASH && text.charCodeAt(at - 1) === SPACE;
    if (at < text.length && text.charCodeAt(at) !== LINE && !isComment) throw NOT_PLAIN;
    const end = text.indexOf('\n', at);
    this.nextLine(end === -1 ? text.length : end + 1);
  }

  private isDash(): boolean {
    const { text, at } = this;
    if (text.charCodeAt(at) !== DASH) return false;
    const next = text.charCodeAt(at + 1);
    return next === SPACE || next === LINE || at + 1 === text.length;
  }

  private enter(): void {
    this.depth += 1;
    if (this.depth > this.bounds.depthMax) throw NOT_PLAIN;
  }

  private count(): void {
    this.values += 1;
    if (this.values > this.bounds.valuesMax) throw NOT_PLAIN;
  }

  /** A list or a map that begins in this line. */
  private readBlock(): unknown {
    this.count();
    this.enter();
    const value = this.isDash() ? this.readBlockList() : this.readBlockMap();
    this.depth -= 1;
    return value;
  }

  private readBlockList(): unknown[] {
    const column = this.indent;
    const list: unknown[] = [];
    while (this.indent === column && this.isDash()) {
      list.push(this.readItem(column));
      if (this.indent > column) throw NOT_PLAIN;
    }
    return list;
  }

  private readItem(column: number): unknown {
    const { text } = this;
    const dash = this.at;
    this.at += 1;
    while (text.charCodeAt(this.at) === SPACE) this.at += 1;
    const first = text.charCodeAt(this.at);
    if (this.at >= text.length || first === LINE || first === HASH) return this.readBelow(column);
    if (this.isDash() || this.isKey()) {
      // Its own keys stand in the column in which the first one does.
      this.indent = column + (this.at - dash);
      return this.readBlock();
    }
    return this.readInline(column);
  }

  private readBlockMap(): unknown {
    const column = this.indent;
    const map: Record<string, unknown> = {};
    while (this.indent === column) {
      if (this.isDash()) throw NOT_PLAIN;
      const key = this.readKey(map);
      const { text } = this;
      while (text.charCodeAt(this.at) === SPACE) this.at += 1;
      const first = text.charCodeAt(this.at);
      const isAlone = this.at >= text.length || first === LINE || first === HASH;
      map[key] = isAlone ? this.readBelow(column, true) : this.readInline(column);
      if (this.indent > column) throw NOT_PLAIN;
    }
    return map;
  }

  /** Of a key or a dash in `column` with nothing behind it: what stands in the lines below. */
  private readBelow(column: number, mayBeList = false): unknown {
    this.endLine();
    if (this.indent > column) {
      const first = this.text.charCodeAt(this.at);
      return first === MAP || first === LIST ? this.readInline(column) : this.readBlock();
    }
    if (mayBeList && this.indent === column && this.isDash()) return this.readBlock();
    this.count();
    return null;
  }

  /** A value in the rest of the line; one in braces may go on in lines that are indented. */
  private readInline(column: number): unknown {
    const value = this.readValue(column, false);
    this.endLine();
    return value;
  }

  /** Whether a key and its colon stand here. */
  private isKey(): boolean {
    const { text, at } = this;
    const first = text.charCodeAt(at);
    if (first === MAP || first === LIST) return false;
    const end = first === QUOTE || first === APOSTROPHE ? this.endOfQuoted() : this.endOfPlain();
    return text.charCodeAt(end) === COLON;
  }

  /** Goes behind its colon. */
  private readKey(map: object): string {
    const first = this.text.charCodeAt(this.at);
    const isQuoted = first === QUOTE || first === APOSTROPHE;
    const key = isQuoted ? this.readQuoted() : this.readName(false);
    if (this.text.charCodeAt(this.at) !== COLON) throw NOT_PLAIN;
    const next = this.text.charCodeAt(this.at + 1);
    const isEnd = next === SPACE || next === LINE || this.at + 1 === this.text.length;
    if (!isEnd || SPECIAL_KEYS.has(key) || Object.hasOwn(map, key)) throw NOT_PLAIN;
    this.at += 1;
    return key;
  }

  /** The text of a plain scalar, which is to be a key. */
  private readName(inBraces: boolean): string {
    const end = inBraces ? this.endOfPlainInBraces() : this.endOfPlain();
    const name = this.text.slice(this.at, end);
    // A blank before the colon, and names that could be taken for something else: not our business.
    const isTyped = TYPED.test(name) && !STATUS.test(name);
    if (name === '' || name.endsWith(' ') || isTyped) throw NOT_PLAIN;
    this.at = end;
    return name;
  }

  private readValue(column: number, inBraces: boolean): unknown {
    const first = this.text.charCodeAt(this.at);
    if (first === MAP || first === LIST) {
      this.count();
      this.enter();
      const value = first === MAP ? this.readMap(column) : this.readList(column);
      this.depth -= 1;
      return value;
    }
    this.count();
    if (first === QUOTE || first === APOSTROPHE) return this.readQuoted();
    const end = inBraces ? this.endOfPlainInBraces() : this.endOfPlain();
    // A colon behind it would make it a key.
    if (this.text.charCodeAt(end) === COLON) throw NOT_PLAIN;
    const text = this.text.slice(this.at, end).trimEnd();
    this.at += text.length;
    return typed(text);
  }

  /** To the end of the line, a comment, or a colon that makes a key of it. */
  private endOfPlain(): number {
    const { text } = this;
    let { at } = this;
    this.checkStart(at);
    for (; at < text.length; at += 1) {
      const char = text.charCodeAt(at);
      if (char === LINE) break;
      if (char === HASH && text.charCodeAt(at - 1) === SPACE) break;
      if (char !== COLON) continue;
      const next = text.charCodeAt(at + 1);
      if (next === SPACE || next === LINE || at + 1 === text.length) break;
    }
    return at;
  }

  private endOfPlainInBraces(): number {
    const { text } = this;
    let { at } = this;
    this.checkStart(at);
    for (; at < text.length; at += 1) {
      const char = text.charCodeAt(at);
      if (char === LINE || isMark(char)) break;
      if (char === HASH && text.charCodeAt(at - 1) === SPACE) break;
      if (char !== COLON) continue;
      const next = text.charCodeAt(at + 1);
      if (next === SPACE || next === LINE || isMark(next) || at + 1 === text.length) break;
    }
    return at;
  }

  private checkStart(at: number): void {
    const isMinus = this.text.charCodeAt(at) === DASH && /[0-9]/.test(this.text[at + 1] ?? '');
    if (!isMinus && !PLAIN_START.test(this.text[at] ?? ' ')) throw NOT_PLAIN;
  }

  private endOfQuoted(): number {
    const { text } = this;
    const quote = text.charCodeAt(this.at);
    for (let at = this.at + 1; at < text.length; at += 1) {
      const char = text.charCodeAt(at);
      if (char === LINE) break;
      if (quote === QUOTE && char === 92) at += 1;
      else if (char === quote) {
        if (quote === QUOTE || text.charCodeAt(at + 1) !== quote) return at + 1;
        at += 1;
      }
    }
    throw NOT_PLAIN;
  }

  private readQuoted(): string {
    const end = this.endOfQuoted();
    const inner = this.text.slice(this.at + 1, end - 1);
    const isDouble = this.text.charCodeAt(this.at) === QUOTE;
    this.at = end;
    if (!isDouble) return inner.replaceAll("''", "'");
    return inner.includes('\\') ? unescaped(inner) : inner;
  }

  /** Goes on to the next character in braces; other lines must be indented more than `column`. */
  private skip(column: number): number {
    const { text } = this;
    for (;;) {
      while (text.charCodeAt(this.at) === SPACE) this.at += 1;
      const char = text.charCodeAt(this.at);
      const isComment = char === HASH && text.charCodeAt(this.at - 1) === SPACE;
      if (char !== LINE && !isComment) return char;
      const end = text.indexOf('\n', this.at);
      if (end === -1) throw NOT_PLAIN;
      this.nextLine(end + 1);
      if (this.indent <= column) throw NOT_PLAIN;
    }
  }

  private readMap(column: number): unknown {
    const map: Record<string, unknown> = {};
    this.at += 1;
    while (this.skip(column) !== MAP_END) {
      const first = this.text.charCodeAt(this.at);
      const isQuoted = first === QUOTE || first === APOSTROPHE;
      const key = isQuoted ? this.readQuoted() : this.readName(true);
      if (this.text.charCodeAt(this.at) !== COLON) throw NOT_PLAIN;
      if (SPECIAL_KEYS.has(key) || Object.hasOwn(map, key)) throw NOT_PLAIN;
      this.at += 1;
      const isNext = this.text.charCodeAt(this.at) !== SPACE;
      if (isNext && !isQuoted) throw NOT_PLAIN;
      this.skip(column);
      map[key] = this.readValue(column, true);
      this.endItem(column, MAP_END);
    }
    this.at += 1;
    return map;
  }

  private readList(column: number): unknown[] {
    const list: unknown[] = [];
    this.at += 1;
    while (this.skip(column) !== LIST_END) {
      list.push(this.readValue(column, true));
      this.endItem(column, LIST_END);
    }
    this.at += 1;
    return list;
  }

  private endItem(column: number, end: number): void {
    const char = this.skip(column);
    if (char === COMMA) this.at += 1;
    else if (char !== end) throw NOT_PLAIN;
  }
}

function isMark(char: number): boolean {
  return char === COMMA || char === LIST || char === LIST_END || char === MAP || char === MAP_END;
}

function typed(text: string): unknown {
  if (!TYPED.test(text)) return text;
  if (INTEGER.test(text)) return Number(text);
  const word = WORDS.get(text);
  if (word === undefined) throw NOT_PLAIN;
  return word;
}

/** Escapes of JSON mean the same in YAML; YAML has more of them. */
function unescaped(inner: string): string {
  try {
    return JSON.parse(`"${inner}"`) as string;
  } catch {
    throw NOT_PLAIN;
  }
}
