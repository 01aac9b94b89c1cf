/**
 * One pass over a JSON text before it is parsed: what would be costly, or read in two ways.
 *
 * Thread: any (pure). It bounds nesting and members and finds names that stand twice in one object,
 * of which parsers take the first, the last, or neither. That the text is JSON at all is for the
 * parser to say.
 */

export interface JsonLimits {
  /** Objects and arrays inside one another. */
  readonly maxDepth: number;
  /** Members of objects and items of arrays, all together. */
  readonly maxMembers: number;
}

/** What was found first; null: nothing. */
export interface JsonProblem {
  readonly rule: 'maxDepth' | 'maxMembers' | 'uniqueNames';
  readonly detail: string;
}

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

// Hot path for bodies: bench/micro/filters watches it.
/** Looks at a text of any kind; it never throws. */
export function scanJson(text: string, { maxDepth, maxMembers }: JsonLimits): JsonProblem | null {
  // Names seen in each object that is open; null for a list.
  const open: (Set<string> | null)[] = [];
  let members = 0;
  let stringStart = 0;
  let stringEnd = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        stringStart = at;
        stringEnd = endOfString(text, at);
        at = stringEnd;
        break;
      case COLON: {
        const names = open.at(-1);
        if (names === undefined || names === null) break;
        const name = nameOf(text.slice(stringStart, stringEnd + 1));
        if (names.has(name)) return repeated(name);
        names.add(name);
        break;
      }
      case OPEN_OBJECT:
      case OPEN_LIST:
        open.push(text.charCodeAt(at) === OPEN_OBJECT ? new Set() : null);
        members++;
        if (open.length > maxDepth) return tooDeep(maxDepth);
        break;
      case CLOSE_OBJECT:
      case CLOSE_LIST:
        open.pop();
        break;
      case COMMA:
        members++;
        break;
      default:
    }
    if (members > maxMembers) return tooMany(maxMembers);
  }
  return null;
}

/** Index of the closing quote, or of the last character. */
export function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let first = at;
    while (text.charCodeAt(first - 1) === BACKSLASH) first--;
    // Backslashes in pairs stand for themselves.
    if ((at - first) % 2 === 0) return at;
  }
  return text.length - 1;
}

/** Two spellings of one name are one name. */
function nameOf(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return String(JSON.parse(literal));
  } catch {
    // The parser will say that this is no string.
    return literal;
  }
}

function repeated(name: string): JsonProblem {
  const shown = JSON.stringify(name.slice(0, 100));
  return { rule: 'uniqueNames', detail: `the name ${shown} stands twice in one object` };
}

function tooDeep(maxDepth: number): JsonProblem {
  return { rule: 'maxDepth', detail: `nested more than ${maxDepth} levels deep` };
}

/** More than these members and items. */
export function tooMany(maxMembers: number): JsonProblem {
  return { rule: 'maxMembers', detail: `more than ${maxMembers} members and items` };
}
