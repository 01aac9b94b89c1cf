/**
 * Writes a pattern of ECMA-262 (with the flag `u`, as JSON Schema wants it) in the syntax of RE2.
 *
 * Thread: any (pure). The pattern is one that `new RegExp(pattern, 'u')` has taken. Groups do not
 * capture, and every character is written by its number, so that nothing has a second meaning.
 * @see https://github.com/google/re2/wiki/Syntax
 */

/** What RE2 cannot do, as far as it can be told from the pattern. */
export class UntranslatableError extends Error {}

const ANY = '[\\x{0}-\\x{10FFFF}]';
const NOTHING = '[^\\x{0}-\\x{10FFFF}]';
/** A dot matches all but line terminators (ECMA-262 22.2.2.7). */
const DOT = '[^\\n\\r\\x{2028}\\x{2029}]';
/** `\s`: WhiteSpace and LineTerminator, as ranges (ECMA-262 22.2.2.9). */
const SPACES: readonly (readonly [number, number])[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const CODE_MAX = 0x10ffff;
const ALL = [[0, CODE_MAX]] as const;
const ASCII = [[0, 0x7f]] as const;
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, '0': 0 };

function hex(code: number): string {
  return `\\x{${code.toString(16)}}`;
}

function rangesText(ranges: readonly (readonly [number, number])[]): string {
  return ranges.map(([from, to]) => `${hex(from)}-${hex(to)}`).join('');
}

function complementOf(ranges: readonly (readonly [number, number])[]): [number, number][] {
  const rest: [number, number][] = [];
  let next = 0;
  for (const [from, to] of ranges) {
    if (from > next) rest.push([next, from - 1]);
    next = to + 1;
  }
  rest.push([next, CODE_MAX]);
  return rest;
}

const SPACE = rangesText(SPACES);
const NO_SPACE = rangesText(complementOf(SPACES));

/** @throws UntranslatableError */
export function toRe2(pattern: string): string {
  return new Translator(pattern).all();
}

/** RE2 takes no larger one. */
const COUNT_MAX = 1000;

class Translator {
  private at = 0;

  constructor(private readonly pattern: string) {}

  all(): string {
    let text = '';
    while (this.at < this.pattern.length) text += this.term();
    return text;
  }

  private term(): string {
    const char = this.take();
    switch (char) {
      case '.':
        return DOT;
      case '[':
        return this.charClass();
      case '(':
        return this.groupStart();
      case '\\':
        return this.escapeOutside();
      case '{':
        return this.count();
      case '^':
      case '$':
      case '|':
      case ')':
      case '*':
      case '+':
      case '?':
        return char;
      default:
        return hex(char.codePointAt(0) ?? 0);
    }
  }

  private count(): string {
    const count = `{${this.takeUntil('}')}}`;
    const numbers = count.match(/\d+/g) ?? [];
    if (numbers.every((one) => Number(one) <= COUNT_MAX)) return count;
    throw new UntranslatableError(
      `${count} counts beyond ${COUNT_MAX}: minLength and maxLength can say it`,
    );
  }

  private groupStart(): string {
    if (this.pattern[this.at] !== '?') return '(?:';
    const kind = this.pattern.slice(this.at, this.at + 3);
    if (kind.startsWith('?:')) this.at += 2;
    else if (/^\?<[^=!]/.test(kind)) this.takeUntil('>');
    else
      throw new UntranslatableError(
        'it looks ahead or behind; look-ahead may stand at the start only, behind ^: ^(?=…)…',
      );
    return '(?:';
  }

  private escapeOutside(): string {
    const char = this.pattern[this.at] ?? '';
    if (/[1-9k]/.test(char))
      throw new UntranslatableError('it refers back to a group: write out what may stand there');
    if (/[bBdDwW]/.test(char)) return `\\${this.take()}`;
    if (/[sSpP]/.test(char)) return `[${this.setEscape()}]`;
    return hex(this.codeEscape());
  }

  private charClass(): string {
    const isNegated = this.pattern[this.at] === '^';
    if (isNegated) this.at += 1;
    let items = '';
    while (this.pattern[this.at] !== ']') items += this.classItem();
    this.at += 1;
    if (items === '') return isNegated ? ANY : NOTHING;
    return `[${isNegated ? '^' : ''}${items}]`;
  }

  private classItem(): string {
    if (this.pattern[this.at] === '\\' && /[dDwWsSpP]/.test(this.pattern[this.at + 1] ?? '')) {
      this.at += 1;
      return this.setEscape();
    }
    const from = this.classCode();
    const isRange = this.pattern[this.at] === '-' && this.pattern[this.at + 1] !== ']';
    if (!isRange) return hex(from);
    this.at += 1;
    return `${hex(from)}-${hex(this.classCode())}`;
  }

