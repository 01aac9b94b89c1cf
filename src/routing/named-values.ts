/**
 * Values in a text of pairs, by their names: those of a query, or of Cookie fields.
 *
 * Thread: any (pure). A route table asks for them once for every condition of every route that has
 * the path, and again for each method. The text is read once, however often it is asked about.
 */

type Pairs = Iterable<readonly [name: string, value: string]>;

const NO_VALUES: readonly string[] = [];

export class NamedValues {
  private text = '';
  private values = new Map<string, string[]>();

  constructor(private readonly pairsOf: (text: string) => Pairs) {}

  /** In the order of the text. */
  of(text: string, name: string): readonly string[] {
    if (text !== this.text) {
      this.values = byName(this.pairsOf(text));
      this.text = text;
    }
    return this.values.get(name) ?? NO_VALUES;
  }
}

function byName(pairs: Pairs): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (const [name, value] of pairs) {
    const before = values.get(name);
    if (before === undefined) values.set(name, [value]);
    else before.push(value);
  }
  return values;
}

/** `query` begins with its question mark, or is empty. */
export function pairsOfQuery(query: string): Pairs {
  return new URLSearchParams(query.slice(1));
}

/** `cookies`: one Cookie field, or several with semicolons between (RFC 6265 section 4.2.1). */
export function pairsOfCookies(cookies: string): Pairs {
  return cookies.split(';').flatMap((pair) => {
    const mark = pair.indexOf('=');
    return mark === -1 ? [] : [[pair.slice(0, mark).trim(), pair.slice(mark + 1).trim()] as const];
  });
}
