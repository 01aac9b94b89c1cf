/**
 * Rewrites an ECMAScript module to the body of an async function.
 *
 * Thread: any (pure). `import` and `export` become calls of `__sluice`, line by line where they
 * stand; all else stays as it is. Only what a reader of statements can know is needed for that:
 * where strings, comments, templates and regular expressions end, and how deep brackets are.
 *
 * Bindings are taken when the module begins: a `let` that another module exports and changes later
 * is not followed.
 */
import { skipText } from './skip-text.js';

export interface RewrittenModule {
  readonly code: string;
  /** What it imports, each once. */
  readonly specifiers: readonly string[];
}

/** Why a module cannot be rewritten, for its author. */
class ModuleTextError extends Error {}

const NAME = '[A-Za-z_$][\\w$]*';
const FROM = `\\s*(['"])([^'"\\n]*)QUOTE\\s*(with\\b)?`;
const fromAt = (group: number): string => FROM.replace('QUOTE', `\\${group}`);

const IMPORT = new RegExp(`^import\\b([^'";()]*?)(?:\\bfrom\\b)?${fromAt(2)}`, 's');
const EXPORT_FROM = new RegExp(
  `^export\\s*(\\*[^'"{};]*?|\\{[^}'"]*\\}\\s*)from\\b${fromAt(2)}`,
  's',
);
const EXPORT_LIST = /^export\s*\{([^}]*)\}\s*;?/s;
const EXPORT_DEFAULT = new RegExp(
  `^export\\s+default\\s+((?:async\\s+)?function\\s*\\*?\\s*|class\\s+)(${NAME})?`,
);
const EXPORT_DECLARED = new RegExp(
  `^export\\s+((?:const|let|var)\\s+|(?:async\\s+)?function\\s*\\*?\\s*|class\\s+)(${NAME})?`,
);
const PAIR = new RegExp(`^(${NAME})(?:\\s+as\\s+(${NAME}))?$`);
const COMMENT_OR_STRING = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'[^'\n]*'|"[^"\n]*"/g;
/** Longer lists of names are nobody's. */
const STATEMENT_CHARS_MAX = 16_384;
const DYNAMIC = /^import\s*\(\s*(?:(['"])([^'"\n]*)\1\s*\))?/;

/** Throws {@link ModuleTextError}. */
export function rewriteModule(text: string): RewrittenModule {
  return new Rewriter(text).run();
}

class Rewriter {
  private readonly specifiers: string[] = [];
  /** Exported name and local name, in turn. */
  private readonly exported: string[] = [];
  private out = '';
  private copied = 0;

  constructor(private readonly text: string) {}

  run(): RewrittenModule {
    skipText(this.text, (word, at, depth) => {
      if (word === 'import') return this.onImport(at, depth);
      return word === 'export' && depth === 0 ? this.onExport(at) : at;
    });
    const exports = pairsOf(this.exported).map(([name, local]) => `${name}: ${local}`);
    const rest = this.text.slice(this.copied);
    const end = exports.length === 0 ? '' : `\n;__sluice.give({ ${exports.join(', ')} });`;
    return { code: this.out + rest + end, specifiers: this.specifiers };
  }

  /** Returns where the reading goes on. */
  private onImport(at: number, depth: number): number {
    const rest = this.statementAt(at);
    const meta = /^import\s*\.\s*meta\b/.exec(rest);
    if (meta !== null) return this.replace(at, meta[0], '__sluice.meta');
    const dynamic = DYNAMIC.exec(rest);
    if (dynamic !== null) {
      const [, , specifier] = dynamic;
      if (specifier !== undefined) this.placeOf(specifier);
      const open = /^import\s*\(/.exec(rest)?.[0] ?? '';
      return this.replace(at, open, '__sluice.load(');
    }
    if (depth !== 0) return at;
    const found = IMPORT.exec(rest);
    if (found === null) this.fail(at, 'an import that cannot be read');
    const [whole, clause = '', , specifier = '', attributes] = found;
    if (attributes !== undefined) this.fail(at, 'import attributes are not supported');
    const place = this.placeOf(specifier);
    return this.replace(
      at,
      whole,
      bindingsOf(clause, place, () => this.fail(at, 'an import that cannot be read')),
    );
  }

  private onExport(at: number): number {
    const rest = this.statementAt(at);
    const from = EXPORT_FROM.exec(rest);
    if (from !== null) {
      const [whole, what = '', , specifier = '', attributes] = from;
      if (attributes !== undefined) this.fail(at, 'import attributes are not supported');
      return this.replace(at, whole, this.reexport(at, what, specifier));
    }
    const list = EXPORT_LIST.exec(rest);
    if (list !== null) {
      for (const [local, name] of this.namesIn(at, list[1] ?? '')) this.exported.push(name, local);
      return this.replace(at, list[0], '');
    }
    if (/^export\s+default\b/.test(rest)) return this.onDefault(at, rest);
    const declared = EXPORT_DECLARED.exec(rest);
    const name = declared?.[2];
    if (declared === null || name === undefined) {
      this.fail(at, 'an export that cannot be read: export names one by one');
    }
    this.exported.push(name, name);
    return this.replace(at, 'export', '');
  }

  private onDefault(at: number, rest: string): number {
    const declared = EXPORT_DEFAULT.exec(rest)?.[2];
    const words = /^export\s+default\b/.exec(rest)?.[0] ?? '';
    if (declared === undefined) return this.replace(at, words, '__sluice.exports.default =');
    this.exported.push('default', declared);
    return this.replace(at, words, '');
  }

  private reexport(at: number, what: string, specifier: string): string {
    const place = this.placeOf(specifier);
    const all = /^\*\s*(?:as\s+([\w$]+)\s*)?$/.exec(what.trim());
    if (all !== null) {
      const [, name] = all;
      if (name === undefined) return `__sluice.giveAll(${place});`;
      return `__sluice.give({ ${name}: __sluice.all(${place}) });`;
    }
    const names = this.namesIn(at, what.trim().slice(1, -1));
    const picked = names.map(([local]) => JSON.stringify(local)).join(', ');
    const given = names.map(([local, name]) => `${name}: from[${JSON.stringify(local)}]`);
    const body = `__sluice.give({ ${given.join(', ')} })`;
    return `((from) => ${body})(__sluice.pick(${place}, [${picked}]));`;
  }

  private namesIn(at: number, list: string): (readonly [local: string, name: string])[] {
    return list
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== '')
      .map((one) => {
        const [, local, name = local] = PAIR.exec(one) ?? [];
        if (local === undefined || name === undefined) this.fail(at, `"${one}" cannot be read`);
        return [local, name] as const;
      });
  }

  private placeOf(specifier: string): number {
    const known = this.specifiers.indexOf(specifier);
    return known === -1 ? this.specifiers.push(specifier) - 1 : known;
  }

  /** The text from there on, with blanks in place of comments. */
  private statementAt(at: number): string {
    const text = this.text.slice(at, at + STATEMENT_CHARS_MAX);
    return text.replace(COMMENT_OR_STRING, (part) =>
      part.startsWith('/') ? part.replace(/[^\n]/g, ' ') : part,
    );
  }

  /** Lines stay where they are, so that stacks name the lines of the file. */
  private replace(at: number, old: string, by: string): number {
    const lines = old.split('\n').length - 1;
    this.out += this.text.slice(this.copied, at) + by + '\n'.repeat(lines);
    this.copied = at + old.length;
    return this.copied;
  }

  private fail(at: number, problem: string): never {
    const line = this.text.slice(0, at).split('\n').length;
    throw new ModuleTextError(`line ${line}: ${problem}`);
  }
}

/** `clause`: what stands between `import` and `from`. */
function bindingsOf(clause: string, place: number, refuse: () => never): string {
  const text = clause.trim();
  if (text === '') return ';';
  const parts = /^(?:([\w$]+)\s*,?\s*)?(?:\*\s*as\s+([\w$]+)|\{([^}]*)\})?$/s.exec(text);
  if (parts === null) return refuse();
  const [, first, all, list] = parts;
  const pairs = (list ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map((one) => {
      const [, name, local = name] = PAIR.exec(one) ?? [];
      return name === undefined ? refuse() : ([name, local] as const);
    });
  if (first !== undefined) pairs.push(['default', first]);
  const names = pairs.map(([name]) => JSON.stringify(name)).join(', ');
  const bound = pairs.map(([name, local]) => `${name}: ${local}`).join(', ');
  const picked =
    pairs.length === 0 ? '' : `const { ${bound} } = __sluice.pick(${place}, [${names}]);`;
  return all === undefined ? picked : `${picked}const ${all} = __sluice.all(${place});`;
}

function* pairs(list: readonly string[]): Generator<readonly [string, string]> {
  for (let at = 0; at + 1 < list.length; at += 2) yield [list[at] ?? '', list[at + 1] ?? ''];
}

function pairsOf(list: readonly string[]): (readonly [string, string])[] {
  return [...pairs(list)];
}
