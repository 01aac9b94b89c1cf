/**
 * The head of a reply while filters change it.
 *
 * Thread: worker. Made for routes that have reply steps only. Values are latin-1, as on the wire.
 */

import { entriesOf, type FieldBlock, field, joinFields, NO_FIELDS } from '../base/field-block.js';

/** Characters that may stand in a value; all others would end the field. */
const FORBIDDEN = /[^\t\x20-\x7e\x80-\xff]/;

export class ReplyHead {
  /** Names and values in turn. */
  private list: string[] = [];

  /** `isLocal`: the gateway made the reply. */
  constructor(
    readonly status: number,
    block: FieldBlock,
    readonly isLocal: boolean,
  ) {
    for (const [name, value] of entriesOf(block)) this.list.push(name, value.trim());
  }

  /** The values of a field as one list (RFC 9110 section 5.3), or ''. */
  value(name: string): string {
    return this.values(name).join(', ');
  }

  values(name: string): string[] {
    const values: string[] = [];
    for (let at = 0; at < this.list.length; at += 2) {
      if (this.list[at]?.toLowerCase() === name) values.push(this.list[at + 1] ?? '');
    }
    return values;
  }

  /** Names of all fields in lower case, each once. */
  names(): string[] {
    return [
      ...new Set(this.list.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())),
    ];
  }

  /** `name` in lower case. */
  remove(name: string): void {
    this.removeWhere((other) => other === name);
  }

  removeWhere(isRemoved: (lowerName: string) => boolean): void {
    const kept: string[] = [];
    for (let at = 0; at < this.list.length; at += 2) {
      const name = this.list[at] ?? '';
      if (!isRemoved(name.toLowerCase())) kept.push(name, this.list[at + 1] ?? '');
    }
    this.list = kept;
  }

  /** Throws when the value cannot stand in a field. */
  add(name: string, value: string): void {
    if (FORBIDDEN.test(value)) throw new Error(`a value for ${name} cannot stand in a field`);
    this.list.push(name, value);
  }

  set(name: string, value: string): void {
    this.remove(name.toLowerCase());
    this.add(name, value);
  }

  /** Adds to a list such as Vary what it does not hold. */
  addToken(name: string, token: string): void {
    const lower = name.toLowerCase();
    const tokens = this.value(lower)
      .split(',')
      .map((one) => one.trim().toLowerCase());
    if (!tokens.includes('*') && !tokens.includes(token.toLowerCase())) this.add(name, token);
  }

  toBlock(): FieldBlock {
    let block = NO_FIELDS;
    for (let at = 0; at < this.list.length; at += 2) {
      block = joinFields(block, field(this.list[at] ?? '', this.list[at + 1] ?? ''));
    }
    return block;
  }
}
