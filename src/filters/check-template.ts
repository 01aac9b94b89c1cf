/**
 * Checks text with values of the request in it.
 *
 * Thread: any (pure).
 */
import { parseTemplate } from '../base/template-text.js';
import type { Findings } from '../schema/finding.js';

export interface TemplateContext {
  /** Parameters that the path of the route has; undefined: it has a mistake, or too many paths. */
  readonly names: readonly string[] | undefined;
  readonly findings: Findings;
}

/** Checks one text with values of the request. True: it is sound. */
export function checkTemplate(
  text: string | undefined,
  pointer: string,
  { names, findings }: TemplateContext,
): boolean {
  if (text === undefined) return true;
  const parsed = parseTemplate(text);
  if (!parsed.isValid) {
    findings.addValue(pointer, parsed.problem);
    return false;
  }
  for (const part of parsed.parts) {
    if (typeof part === 'string' || part.root !== 'params' || names === undefined) continue;
    if (names.includes(part.name)) continue;
    const known = names.length === 0 ? 'none' : names.join(', ');
    findings.addValue(pointer, `the route has no parameter ${part.name}, it has: ${known}`);
    return false;
  }
  return true;
}
