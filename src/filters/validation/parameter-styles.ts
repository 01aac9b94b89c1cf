/**
 * Parameters that hold lists, objects or JSON, in the styles of OpenAPI (3.0.3 and 3.1, section
 * "Style Values"), as values that a schema can judge.
 *
 * Thread: worker. What is not written in the style of its parameter stays a text, which no schema
 * of a list or an object takes.
 */
import type { ParameterStyle } from './options.js';

/** Texts as they came, by decoded name, in order. */
export type RawValues = Map<string, string[]>;

/** Undoes the encoding of one text; null: it is broken. */
export type Decode = (text: string) => string | null;

/** Members inside one another that a name with brackets may have. */
const BRACKETS_MAX = 8;
const COMMA = /,/;
const ENCODED_COMMA = /,|%2C/i;
const BLANK = /%20|\+| /i;
const BAR = /\||%7C/i;

/** Thrown inside of this file only: an escape is broken. */
class BrokenEscape extends Error {}

/** Values by name; null: an escape is broken. Changes `raw`. */
export function readStyled(
  raw: RawValues,
  styles: readonly ParameterStyle[],
  decode: Decode,
): Record<string, unknown> | null {
  const decoded = (text: string): string => {
    const plain = decode(text);
    if (plain === null) throw new BrokenEscape();
    return plain;
  };
  try {
    const styled = styles.map((style) => [style.name, readParameter(style, raw, decoded)] as const);
    const plain = [...raw].map(([name, texts]) => [name, oneOrList(texts.map(decoded))] as const);
    const found = styled.filter(([, value]) => value !== undefined);
    // Own members whatever their names: fromEntries defines, it does not assign.
    return Object.fromEntries<unknown>([...plain, ...found]);
  } catch (error) {
    if (error instanceof BrokenEscape) return null;
    throw error;
  }
}

function oneOrList(texts: readonly string[]): unknown {
  return texts.length === 1 ? texts[0] : texts;
}

type Decoded = (text: string) => string;

/** The value of one parameter, whose texts leave `raw`; undefined: it is not there. */
function readParameter(style: ParameterStyle, raw: RawValues, decoded: Decoded): unknown {
  if (style.style === 'deepObject') return readBrackets(style, raw, decoded);
  if (style.kind === 'object' && style.style === 'form' && style.isExploded) {
    return readMembers(style, raw, decoded);
  }
  const texts = raw.get(style.name);
  if (texts === undefined) return undefined;
  raw.delete(style.name);
  const [first = ''] = texts;
  switch (style.kind) {
    case 'json':
      return texts.length === 1 ? parseJson(decoded(first)) : texts.map(decoded);
    case 'text':
      return oneOrList(texts.map((text) => decoded(withoutPrefix(style, text).join(','))));
    case 'list':
      return readList(style, texts, decoded);
    case 'object':
      return texts.length === 1 ? readPairs(style, first, decoded) : texts.map(decoded);
  }
}

function readList(style: ParameterStyle, texts: readonly string[], decoded: Decoded): unknown {
  const items = texts.flatMap((text) => itemsOf(style, text));
  const [first = ''] = items;
  // One text may be meant as such where the schema takes both.
  if (items.length === 1 && style.isMixed) return decoded(first);
  return items.length === 1 && first === '' && !style.isExploded ? [] : items.map(decoded);
}

function itemsOf(style: ParameterStyle, text: string): string[] {
  if (style.style === 'simple') return text.split(',').map((item) => item.trim());
  if (style.style === 'label' || style.style === 'matrix') return withoutPrefix(style, text);
  if (style.isExploded) return [text];
  if (style.style === 'spaceDelimited') return text.split(BLANK);
  if (style.style === 'pipeDelimited') return text.split(BAR);
  // Where no comma stands for itself, the client has encoded those between the items.
  return text.split(COMMA.test(text) ? COMMA : ENCODED_COMMA);
}

