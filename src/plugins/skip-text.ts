/**
 * Reads JavaScript word by word, past strings, comments, templates and regular expressions.
 *
 * Thread: any (pure). Whether a slash divides or begins a regular expression is told by what stands
 * before it, as every reader does that knows no grammar.
 */

/**
 * Called for each word that is no member's name. `depth`: brackets around it. Returns where the
 * reading goes on: `at` for "behind the word".
 */
export type WordListener = (word: string, at: number, depth: number) => number;

const WORD = /[A-Za-z_$\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /[0-9][\w.]*/y;
/** After these a slash begins a regular expression. */
const BEFORE_EXPRESSION: ReadonlySet<string> = new Set([
  ...['return', 'typeof', 'case', 'in', 'of', 'delete', 'void', 'throw', 'new', 'instanceof'],
  ...['else', 'do', 'yield', 'await', 'default'],
]);

export function skipText(text: string, onWord: WordListener): void {
  new Reader(text, onWord).run();
}

class Reader {
  private at = 0;
  /** What each open bracket is: a template's `${` is `$`. */
  private readonly open: string[] = [];
  /** Whether a slash would begin a regular expression here. */
  private expects = true;
  private isMember = false;

  constructor(
    private readonly text: string,
    private readonly onWord: WordListener,
  ) {}

  run(): void {
    while (this.at < this.text.length) this.step();
  }

  private step(): void {
    const { text, at } = this;
    const one = text[at] ?? '';
    if (/\s/.test(one)) this.at++;
    else if (text.startsWith('//', at)) this.to(text.indexOf('\n', at), 0);
    else if (text.startsWith('/*', at)) this.to(text.indexOf('*/', at + 2), 2);
    else if (text.startsWith('#!', at)) this.to(text.indexOf('\n', at), 0);
    else if (one === '"' || one === "'") this.skipString(one);
    else if (one === '`') this.skipTemplate(at + 1);
    else if (one === '/' && this.expects) this.skipExpression();
    else if (!this.readWord()) this.readSign(one);
  }

  /** Goes to where something was found, and past it; to the end where it was not. */
  private to(found: number, length: number): void {
    this.at = found === -1 ? this.text.length : found + length;
  }

  private readWord(): boolean {
    const { text, at } = this;
    for (const kind of [WORD, NUMBER]) {
      kind.lastIndex = at;
      const word = kind.exec(text)?.[0];
      if (word === undefined) continue;
      const isMember = this.isMember || text[at - 1] === '#';
      const next = kind === NUMBER || isMember ? at : this.onWord(word, at, this.open.length);
      this.at = next === at ? at + word.length : next;
      // What was replaced ends as a call, an assignment or a statement.
      this.expects = next === at ? !isMember && BEFORE_EXPRESSION.has(word) : true;
      this.isMember = false;
      return true;
    }
    return false;
  }

  private readSign(one: string): void {
    this.isMember = one === '.' && !this.text.startsWith('...', this.at - 2);
    this.at++;
    if (one === '(' || one === '[' || one === '{') this.open.push(one);
    if (one === ')' || one === ']' || one === '}') {
      const opened = this.open.pop();
      if (opened === '$') {
        this.skipTemplate(this.at);
        return;
      }
    }
    this.expects = one !== ')' && one !== ']';
  }

  private skipString(quote: string): void {
    let at = this.at + 1;
    while (at < this.text.length && this.text[at] !== quote) at += this.text[at] === '\\' ? 2 : 1;
    this.at = at + 1;
    this.endOperand();
  }

  /** From behind the backtick, or behind the end of an expression in it. */
  private skipTemplate(from: number): void {
    let at = from;
    while (at < this.text.length && this.text[at] !== '`') {
      if (this.text.startsWith('${', at)) {
        this.open.push('$');
        this.at = at + 2;
        this.expects = true;
        this.isMember = false;
        return;
      }
      at += this.text[at] === '\\' ? 2 : 1;
    }
    this.at = at + 1;
    this.endOperand();
  }

  private skipExpression(): void {
    let at = this.at + 1;
    let isClass = false;
    for (; at < this.text.length && this.text[at] !== '\n'; at++) {
      const one = this.text[at];
      if (one === '\\') at++;
      else if (one === '[') isClass = true;
      else if (one === ']') isClass = false;
      else if (one === '/' && !isClass) break;
    }
    this.at = at + 1;
    this.endOperand();
  }

  private endOperand(): void {
    this.expects = false;
    this.isMember = false;
  }
}
