/**
 * Patterns as documents have them, in the spelling of ECMA-262 with the flag `u`.
 *
 * Thread: any (pure). Documents are often made by programs in other languages: their patterns have
 * escapes that are not needed, and anchors of their own. Only what means the same is rewritten.
 */

/** Characters that need no backslash, and may not have one with the flag `u`. */
const NEEDLESS = /\\([^A-Za-z0-9^$\\.*+?()[\]{}|/-])|\\(_)/gu;
const ANCHORS: Readonly<Record<string, string>> = { A: '^', Z: '$', z: '$' };

/** The pattern itself where it can be read, else the nearest one that means the same. */
export function nearestExpression(pattern: string): string {
  if (isReadable(pattern)) return pattern;
  let isInClass = false;
  const rewritten = pattern.replace(/\\.|[[\]{}]/gsu, (part, at: number) => {
    if (part === '[') isInClass = true;
    else if (part === ']') isInClass = false;
    else if (part === '{' || part === '}') {
      return isInClass || isCount(pattern, at, part) ? part : `\\${part}`;
    } else if (!isInClass && part === '\\-') return '-';
    else if (!isInClass) return ANCHORS[part.slice(1)] ?? part;
    return part;
  });
  const plain = rewritten.replace(NEEDLESS, (_, one?: string, underscore?: string) => {
    return one ?? underscore ?? '';
  });
  return isReadable(plain) ? plain : pattern;
}

function isReadable(pattern: string): boolean {
  try {
    new RegExp(pattern.replace(/^(\^?)\(\?i\)/, '$1'), 'u');
    return true;
  } catch {
    return false;
  }
}

/** Whether the brace is one of a count such as `{2,3}`. */
function isCount(pattern: string, at: number, brace: string): boolean {
  if (brace === '{') return /^\{\d+(?:,\d*)?\}/.test(pattern.slice(at));
  return /\{\d+(?:,\d*)?$/.test(pattern.slice(0, at));
}
