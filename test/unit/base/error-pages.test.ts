import { describe, expect, it } from 'vitest';
import {
  ErrorPages,
  type ErrorRule,
  filledIn,
  unknownPlaceholder,
} from '../../../src/base/error-pages.js';
import { entriesOf, NO_FIELDS } from '../../../src/base/field-block.js';
import { buildProblemReply, withErrorPage } from '../../../src/base/problem-reply.js';
import { PROBLEMS } from '../../../src/base/problems.js';

const TEXTS = [
  '<p title="{{title}}">{{ detail }}</p>{{code}} {{status}} {{requestId}}',
  '{"error":"{{detail}}","status":{{status}}}',
  'plain: {{detail}}',
  'any error',
];
const RULES: readonly ErrorRule[] = [
  { status: '404', bodies: { html: 0, json: 1, text: 2 } },
  { status: '4xx', bodies: { html: 3 } },
  { status: 'default', bodies: { text: 3 } },
];
const pages = new ErrorPages(TEXTS, RULES);

function page(accept: string, kind = PROBLEMS.routeNotFound, detail = 'None.') {
  return pages.pageFor({ kind, detail, requestId: 'id-1', accept });
}

const typeOf = (accept: string, kind = PROBLEMS.routeNotFound) => {
  const found = page(accept, kind);
  if (found === null) return 'no rule';
  const told = Object.fromEntries(entriesOf(found.fields));
  expect(told['Vary']).toBe('Accept');
  return found.body === null ? 'problem' : String(told['Content-Type']).split(';')[0];
};

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8';

describe('pages of refusals', () => {
  it.each([
    ['', 'application/json'],
    ['*/*', 'application/json'],
    ['application/json', 'application/json'],
    ['application/problem+json', 'application/json'],
    [BROWSER, 'text/html'],
    ['text/html', 'text/html'],
    ['TEXT/HTML', 'text/html'],
    ['text/plain', 'text/plain'],
    ['text/*', 'text/html'],
    ['text/plain, text/html;q=0.5', 'text/plain'],
    ['application/json;q=0.5, text/html;q=0.4', 'application/json'],
    ['text/html;q=0, */*', 'application/json'],
    ['text/html;q=0, text/*', 'text/plain'],
    ['image/png', 'problem'],
    ['text/html;q=0', 'problem'],
    ['text/html;q=2', 'problem'],
    ['nonsense;;,', 'problem'],
  ])('are of the type that Accept: %s prefers: %s', (accept, type) => {
    expect(typeOf(accept)).toBe(type);
  });

  it('are those of the most exact status', () => {
    const { unauthorized, overloaded, routeNotFound } = PROBLEMS;
    expect(page('text/html', unauthorized)?.body).toBe('any error');
    expect(typeOf('*/*', unauthorized)).toBe('problem');
    expect(page('text/plain', overloaded)?.body).toBe('any error');
    expect(page('text/plain', routeNotFound)?.body).toBe('plain: None.');
    const none = new ErrorPages(TEXTS, [{ status: '5xx', bodies: { html: 0 } }]);
    const refused = { kind: unauthorized, detail: '', requestId: '', accept: BROWSER };
    expect(none.pageFor(refused)).toBeNull();
  });

  it('of a route come first, and leave the rest to the gateway', () => {
    const own: ErrorRule[] = [{ status: '404', bodies: { html: 3 } }];
    const refused = { detail: 'x', requestId: '', accept: BROWSER };
    const found = pages.pageFor({ ...refused, kind: PROBLEMS.routeNotFound }, own);
    expect(found?.body).toBe('any error');
    expect(pages.pageFor({ ...refused, kind: PROBLEMS.unauthorized }, own)?.body).toBe('any error');
  });

  it('let nothing of a request become markup or end a string', () => {
    const evil = `"</p><script>alert('\`x\`')</script>&\\\n{{code}}`;
    const html = page('text/html', PROBLEMS.routeNotFound, evil)?.body ?? '';
    expect(html).not.toMatch(/<script|"<|[`']/);
    expect(html).toContain('&quot;&lt;/p&gt;&lt;script&gt;');
    // What a value holds is not a placeholder.
    expect(html).toContain('{{code}}</p>GW_ROUTE_NOT_FOUND 404 id-1');
    const json = page('application/json', PROBLEMS.routeNotFound, evil)?.body ?? '';
    expect(JSON.parse(json)).toEqual({ error: evil, status: 404 });
  });

  it('take the place of the document and its type, and keep all other fields', () => {
    const made = buildProblemReply(PROBLEMS.routeNotFound, 'id-1', 'None.', NO_FIELDS);
    expect(withErrorPage(made, null)).toBe(made);
    const shown = withErrorPage(made, page('text/html'));
    const fields = [...entriesOf(shown.fields)];
    expect(fields.map(([name]) => name)).toEqual([
      'Content-Type',
      'Vary',
      'X-Content-Type-Options',
      'Proxy-Status',
    ]);
    const kept = withErrorPage(made, page('image/png'));
    expect(kept.body).toBe(made.body);
    expect(Object.fromEntries(entriesOf(kept.fields))).toMatchObject({
      'Content-Type': 'application/problem+json',
      Vary: 'Accept',
    });
  });

  it('know their placeholders', () => {
    expect(unknownPlaceholder('{{status}} {{ title }} {{}} x')).toBe('');
    expect(unknownPlaceholder('{{status}} {{consumer}}')).toBe('consumer');
    expect(unknownPlaceholder('${status} {status} {{ a.b }} a{{')).toBeUndefined();
    expect(filledIn('{"a":{{status}},"b":"{{code}}"}')).toBe('{"a":400,"b":"x"}');
  });
});
