/** `sluice validate` warns of certificates that no client would take today, and of staples. */
import { afterAll, afterEach, expect, it } from 'vitest';
import { runCommandLine } from '../../../src/cli/command-line.js';
import { forgetPairs } from '../../../src/config/references/read-pairs.js';
import { TestAuthority } from '../../support/test-authority.js';
import { capturedIo } from './captured-io.js';
import { configFolder } from './config-folder.js';

const authority = new TestAuthority();
const writeFile = configFolder();
afterAll(() => authority.remove());
// Other files may share the modules of this one.
afterEach(() => forgetPairs());

async function warningsOf(name: string, days: number, more: object = {}): Promise<string> {
  const { cert, key } = authority.sign({ names: 'DNS:a.test', days });
  const files = {
    cert: writeFile(cert, `${name}.pem`),
    key: writeFile(key, `${name}.key`),
    ...more,
  };
  const listen = { port: 8443, tls: { certificates: [files] } };
  const upstreams = { a: { targets: [{ url: 'http://127.0.0.1:1' }] } };
  const routes = [{ name: 'r', match: { path: '/' }, upstream: 'a' }];
  const io = capturedIo();
  const file = writeFile(JSON.stringify({ listen, upstreams, routes }), `${name}.json`);
  expect(await runCommandLine(['validate', '-c', file], io, async () => 0)).toBe(0);
  return io.err().replaceAll(/^note: .*\n/gm, '');
}

it('is warned of a staple that is none', async () => {
  expect(await warningsOf('stapled', 2, { ocsp: writeFile('<html>', 'ocsp.der') })).toMatch(
    /^warning: \/.*\/ocsp\.der: is no OCSP response in DER .*; its certificate is served without it\n$/,
  );
});

it('is warned of, with the day of its end', async () => {
  expect(await warningsOf('good', 2)).toBe('');
  expect(await warningsOf('old', -1)).toMatch(
    /^warning: \/.*\/old\.pem: the certificate has expired, on \d{4}-\d\d-\d\d\n$/,
  );
});
