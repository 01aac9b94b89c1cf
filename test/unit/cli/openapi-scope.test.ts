/** What of an OpenAPI document is judged, as the commands say it. */
import { describe, expect, it } from 'vitest';
import { runCommandLine } from '../../../src/cli/command-line.js';
import { capturedIo } from './captured-io.js';
import { configFolder } from './config-folder.js';

const writeFile = configFolder();

const DOCUMENT = `
openapi: 3.1.0
paths:
  /pets:
    get:
      operationId: list
      parameters:
        - { name: limit, in: query, schema: { type: integer } }
        - { name: odd, in: query, schema: { type: object } }
  /a{x}{y}: { get: {} }
`;

const config = (openapi: string) => `
upstreams: { a: { targets: [{ url: "http://127.0.0.1:1" }] } }
routes: [{ name: pets, match: { path: /v1/* }, openapi: ${openapi}, upstream: a }]
`;

async function call(...argv: readonly string[]) {
  const io = capturedIo();
  const code = await runCommandLine(argv, io, async () => 0);
  // What would be started depends on the machine.
  const err = io.err().replace(/^note: on this machine .*\n/m, '');
  return { code, out: io.out(), err };
}

describe.each(['pets.yaml', '{ file: pets.yaml }', '{ file: pets.yaml, onUnsupported: warn }'])(
  'a document named by %s',
  (openapi) => {
    it('is served, and validate says what is not judged', async () => {
      writeFile(DOCUMENT, 'pets.yaml');
      const file = writeFile(config(openapi));
      const { code, out, err } = await call('validate', '-c', file);
      expect([code, out]).toEqual([0, `${file}: ok (1 route, 1 upstream)\n`]);
      const lines = err.trimEnd().split('\n');
      expect(lines).toHaveLength(2);
      expect(lines.join()).toMatch(/warning: route pets: .*"odd" is an object of unknown members/);
      expect(lines.join()).toMatch(/it has no route: the path \/a\{x\}\{y\}/);
    });

    it('has what is judged of each operation in routes and explain', async () => {
      writeFile(DOCUMENT, 'pets.yaml');
      const file = writeFile(config(openapi));
      const { out } = await call('routes', '-c', file);
      expect(out).toContain('pets.list judges query limit\n');
      expect(out).toContain('pets.list: the query parameter "odd" is an object');
      const explained = await call('explain', '-c', file, 'GET', '/v1/pets?limit=3');
      expect(explained.out).toContain('the document judges query limit; not judged: the query');
    });
  },
);

describe('a document with onUnsupported: refuse', () => {
  it('is a mistake as long as something of it is not judged', async () => {
    writeFile(DOCUMENT, 'pets.yaml');
    const file = writeFile(config('{ file: pets.yaml, onUnsupported: refuse }'));
    const { code, out, err } = await call('validate', '-c', file);
    expect([code, out]).toEqual([2, '']);
    expect(err.trimEnd().split('\n')).toHaveLength(2);
  });

  it('is served when all of it is judged', async () => {
    writeFile(DOCUMENT.replace(/.*(odd|\{y\}).*\n/g, ''), 'pets.yaml');
    const file = writeFile(config('{ file: pets.yaml, onUnsupported: refuse }'));
    expect(await call('validate', '-c', file)).toMatchObject({ code: 0, err: '' });
  });
});

describe('a document with references that lead nowhere', () => {
  it('is a mistake in any case', async () => {
    writeFile('{ openapi: 3.1.0, paths: { /a: { $ref: other.yaml } } }', 'pets.yaml');
    const { code, err } = await call('validate', '-c', writeFile(config('pets.yaml')));
    expect(code).toBe(2);
    expect(err).toContain('leads to a file that cannot be read');
  });
});
