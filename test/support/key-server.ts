/**
 * An issuer of tokens as a process of its own: a key set that rotates, OpenID Connect Discovery,
 * and introspection. Private keys never leave it: it signs what a test asks it to.
 *
 * The second half of this file is what the process runs, from the build:
 * `node dist/test/support/key-server.js PORT`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { SignJWT } from 'jose';

const FILE = fileURLToPath(new URL('../../dist/test/support/key-server.js', import.meta.url));

/** What the key set answers: as it should, with 500, with no keys, or with nothing at all. */
export type KeySetMode = 'good' | 'broken' | 'empty' | 'silent';

interface Orders {
  /** A new key signs from now on; the former ones stay in the set. */
  readonly rotate?: boolean;
  /** Only the key that signs now stays in the set. */
  readonly retire?: boolean;
  readonly mode?: KeySetMode;
}

export class KeyServer {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {}

  static async start(port = 0): Promise<KeyServer> {
    const child = spawn(process.execPath, [FILE, String(port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const bound = await new Promise<number>((resolve, reject) => {
      child.stdout.setEncoding('utf8').once('data', (text: string) => resolve(Number(text)));
      child.once('exit', (code) => reject(new Error(`the key server ended with ${code}`)));
    });
    return new KeyServer(child, bound);
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get jwksUri(): string {
    return `${this.issuer}/jwks`;
  }

  async order(orders: Orders): Promise<void> {
    await this.post('/orders', orders);
  }

  /** A token by the key that signs now; `header` replaces parts of its header. */
  async token(
    claims: Readonly<Record<string, unknown>> = {},
    header: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    return (await this.post('/sign', { claims, header })).text();
  }

  /** How often a path was asked for. */
  async hits(path = '/jwks'): Promise<number> {
    const reply = await fetch(`${this.issuer}/hits`);
    return ((await reply.json()) as Record<string, number>)[path] ?? 0;
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await exited;
  }

  private async post(path: string, body: unknown): Promise<Response> {
    const reply = await fetch(this.issuer + path, { method: 'POST', body: JSON.stringify(body) });
    if (reply.status !== 200) throw new Error(`${path}: ${await reply.text()}`);
    return reply;
  }
}

interface SigningKey {
  readonly kid: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

class Issuer {
  private readonly hits = new Map<string, number>();
  private keys: SigningKey[] = [];
  private made = 0;
  private mode: KeySetMode = 'good';

  constructor(private readonly issuerOf: () => string) {
    this.follow({ rotate: true });
  }

  async answer(request: IncomingMessage): Promise<{ status: number; body: string } | null> {
    const { url = '/' } = request;
    this.hits.set(url, (this.hits.get(url) ?? 0) + 1);
    const good = (value: unknown) => ({ status: 200, body: JSON.stringify(value) });
    switch (url) {
      case '/.well-known/openid-configuration': {
        const jwks_uri = `${this.issuerOf()}/oidc-jwks`;
        return good({ issuer: this.issuerOf(), jwks_uri });
      }
      case '/jwks':
      case '/oidc-jwks':
        if (this.mode === 'silent') return null;
        if (this.mode === 'broken') return { status: 500, body: '' };
        return good({ keys: this.mode === 'empty' ? [] : this.keys.map(publicJwk) });
      case '/hits':
        return good(Object.fromEntries(this.hits));
      case '/orders':
        this.follow((await readJson(request)) as Orders);
        return good({});
      case '/sign':
        return { status: 200, body: await this.sign((await readJson(request)) as SignOrder) };
      default:
        return { status: 404, body: '' };
    }
  }

  private follow({ rotate, retire, mode }: Orders): void {
    if (rotate) {
      this.made += 1;
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      this.keys.push({ kid: `key-${this.made}`, ...pair });
    }
    if (retire) this.keys = this.keys.slice(-1);
    this.mode = mode ?? this.mode;
  }

  private sign({ claims, header }: SignOrder): Promise<string> {
    const key = this.keys.at(-1) as SigningKey;
    const now = Math.floor(Date.now() / 1000);
    const base = { sub: 'ada', iss: this.issuerOf(), aud: 'api', iat: now, exp: now + 600 };
    return new SignJWT({ ...base, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: key.kid, ...header })
      .sign(key.privateKey);
  }
}

interface SignOrder {
  readonly claims: Readonly<Record<string, unknown>>;
  readonly header: Readonly<Record<string, unknown>>;
}

function publicJwk({ kid, publicKey }: SigningKey) {
  return { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' };
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString());
}

function serve(port: number): void {
  const issuer = new Issuer(() => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const server = createServer((request, response) => {
    issuer.answer(request).then(
      (answer) => {
        if (answer === null) return;
        response.writeHead(answer.status, { 'content-type': 'application/json' });
        response.end(answer.body);
      },
      (error: unknown) => response.writeHead(400).end(String(error)),
    );
  });
  server.listen(port, '127.0.0.1', () => {
    process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  });
}

if (argv[1] === fileURLToPath(import.meta.url)) serve(Number(argv[2]));
