// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the text under test has them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../../../src/config/check/config-error.js';
import { loadConfigFile, loadConfigText } from '../../../../src/config/source/load-config.js';
import { compileConfig } from '../../../support/compile-config.js';

const VALID = `upstreams: { api: { targets: [{ url: "http://127.0.0.1:8001" }] } }
routes: [{ name: all, match: { path: /* }, upstream: api }]
`;

function errorOf(work: () => unknown): ConfigError {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('loadConfigFile', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function fileWith(content: string | Uint8Array): string {
    const file = join(folder, 'sluice.yaml');
    writeFileSync(file, content);
    return file;
  }

  it('reads a file', () => {
    expect(loadConfigFile(fileWith(VALID), {}).routes).toHaveLength(1);
  });

  it('reads a file with a byte order mark and Windows line ends', () => {
    const file = fileWith(`\ufeff${VALID.replaceAll('\n', '\r\n')}`);
    expect(loadConfigFile(file, {}).routes).toHaveLength(1);
  });

  it('says that a file is not there', () => {
    const file = join(folder, 'absent.yaml');
    const error = errorOf(() => loadConfigFile(file, {}));
    expect(error.message).toBe(`the file cannot be read: there is no such file (${file})`);
    expect(error.issues).toEqual([
      { path: '', line: 0, column: 0, message: 'the file cannot be read: there is no such file' },
    ]);
  });

  it('does not read a folder', () => {
    expect(errorOf(() => loadConfigFile(folder, {})).message).toContain('not a regular file');
  });

  it('does not read bytes that are no text', () => {
    const file = fileWith(new Uint8Array([0x61, 0x3a, 0x20, 0xff, 0xfe]));
    expect(errorOf(() => loadConfigFile(file, {})).message).toContain('not UTF-8');
  });

  it('reads a file of 16 MiB and refuses one byte more', () => {
    const padding = (bytes: number) => `#${'x'.repeat(bytes - VALID.length - 2)}\n${VALID}`;
    expect(loadConfigFile(fileWith(padding(16 * 1024 * 1024)), {}).routes).toHaveLength(1);
    const error = errorOf(() => loadConfigFile(fileWith(padding(16 * 1024 * 1024 + 1)), {}));
    expect(error.message).toContain('larger than 16 MiB');
  });
});

