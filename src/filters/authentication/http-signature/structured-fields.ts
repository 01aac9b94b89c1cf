/**
 * Reads dictionaries of structured fields (RFC 8941), and writes their parts in the one canonical
 * form that signatures are made over.
 *
 * Thread: any (pure). Stricter than the RFC where it lets a later value replace an earlier one, or
 * has several spellings of the same bytes: such fields are refused. Bounded in every direction.
 */

const CHARS_MAX = 16 * 1024;
const MEMBERS_MAX = 16;
const ITEMS_MAX = 64;
const PARAMETERS_MAX = 16;

export type BareItem =
  | { readonly type: 'integer' | 'decimal'; readonly value: number }
  | { readonly type: 'string' | 'token'; readonly value: string }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'bytes'; readonly value: Buffer };

export type Parameters = ReadonlyMap<string, BareItem>;

export interface Item {
  readonly bare: BareItem;
  readonly parameters: Parameters;
}

export interface InnerList {
  readonly items: readonly Item[];
  readonly parameters: Parameters;
}

export type Member = Item | InnerList;

export type Dictionary = ReadonlyMap<string, Member>;

export function isInnerList(member: Member): member is InnerList {
  return 'items' in member;
}

/** All values of a field as one dictionary; undefined: it is none, or too large. */
export function parseDictionary(values: readonly string[]): Dictionary | undefined {
  const text = values.join(', ');
  if (text.length > CHARS_MAX) return undefined;
  try {
    return new Reader(text).dictionary();
  } catch (error) {
    if (error instanceof NotStructured) return undefined;
    throw error;
  }
}

/** In the canonical form (RFC 8941 4.1). */
export function textOfMember(member: Member): string {
  return isInnerList(member) ? textOfList(member) : textOfItem(member);
}

export function textOfItem({ bare, parameters }: Item): string {
  return textOfBare(bare) + textOfParameters(parameters);
}

function textOfList({ items, parameters }: InnerList): string {
  return `(${items.map(textOfItem).join(' ')})${textOfParameters(parameters)}`;
}

function textOfParameters(parameters: Parameters): string {
  let text = '';
  for (const [name, bare] of parameters) {
    const isFlag = bare.type === 'boolean' && bare.value;
    text += isFlag ? `;${name}` : `;${name}=${textOfBare(bare)}`;
  }
  return text;
}

function textOfBare(bare: BareItem): string {
  switch (bare.type) {
    case 'string':
      return `"${bare.value.replaceAll(/["\\]/g, '\\$&')}"`;
    case 'bytes':
      return `:${bare.value.toString('base64')}:`;
    case 'boolean':
      return bare.value ? '?1' : '?0';
    case 'decimal':
      return Number.isInteger(bare.value) ? `${bare.value}.0` : String(bare.value);
    default:
      return String(bare.value);
  }
}

class NotStructured extends Error {}

const KEY = /[a-z*][a-z0-9_.*-]*/y;
const NUMBER = /-?[0-9]+(?:\.[0-9]+)?/y;
const STRING = /"((?:[ !#-[\]-~]|\\["\\])*)"/y;
const TOKEN = /[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*/y;
const BYTES = /:([A-Za-z0-9+/]*={0,2}):/y;
const BOOLEAN = /\?[01]/y;
const COMMA = /[ \t]*,[ \t]*/y;
const BLANKS = / +/y;
const NO_PARAMETERS: Parameters = new Map();
const TRUE: BareItem = { type: 'boolean', value: true };

class Reader {
  private at = 0;

  constructor(private readonly text: string) {}

  dictionary(): Dictionary {
    const members = new Map<string, Member>();
    this.skip(BLANKS);
    // No expression: one that looks for blanks at the end begins anew at each blank.
    let end = this.text.length;
    while (this.text[end - 1] === ' ') end -= 1;
    while (this.at < end) {
      if (members.size > 0 && this.match(COMMA) === null) throw new NotStructured();
      const name = this.need(KEY);
      if (members.has(name) || members.size >= MEMBERS_MAX) throw new NotStructured();
      members.set(name, this.member());
    }
    return members;
  }

  private member(): Member {
    if (!this.isNext('=')) return { bare: TRUE, parameters: this.parameters() };
    this.at++;
    return this.isNext('(') ? this.innerList() : this.item();
  }

  private innerList(): InnerList {
    this.at++;
    const items: Item[] = [];
    this.skip(BLANKS);
    while (!this.isNext(')')) {
      if (items.length >= ITEMS_MAX) throw new NotStructured();
      items.push(this.item());
      if (!this.isNext(')') && this.match(BLANKS) === null) throw new NotStructured();
    }
    this.at++;
    return { items, parameters: this.parameters() };
  }

  private item(): Item {
    return { bare: this.bareItem(), parameters: this.parameters() };
  }

  private parameters(): Parameters {
    if (!this.isNext(';')) return NO_PARAMETERS;
    const parameters = new Map<string, BareItem>();
    while (this.isNext(';')) {
      this.at++;
      this.skip(BLANKS);
      const name = this.need(KEY);
      if (parameters.has(name) || parameters.size >= PARAMETERS_MAX) throw new NotStructured();
      let value = TRUE;
      if (this.isNext('=')) {
        this.at++;
        value = this.bareItem();
      }
      parameters.set(name, value);
    }
    return parameters;
  }

  private bareItem(): BareItem {
    switch (this.text[this.at]) {
      case '"':
        return { type: 'string', value: this.need(STRING).slice(1, -1).replaceAll(/\\(.)/g, '$1') };
      case ':':
        return { type: 'bytes', value: this.bytes() };
      case '?':
        return { type: 'boolean', value: this.need(BOOLEAN) === '?1' };
      default:
        return this.number() ?? { type: 'token', value: this.need(TOKEN) };
    }
  }

  private bytes(): Buffer {
    const text = this.need(BYTES).slice(1, -1);
    const bytes = Buffer.from(text, 'base64');
    if (bytes.toString('base64') !== text) throw new NotStructured();
    return bytes;
  }

  /** At most 15 digits, or 12 and 3 behind the point (RFC 8941 3.3.1, 3.3.2). */
  private number(): BareItem | null {
    const text = this.match(NUMBER);
    if (text === null) return null;
    const [whole = '', fraction] = text.replace('-', '').split('.');
    const isTooLong = fraction === undefined ? whole.length > 15 : whole.length > 12;
    if (isTooLong || (fraction?.length ?? 0) > 3) throw new NotStructured();
    return { type: fraction === undefined ? 'integer' : 'decimal', value: Number(text) };
  }

  private isNext(char: string): boolean {
    return this.text[this.at] === char;
  }

  private skip(pattern: RegExp): void {
    this.match(pattern);
  }

  private need(pattern: RegExp): string {
    const text = this.match(pattern);
    if (text === null) throw new NotStructured();
    return text;
  }

  private match(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const [text] = pattern.exec(this.text) ?? [];
    if (text === undefined) return null;
    this.at = pattern.lastIndex;
    return text;
  }
}