  private classCode(): number {
    const char = this.take();
    if (char !== '\\') return char.codePointAt(0) ?? 0;
    if (this.pattern[this.at] !== 'b') return this.codeEscape();
    this.at += 1;
    return 8;
  }

  /** What stands inside a class for `\d`, `\s`, `\p{…}` and their like. */
  private setEscape(): string {
    const char = this.take();
    if (char === 's') return SPACE;
    if (char === 'S') return NO_SPACE;
    if (char !== 'p' && char !== 'P') return `\\${char}`;
    this.at += 1;
    const name = this.takeUntil('}');
    if (name === 'Any') return char === 'p' ? rangesText(ALL) : rangesText(complementOf(ALL));
    if (name === 'ASCII') return char === 'p' ? rangesText(ASCII) : rangesText(complementOf(ASCII));
    return `\\${char}{${re2Property(name)}}`;
  }

  /** One character, as an escape writes it; the backslash is behind us. */
  private codeEscape(): number {
    const char = this.take();
    const control = CONTROLS[char];
    if (control !== undefined) return control;
    if (char === 'c') return (this.take().codePointAt(0) ?? 0) % 32;
    if (char === 'x') return Number.parseInt(this.takeCount(2), 16);
    if (char === 'u') return this.unicodeEscape();
    return char.codePointAt(0) ?? 0;
  }

  private unicodeEscape(): number {
    if (this.pattern[this.at] === '{') {
      this.at += 1;
      return Number.parseInt(this.takeUntil('}'), 16);
    }
    const lead = Number.parseInt(this.takeCount(4), 16);
    const pair = /^\\u(d[c-f][0-9a-f]{2})/i.exec(this.pattern.slice(this.at, this.at + 6));
    if (lead < 0xd800 || lead > 0xdbff || pair === null) return lead;
    this.at += 6;
    return 0x10000 + (lead - 0xd800) * 0x400 + Number.parseInt(pair[1] ?? '', 16) - 0xdc00;
  }

  /** The next character, both halves of it. */
  private take(): string {
    const char = String.fromCodePoint(this.pattern.codePointAt(this.at) ?? 0);
    this.at += char.length;
    return char;
  }

  private takeCount(count: number): string {
    this.at += count;
    return this.pattern.slice(this.at - count, this.at);
  }

  /** Up to the closing character, which is passed over. */
  private takeUntil(close: string): string {
    const start = this.at;
    this.at = this.pattern.indexOf(close, start) + 1;
    return this.pattern.slice(start, this.at - 1);
  }
}

/** General categories by their long names (UAX 44 table 12), as far as patterns use them. */
const CATEGORIES: Readonly<Record<string, string>> = {
  Letter: 'L',
  Uppercase_Letter: 'Lu',
  Lowercase_Letter: 'Ll',
  Titlecase_Letter: 'Lt',
  Modifier_Letter: 'Lm',
  Other_Letter: 'Lo',
  Mark: 'M',
  Nonspacing_Mark: 'Mn',
  Spacing_Mark: 'Mc',
  Enclosing_Mark: 'Me',
  Number: 'N',
  Decimal_Number: 'Nd',
  digit: 'Nd',
  Letter_Number: 'Nl',
  Other_Number: 'No',
  Punctuation: 'P',
  punct: 'P',
  Symbol: 'S',
  Math_Symbol: 'Sm',
  Currency_Symbol: 'Sc',
  Modifier_Symbol: 'Sk',
  Other_Symbol: 'So',
  Connector_Punctuation: 'Pc',
  Dash_Punctuation: 'Pd',
  Open_Punctuation: 'Ps',
  Close_Punctuation: 'Pe',
  Initial_Punctuation: 'Pi',
  Final_Punctuation: 'Pf',
  Other_Punctuation: 'Po',
  Other: 'C',
  Control: 'Cc',
  Format: 'Cf',
  Surrogate: 'Cs',
  Private_Use: 'Co',
  Separator: 'Z',
  Space_Separator: 'Zs',
  Line_Separator: 'Zl',
  Paragraph_Separator: 'Zp',
};

function re2Property(property: string): string {
  const [name = '', value] = property.split('=');
  if (value === undefined) return CATEGORIES[name] ?? name;
  if (name === 'Script' || name === 'sc') return value;
  if (name === 'General_Category' || name === 'gc') return CATEGORIES[value] ?? value;
  throw new UntranslatableError(`there is no \\p{${name}=…}`);
}