describe('loadConfigText', () => {
  const load = (text: string, environment: Record<string, string> = {}) =>
    loadConfigText(text, { file: 'sluice.yaml', environment });

  it('leaves out x- keys where the schema names keys, and nowhere else', () => {
    const config = load(
      [
        'x-defaults: &common { securityHeaders: true, x-note: ours }',
        'upstreams: { api: { x-owner: us, targets: [{ url: "http://127.0.0.1:1", x-zone: a }] } }',
        'routes:',
        '  - { <<: *common, name: all, match: { path: /*, x-why: all }, upstream: api,',
        '      rewrite: { headers: { set: { x-env: prod } } } }',
      ].join('\n'),
    );
    expect(config).toEqual({
      upstreams: { api: { targets: [{ url: 'http://127.0.0.1:1' }] } },
      routes: [
        {
          name: 'all',
          match: { path: '/*' },
          upstream: 'api',
          rewrite: { headers: { set: { 'x-env': 'prod' } } },
          securityHeaders: true,
        },
      ],
    });
    const wrong = errorOf(() => load('routes: [{ y-note: 1 }]'));
    expect(wrong.message).toContain('unknown key "y-note"');
  });

  it('puts the key, the nearest one, the path and the place into one line', () => {
    const rateLimit = 'upstream: api, rateLimit: { limit: 1, windw: 1s }';
    const text = VALID.replace('upstream: api', rateLimit);
    expect(errorOf(() => load(text)).message).toBe(
      'routes[0].rateLimit: unknown key "windw", did you mean "window"? (sluice.yaml:2:82)',
    );
  });

  it('lists what is wrong in the order of the file', () => {
    const error = errorOf(() => load(`workers: 0\nlisten: { port: x }\nadmin: 1\n${VALID}`));
    expect(error.issues.map(({ path, line }) => [path, line])).toEqual([
      ['workers', 1],
      ['listen.port', 2],
      ['admin', 3],
    ]);
  });

  it('ignores environment variables that are empty', () => {
    const environment = { GATEWAY_PORT: '', GATEWAY_WORKERS: '' };
    expect(load(VALID, environment)).toEqual(load(VALID));
  });

  it('lets the environment replace a wrong value of the file', () => {
    expect(load(`workers: 0\n${VALID}`, { GATEWAY_WORKERS: '2' }).workers).toBe(2);
    expect(load(`workers: \${W}\n${VALID}`, { W: '3' }).workers).toBe(3);
  });

  it('reports wrong variables beside mistakes of the file', () => {
    const error = errorOf(() => load(`workers: 2\nadmin: 3\n${VALID}`, { GATEWAY_WORKERS: '1.5' }));
    expect(error.message.split('\n')).toEqual([
      'GATEWAY_WORKERS: must be an integer from 1 to 64, not "1.5"',
      'admin: must be a mapping, not a number (sluice.yaml:2:8)',
    ]);
  });

  it('never says what a variable or a secret holds', () => {
    const secret = 'hunter2-hunter2';
    const text = `authenticators:
  a: { type: jwt, algorithms: [HS256], secret: "\${S}" }
  b: { type: "\${S}", algorithms: ["\${S}"], secret: ${secret} }
  c: ${secret}
listen: { host: "\${S}:\${S}", port: "\${S}" }
trustedProxies: ["\${S}"]
logging: { level: "\${S}" }
upstreams:
  api: { targets: [{ url: "\${S}" }, { url: "http://x:${secret}@h" }], timeouts: { idle: "\${S}" } }
routes:
  - name: "x \${S}"
    match: { path: "\${S}", methods: ["\${S}"] }
    upstream: "\${S}"
    authenticate: ["\${S}"]
    rateLimit: { limit: "\${S}", window: "\${S}", key: "\${S}", burst: "\${S}" }
    rewrite:
      stripPrefix: "\${S}"
      headers: { set: { a: "${secret}é", host: ${secret} }, remove: ["\${S} "] }
  - { name: "\${S}", match: { path: /a }, upstream: api }
  - { name: "\${S}", match: { path: /a }, upstream: api }
`;
    const error = errorOf(() => load(text, { S: secret }));
    expect(error.issues.length).toBeGreaterThan(20);
    expect(error.message).not.toContain('hunter2');
    expect(JSON.stringify(error)).not.toContain('hunter2');
  });

  it('says how many mistakes more there are, past a hundred', () => {
    const keys = Array.from({ length: 150 }, (_, index) => `zzzzzzzzz${index}: 1\n`).join('');
    const error = errorOf(() => load(keys + VALID));
    expect(error.issues).toHaveLength(150);
    expect(error.message.split('\n')).toHaveLength(101);
    expect(error.message.endsWith('\nand 50 more')).toBe(true);
  });

  it('throws nothing but ConfigError, whatever the text', () => {
    const piece = fc.constantFrom(
      ...['{', '}', '[', ']', ':', ' ', '\n', '- ', '&a ', '*a', '"', "'", '${A}', '${', '#', '|'],
      ...['routes', 'upstreams', 'api', '/*', 'match', '0', 'null', '__proto__', '\t', ', ', '? '],
    );
    const text = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(fc.oneof(text, fc.string({ unit: 'binary' })), (random) => {
        try {
          compileConfig(load(random, { A: 'x' }));
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('throws nothing but ConfigError, whatever the data', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('listen', 'limits', 'authenticators', 'upstreams', 'routes', 'workers'),
        fc.jsonValue(),
        (key, value) => {
          const data = { upstreams: {}, routes: [], [key]: value };
          try {
            compileConfig(load(JSON.stringify(data)));
          } catch (error) {
            expect(error).toBeInstanceOf(ConfigError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
