/**
 * Parses the text of a template: `/v2/users/${params.id}`.
 *
 * Thread: any (pure). The loader of configurations replaces `${NAME}` by environment variables, but
 * leaves the names that are listed here alone.
 */

/** Where a value comes from. `name` is empty where `root` says everything. */
export interface TemplateSource {
  readonly root: 'clientIp' | 'params' | 'claims' | 'headers' | 'query' | 'request' | 'body';
  readonly name: string;
}

/** Plain text, or the source of the value that replaces the placeholder. */
export type TemplatePart = string | TemplateSource;

/** A parsed template, or what is wrong with it. */
export type ParsedTemplate =
  | { readonly isValid: true; readonly parts: readonly TemplatePart[] }
  | { readonly isValid: false; readonly problem: string };

/** The NAMEs of `request.NAME`. */
const REQUEST_PARTS = ['id', 'method', 'path', 'query', 'host', 'hostname', 'scheme', 'consumer'];

const SOURCE = /^(?:(clientIp)|(params|claims|headers|query|request|body)\.([^\s{}$]{1,200}))$/;

/**
 * Any other `${...}` is plain text: `$${NAME}` in a configuration file becomes such a `${NAME}`.
 */
const MEANT_AS_SOURCE = /^clientIp$|^[A-Za-z]+\./;

/** Whether the words between `${` and `}` name a value of the request. */
export function isTemplateSource(expression: string): boolean {
  return SOURCE.test(expression);
}

/** Whether the text has no placeholders. */
export function isPlainText(text: string): boolean {
  const parsed = parseTemplate(text);
  return parsed.isValid && parsed.parts.every((part) => typeof part === 'string');
}

/** Splits a text into plain parts and sources. */
export function parseTemplate(text: string): ParsedTemplate {
  const parts: TemplatePart[] = [];
  let at = 0;
  while (at < text.length) {
    const start = text.indexOf('${', at);
    if (start === -1) break;
    const end = text.indexOf('}', start);
    if (end === -1) break;
    if (start > at) parts.push(text.slice(at, start));
    const expression = text.slice(start + 2, end);
    at = end + 1;
    if (!MEANT_AS_SOURCE.test(expression)) {
      parts.push(text.slice(start, at));
      continue;
    }
    const source = parseSource(expression);
    if (typeof source === 'string') return { isValid: false, problem: source };
    parts.push(source);
  }
  if (at < text.length) parts.push(text.slice(at));
  return { isValid: true, parts };
}

function parseSource(expression: string): TemplateSource | string {
  const match = SOURCE.exec(expression);
  if (match === null) {
    return (
      `\${${expression}} is no value of a request: take \${clientIp}, \${params.NAME}, ` +
      `\${claims.NAME}, \${headers.NAME}, \${query.NAME} or \${request.NAME}`
    );
  }
  if (match[1] !== undefined) return { root: 'clientIp', name: '' };
  const root = match[2] as TemplateSource['root'];
  const name = match[3] ?? '';
  if (root === 'request' && !REQUEST_PARTS.includes(name)) {
    return `\${request.${name}} is not known: NAME is one of ${REQUEST_PARTS.join(', ')}`;
  }
  return { root, name };
}
