/**
 * Hides the values of query parameters that may be secrets.
 *
 * Thread: any (pure). Names are compared decoded and without regard to case, since the target may
 * read them so; `;` counts as a separator beside `&`, as some targets have it.
 */

/** What stands where a value was. */
export const REDACTED_TEXT = '[redacted]';

/** The target with the values of these parameters (lower-case names) hidden. */
export function redactQuery(target: string, names: ReadonlySet<string>): string {
  const mark = target.indexOf('?');
  if (mark === -1 || names.size === 0) return target;
  // The pieces and what stands between them, in turn.
  const pieces = target.slice(mark + 1).split(/([&;])/);
  const shown = pieces.map((piece) => {
    const equals = piece.indexOf('=');
    if (equals === -1 || !names.has(decodedName(piece.slice(0, equals)))) return piece;
    return `${piece.slice(0, equals + 1)}${REDACTED_TEXT}`;
  });
  return `${target.slice(0, mark + 1)}${shown.join('')}`;
}

function decodedName(name: string): string {
  if (!name.includes('%')) return name.toLowerCase();
  try {
    return decodeURIComponent(name).toLowerCase();
  } catch {
    // Broken escapes: no target can make a name of it that is on the list.
    return name.toLowerCase();
  }
}
