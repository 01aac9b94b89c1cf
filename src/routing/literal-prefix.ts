/**
 * The plain segments with which an expression for a whole path begins. The table tries the
 * expression only below these segments.
 *
 * Thread: any (pure).
 */

const PLAIN = /[A-Za-z0-9_~!&',;=@-]/;
const QUANTIFIER = /[*+?{]/;

/** Empty where the first segment is not plain text, or the expression has alternatives. */
export function literalPrefix(expression: string): string[] {
  const text = expression.startsWith('^') ? expression.slice(1) : expression;
  if (!text.startsWith('/') || hasAlternatives(text)) return [];
  const segments: string[] = [];
  let segment = '';
  for (let at = 1; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '/') {
      // A quantifier behind the slash would make the slash itself optional.
      if (segment === '' || QUANTIFIER.test(text.charAt(at + 1))) return segments;
      segments.push(segment);
      segment = '';
    } else if (char === '\\' && /[.\-/]/.test(text.charAt(at + 1))) {
      at += 1;
      if (text.charAt(at) === '/') return segments;
      segment += text.charAt(at);
    } else if (PLAIN.test(char)) segment += char;
    else return segments;
  }
  return segments;
}

function hasAlternatives(text: string): boolean {
  let depth = 0;
  let isInClass = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '\\') at += 1;
    else if (isInClass) isInClass = char !== ']';
    else if (char === '[') isInClass = true;
    else if (char === '(') depth += 1;
    else if (char === ')') depth -= 1;
    else if (char === '|' && depth === 0) return true;
  }
  return false;
}
