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
  /** `${body.NAME}` stands for something. Absent: it does not. */
  readonly hasBody?: true;
}

/** Checks one text with values of the request. True: it is sound. */
export function checkTemplate(
  text: string | undefined,
  pointer: string,
  { names, findings, hasBody }: TemplateContext,
): boolean {
  if (text === undefined) return true;
  const parsed = parseTemplate(text);
  if (!parsed.isValid) {
    findings.addValue(pointer, parsed.problem);
    return false;
  }
  for (const part of parsed.parts) {
    if (typeof part === 'string') continue;
    if (part.root === 'body' && hasBody !== true) {
      findings.addValue(
        pointer,
        `\${body.${part.name}} stands for nothing outside of body.template`,
      );
      return false;
    }
    if (part.root !== 'params' || names === undefined || names.includes(part.name)) continue;
    const known = names.length === 0 ? 'none' : names.join(', ');
    findings.addValue(pointer, `the route has no parameter ${part.name}, it has: ${known}`);
    return false;
  }
  return true;
}