/** The items of a label (`.a.b`) or of a matrix (`;name=a,b` or `;name=a;name=b`). */
function withoutPrefix({ name, style, isExploded }: ParameterStyle, text: string): string[] {
  if (style === 'label') {
    if (!text.startsWith('.')) return [text];
    const rest = text.slice(1);
    // 3.0 has points between the items in any case, and later versions commas.
    return rest.split(!isExploded && rest.includes(',') ? ',' : '.');
  }
  if (style !== 'matrix' || !text.startsWith(';')) return [text];
  const start = `${name}=`;
  const pairs = text.slice(1).split(';');
  const items = pairs.map((pair) => {
    if (pair.startsWith(start)) return pair.slice(start.length);
    return pair === name ? '' : pair;
  });
  return isExploded ? items : items.flatMap((item) => item.split(','));
}

/** `a,1,b,2`, or exploded `a=1,b=2`; what is neither stays a text. */
function readPairs(style: ParameterStyle, text: string, decoded: Decoded): unknown {
  const items =
    style.style === 'matrix' && style.isExploded
      ? text.replace(/^;/, '').split(';')
      : itemsOf({ ...style, isExploded: false }, text);
  const pairs: [string, string][] = [];
  if (style.isExploded) {
    for (const item of items) {
      const mark = item.indexOf('=');
      if (mark === -1) return decoded(text);
      pairs.push([decoded(item.slice(0, mark)), decoded(item.slice(mark + 1))]);
    }
  } else {
    if (items.length % 2 === 1) return decoded(text);
    for (let at = 0; at < items.length; at += 2) {
      pairs.push([decoded(items[at] ?? ''), decoded(items[at + 1] ?? '')]);
    }
  }
  return Object.fromEntries(pairs);
}

/** Members that stand for themselves: `a=1&b=2`. */
function readMembers({ properties }: ParameterStyle, raw: RawValues, decoded: Decoded): unknown {
  const members: [string, unknown][] = [];
  for (const name of properties) {
    const texts = raw.get(name);
    if (texts === undefined) continue;
    raw.delete(name);
    members.push([name, oneOrList(texts.map(decoded))]);
  }
  return members.length === 0 ? undefined : Object.fromEntries(members);
}

type Tree = Map<string, Tree | unknown[]>;

/** `name[a]=1`, `name[a][b]=2`, `name[]=3` and `name[0]=4`; or the name alone. */
function readBrackets({ name, kind, isMixed }: ParameterStyle, raw: RawValues, decoded: Decoded) {
  const tree: Tree = new Map();
  for (const [key, texts] of [...raw]) {
    const path = bracketsOf(name, key);
    if (path === null) continue;
    raw.delete(key);
    plant(tree, path, texts.map(decoded));
  }
  const alone = raw.get(name);
  if (alone === undefined) return tree.size === 0 ? undefined : harvest(tree);
  raw.delete(name);
  const texts = alone.map(decoded);
  return kind === 'list' && !isMixed ? texts : oneOrList(texts);
}

/** The keys in brackets behind the name; null: it is another name. */
function bracketsOf(name: string, key: string): string[] | null {
  if (!key.startsWith(`${name}[`) || !key.endsWith(']')) return null;
  const path = key.slice(name.length + 1, -1).split('][');
  return path.length <= BRACKETS_MAX && !path.some((one) => /[[\]]/.test(one)) ? path : null;
}

function plant(tree: Tree, path: readonly string[], texts: readonly string[]): void {
  const [key = '', ...rest] = path;
  const child = tree.get(key);
  if (rest.length === 0) tree.set(key, [...(Array.isArray(child) ? child : []), ...texts]);
  else {
    const below: Tree = child === undefined || Array.isArray(child) ? new Map() : child;
    tree.set(key, below);
    plant(below, rest, texts);
  }
}

/** Keys that are empty, or count from 0, make a list. */
function harvest(tree: Tree): unknown {
  const members = [...tree].map(([key, child]) => {
    const value = Array.isArray(child) ? (key === '' ? child : oneOrTexts(child)) : harvest(child);
    return [key, value] as const;
  });
  if (members.length === 1 && members[0]?.[0] === '') return [members[0][1]].flat();
  if (members.every(([key], at) => key === String(at))) return members.map(([, value]) => value);
  return Object.fromEntries(members);
}

function oneOrTexts(texts: readonly unknown[]): unknown {
  return texts.length === 1 ? texts[0] : texts;
}

/** Text that should have been JSON. */
export class NoJson {}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return new NoJson();
  }
}
