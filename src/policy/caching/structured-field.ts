/**
 * Reads the structured fields that say something to a cache: dictionaries and lists.
 *
 * Thread: any (pure). RFC 9651 section 4.2. A field with one mistake is as if it were not there.
 */

/** A value without its parameters. Bytes, dates and inner lists are told apart from text. */
export type BareItem =
  | { readonly kind: 'integer' | 'decimal'; readonly number: number }
  | { readonly kind: 'string' | 'token'; readonly text: string }
  | { readonly kind: 'boolean'; readonly isTrue: boolean }
  | { readonly kind: 'other' };

const KEY = /[a-z*][a-z0-9_.*-]*/y;
const NUMBER = /-?(\d{1,15}(?![\d.])|\d{1,12}\.\d{1,3}(?!\d))/y;
const STRING = /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/y;
const TOKEN = /[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*/y;
const BYTES = /:[A-Za-z0-9+/=]*:/y;
const DATE = /@-?\d{1,15}(?![\d.])/y;
const DISPLAY = /%"(?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*"/y;
const BOOLEAN = /\?([01])/y;
const SPACES = / */y;
const BLANKS = /[ \t]*/y;

const TRUE: BareItem = { kind: 'boolean', isTrue: true };
const OTHER: BareItem = { kind: 'other' };

class BadField extends Error {}

/** The members of a dictionary, of one name the last; null: the field is none. */
export function parseDictionary(text: string): ReadonlyMap<string, BareItem> | null {
  return attempt(() => {
    const cursor = new Cursor(text);
    const members = new Map<string, BareItem>();
    cursor.eachMember(() => {
      const key = cursor.need(KEY)[0];
      const value = cursor.tryTake('=') ? cursor.member() : cursor.withParameters(TRUE);
      members.set(key, value);
    });
    return members;
  });
}

/** The members of a list; null: the field is none. */
export function parseList(text: string): readonly BareItem[] | null {
  return attempt(() => {
    const cursor = new Cursor(text);
    const members: BareItem[] = [];
    cursor.eachMember(() => members.push(cursor.member()));
    return members;
  });
}

function attempt<T>(parse: () => T): T | null {
  try {
    return parse();
  } catch (error) {
    if (error instanceof BadField) return null;
    throw error;
  }
}

class Cursor {
  private at = 0;

  constructor(private readonly text: string) {}

  eachMember(read: () => void): void {
    this.match(SPACES);
    if (this.isAtEnd) return;
    for (;;) {
      read();
      this.match(BLANKS);
      if (this.isAtEnd) return;
      if (!this.tryTake(',')) throw new BadField();
      this.match(BLANKS);
      if (this.isAtEnd) throw new BadField();
    }
  }

  member(): BareItem {
    return this.withParameters(this.tryTake('(') ? this.innerList() : this.item());
  }

  private innerList(): BareItem {
    for (;;) {
      this.match(SPACES);
      if (this.tryTake(')')) return OTHER;
      this.withParameters(this.item());
      const next = this.text[this.at];
      if (next !== ' ' && next !== ')') throw new BadField();
    }
  }

  withParameters(item: BareItem): BareItem {
    while (this.tryTake(';')) {
      this.match(SPACES);
      this.need(KEY);
      if (this.tryTake('=')) this.item();
    }
    return item;
  }

  private item(): BareItem {
    const number = this.match(NUMBER);
    if (number !== null) {
      const kind = number[0].includes('.') ? 'decimal' : 'integer';
      return { kind, number: Number(number[0]) };
    }
    const string = this.match(STRING);
    if (string !== null) return { kind: 'string', text: (string[1] ?? '').replace(/\\(.)/g, '$1') };
    const token = this.match(TOKEN);
    if (token !== null) return { kind: 'token', text: token[0] };
    const boolean = this.match(BOOLEAN);
    if (boolean !== null) return { kind: 'boolean', isTrue: boolean[1] === '1' };
    if ((this.match(BYTES) ?? this.match(DATE) ?? this.match(DISPLAY)) !== null) return OTHER;
    throw new BadField();
  }

  need(pattern: RegExp): RegExpExecArray {
    const found = this.match(pattern);
    if (found === null) throw new BadField();
    return found;
  }

  tryTake(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found !== null) this.at += found[0].length;
    return found;
  }

  private get isAtEnd(): boolean {
    return this.at >= this.text.length;
  }
}
