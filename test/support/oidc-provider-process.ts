/**
 * A real OpenID provider (npm oidc-provider) in a process of its own, which tests can make slow,
 * broken or silent, and which tells them what it was asked.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import Provider, { type ProviderContext } from 'oidc-provider';
import { builtFile } from './built-file.js';
import { eventually } from './eventually.js';

const FILE = builtFile('test/support/oidc-provider-process.js');

/** What the token endpoint does: works, hangs, or answers nonsense. */
export type TokenMood = 'well' | 'silent' | 'garbage';

export interface ProviderOrder {
  /** Origin of the gateway, whose paths the provider knows then. */
  readonly gateway?: string;
  /** Life of the access token of a login; those of renewals last an hour. */
  readonly firstSeconds?: number;
  /** Signs with a new key from now on. */
  readonly newKey?: boolean;
  readonly mood?: TokenMood;
  /** Logout tokens are recorded, and nobody gets them. */
  readonly keepsLogouts?: boolean;
}

/** What the provider was asked so far. */
export interface ProviderRecord {
  /** Grant types of calls of the token endpoint. */
  readonly grants: readonly string[];
  readonly logoutTokens: readonly string[];
  /** Redirect URIs with codes that it gave out. */
  readonly codes: readonly string[];
}

export class OidcProviderProcess {
  private port = 0;

  private constructor(private readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const [, port] = /PORT (\d+)/.exec(text) ?? [];
      if (port !== undefined) this.port = Number(port);
    });
  }

  static async start(): Promise<OidcProviderProcess> {
    const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit'];
    const provider = new OidcProviderProcess(spawn(process.execPath, [FILE, 'serve'], { stdio }));
    await eventually('the provider listens', () => provider.port > 0);
    return provider;
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async order(order: ProviderOrder): Promise<void> {
    const query = encodeURIComponent(JSON.stringify(order));
    await fetch(`${this.issuer}/control?order=${query}`);
  }

  async record(): Promise<ProviderRecord> {
    const reply = await fetch(`${this.issuer}/control`);
    return (await reply.json()) as ProviderRecord;
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.child.on('exit', resolve));
    this.child.kill();
    await exited;
  }
}

class ProviderServer {
  private readonly grants: string[] = [];
  private readonly logoutTokens: string[] = [];
  private readonly codes: string[] = [];
  private readonly keys: Record<string, unknown>[] = [];
  private order: ProviderOrder = { gateway: 'http://localhost:1', firstSeconds: 3600 };
  private provider: Provider;

  constructor(private readonly issuer: string) {
    this.addKey();
    this.provider = this.make();
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '', this.issuer);
    if (pathname === '/control') {
      this.control(searchParams.get('order'));
      const { grants, logoutTokens, codes } = this;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ grants, logoutTokens, codes }));
      return;
    }
    if (pathname === '/token' && this.isMoody(response)) return;
    response.on('finish', () => {
      const location = String(response.getHeader('location') ?? '');
      if (location.includes('code=')) this.codes.push(location);
    });
    void this.provider.callback()(request, response);
  }

  private control(order: string | null): void {
    if (order === null) return;
    const change = JSON.parse(order) as ProviderOrder;
    this.order = { ...this.order, ...change };
    if (change.newKey === true) this.addKey();
    if (change.newKey === true || change.gateway !== undefined) this.provider = this.make();
  }

  private isMoody(response: ServerResponse): boolean {
    const { mood = 'well' } = this.order;
    if (mood === 'garbage') response.writeHead(200, { 'content-type': 'text/html' }).end('<p>');
    return mood !== 'well';
  }

  private addKey(): void {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const kid = `key-${this.keys.length}`;
    this.keys.unshift({ ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' });
  }

  private make(): Provider {
    const { gateway = '' } = this.order;
    const provider = new Provider(this.issuer, {
      clients: [
        {
          client_id: 'sluice',
          client_secret: 'the password of the gateway',
          redirect_uris: ['login', 'plain'].map((path) => `${gateway}/${path}/callback`),
          post_logout_redirect_uris: [`${gateway}/`],
          grant_types: ['authorization_code', 'refresh_token'],
          backchannel_logout_uri: `${gateway}/login/backchannel`,
          backchannel_logout_session_required: true,
        },
      ],
      jwks: { keys: this.keys },
      cookies: { keys: ['cookies of a provider that tests start'] },
      features: {
        backchannelLogout: { enabled: true },
        revocation: { enabled: true },
        devInteractions: { enabled: true },
      },
      ttl: {
        AccessToken: ({ oidc }: ProviderContext) =>
          oidc.params['grant_type'] === 'refresh_token' ? 3600 : this.order.firstSeconds,
      },
      scopes: ['openid', 'offline_access'],
      issueRefreshToken: () => true,
      rotateRefreshToken: true,
      findAccount: (_: unknown, accountId: string) => ({
        accountId,
        claims: () => ({ sub: accountId }),
      }),
      loadExistingGrant,
      // Its own would not speak with this machine.
      fetch: (url: string, { method, headers, body }: RequestInit) => {
        const token = new URLSearchParams(String(body ?? '')).get('logout_token');
        if (token !== null) this.logoutTokens.push(token);
        if (token !== null && this.order.keepsLogouts) return new Response(null, { status: 200 });
        return fetch(url, { method: method ?? 'GET', headers: headers ?? {}, body: body ?? null });
      },
    });
    provider.on('grant.success', ({ oidc }) => {
      this.grants.push(oidc.params['grant_type'] ?? '');
    });
    for (const event of ['backchannel.error', 'server_error', 'grant.error'] as const) {
      provider.on(event, (_, error) => console.error(event, error));
    }
    return provider;
  }
}

/** Nobody is asked what the gateway may know. */
async function loadExistingGrant({ oidc }: ProviderContext): Promise<unknown> {
  const { provider, client, session } = oidc;
  const grant = new provider.Grant({ accountId: session.accountId, clientId: client.clientId });
  grant.addOIDCScope('openid offline_access');
  await grant.save();
  return grant;
}

if (process.argv[2] === 'serve' && process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = createServer();
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    const provider = new ProviderServer(`http://127.0.0.1:${port}`);
    server.on('request', (request, response) => provider.serve(request, response));
    process.stdout.write(`PORT ${port}\n`);
  });
}
