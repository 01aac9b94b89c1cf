/**
 * Hides the values of query parameters that may be secrets.
 *
 * Thread: any (pure). Names are decoded and compared without regard to case, since the target may
 * read them so; `;` separates parameters as `&` does, as some targets read it.
 */

/** Replaces a value. */
export const REDACTED_TEXT = '[redacted]';

const AMPERSAND = 38;
const SEMICOLON = 59;
const EQUALS = 61;

/**
 * The target with the values of these parameters (lower-case names) hidden. A target without such a
 * parameter is returned as it is. Hot path, watched by bench/micro/observability/access-log.
 */
export function redactQuery(target: string, names: ReadonlySet<string>): string {
  const mark = target.indexOf('?');
  if (mark === -1 || names.size === 0) return target;
  let shown = '';
  let shownTo = 0;
  let start = mark + 1;
  let equals = -1;
  for (let at = start; at <= target.length; at += 1) {
    // NaN at the end, which is no separator either.
    const code = target.charCodeAt(at);
    if (code === EQUALS && equals === -1) equals = at;
    if (at < target.length && code !== AMPERSAND && code !== SEMICOLON) continue;
    if (equals !== -1 && names.has(listName(decodedName(target.slice(start, equals))))) {
      shown += target.slice(shownTo, equals + 1) + REDACTED_TEXT;
      // For targets to which `;` is no separator, the text behind it is part of the value.
      if (code === SEMICOLON) at = valueEnd(target, at);
      shownTo = at;
    }
    start = at + 1;
    equals = -1;
  }
  return shownTo === 0 ? target : shown + target.slice(shownTo);
}

function valueEnd(target: string, from: number): number {
  const end = target.indexOf('&', from);
  return end === -1 ? target.length : end;
}

/** Turns `token[0]`, as some targets write lists, into `token`. */
function listName(name: string): string {
  const mark = name.indexOf('[');
  return mark > 0 ? name.slice(0, mark) : name;
}

function decodedName(name: string): string {
  if (!name.includes('%')) return name.toLowerCase();
  try {
    return decodeURIComponent(name).toLowerCase();
  } catch {
    // The escapes are broken: no target can read a listed name from them.
    return name.toLowerCase();
  }
}
