/**
 * The head of a reply while filters change it.
 *
 * Thread: worker. Made for routes that have reply steps only. Values are latin-1, as on the wire.
 */

/** Characters that may stand in a value; all others would end the field. */
const FORBIDDEN = /[^\t\x20-\x7e\x80-\xff]/;

export class ReplyHead {
  /** Names and values in turn. */
  private list: string[] = [];

  /** `block`: empty, or fields that each begin with CRLF. `isLocal`: the gateway made it. */
  constructor(
    readonly status: number,
    block: string,
    readonly isLocal: boolean,
  ) {
    if (block === '') return;
    for (const line of block.slice(2).split('\r\n')) {
      const colon = line.indexOf(':');
      this.list.push(line.slice(0, colon), line.slice(colon + 1).trim());
    }
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

  /** As the block came. */
  toBlock(): string {
    let block = '';
    for (let at = 0; at < this.list.length; at += 2) {
      block += `\r\n${this.list[at]}: ${this.list[at + 1]}`;
    }
    return block;
  }
}
