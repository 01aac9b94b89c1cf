import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A temporary folder that goes away after the tests of the file. Returns a writer of files. */
export function configFolder(): (content: string, name?: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  return (content, name = 'sluice.yaml') => {
    const file = join(folder, name);
    writeFileSync(file, content);
    return file;
  };
}

export const SAMPLE = `
authenticators:
  users:
    type: jwt
    algorithms: [HS256]
    secret: "0123456789abcdef0123456789abcdef"
    issuer: sluice
    audience: api
  staff: { type: jwt, algorithms: [HS512], secret: "${'0123456789abcdef'.repeat(4)}" }
upstreams:
  products: { targets: [{ url: "http://127.0.0.1:8003" }, { url: "http://127.0.0.1:8004" }] }
  api: { targets: [{ url: "http://127.0.0.1:8001" }] }
routes:
  - { name: public, match: { path: /api/public, methods: [GET] }, upstream: api }
  - name: users
    match: { path: /api/users/*, methods: [GET, POST] }
    upstream: api
    authenticate: [users, staff]
    rateLimit: { limit: 5, window: 60s, key: consumer }
  - name: products
    match: { path: "/api/products/:id" }
    upstream: products
    rateLimit: { limit: 2, window: 1s, algorithm: tokenBucket, burst: 9, key: "header:X-Key" }
`;

/** Routes that the gateway answers itself, and one with an upstream. */
export const ANSWERING = `
tokenService: { issuer: sluice, audience: api }
upstreams:
  products: { targets: [{ url: "http://127.0.0.1:8003" }] }
routes:
  - { name: products, match: { path: /products/* }, upstream: products }
  - name: keys
    match: { path: /.well-known/jwks.json, methods: [GET] }
    tokenService: keys
  - { name: hello, match: { path: /hello }, respond: { body: hello } }
  - { name: few, match: { path: /few }, respond: {}, rateLimit: { limit: 2, window: 1h } }
`;
