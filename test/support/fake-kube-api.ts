/**
 * An API server of Kubernetes that a test plays: services and endpoint slices of one namespace, with
 * lists in pages, watches, bookmarks and 410. The real kubectl is its judge.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Kind = 'services' | 'endpointslices';

export interface KubeMetadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly resourceVersion?: string;
}

export interface KubeItem {
  readonly metadata: KubeMetadata;
  readonly [field: string]: unknown;
}

interface Watch {
  readonly kind: Kind;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
}

const RESOURCES = {
  services: { api: 'v1', kind: 'Service', singular: 'service', shortNames: ['svc'] },
  endpointslices: {
    api: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    singular: 'endpointslice',
    shortNames: [],
  },
} as const;

export class FakeKubeApi {
  /** Path and query of each request, in order. */
  readonly asked: string[] = [];
  readonly tokens: (string | undefined)[] = [];
  /** Not 0: the next list or watch gets this status. */
  failNext = 0;
  /** Events since the beginning that a watch can still be told of: those after this version. */
  compactedAt = 0;
  /** Items in one page; what a client asks for is not exceeded. */
  pageMax = 1000;
  private readonly items = new Map<string, KubeItem>();
  private readonly events: { version: number; kind: Kind; type: string; item: KubeItem }[] = [];
  private version = 100;
  private watches: Watch[] = [];

  private constructor(private readonly server: Server) {
    server.on('request', (request, response) => this.answer(request, response));
  }

  static async start(): Promise<FakeKubeApi> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new FakeKubeApi(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get watchCount(): number {
    return this.watches.length;
  }

  put(kind: Kind, item: KubeItem): void {
    this.version += 1;
    const key = `${kind} ${item.metadata.name}`;
    const type = this.items.has(key) ? 'MODIFIED' : 'ADDED';
    const { api, kind: kindName } = RESOURCES[kind];
    const metadata = {
      namespace: 'shop',
      ...item.metadata,
      resourceVersion: String(this.version),
    };
    const stored = { apiVersion: api, kind: kindName, ...item, metadata };
    this.items.set(key, stored);
    this.tell(kind, type, stored);
  }

  /** `isTold`: watches hear of it. */
  remove(kind: Kind, name: string, isTold = true): void {
    const key = `${kind} ${name}`;
    const item = this.items.get(key);
    if (item === undefined) throw new Error(`no ${key}`);
    this.version += 1;
    this.items.delete(key);
    const metadata = { ...item.metadata, resourceVersion: String(this.version) };
    if (isTold) this.tell(kind, 'DELETED', { ...item, metadata });
  }

  bookmark(): void {
    this.version += 1;
    for (const { kind, response } of this.watches) {
      const { api, kind: kindName } = RESOURCES[kind];
      const metadata = { resourceVersion: String(this.version) };
      send(response, 'BOOKMARK', { apiVersion: api, kind: kindName, metadata });
    }
  }

  /** Every watch gets this event, and ends. */
  endWatches(object: object | null): void {
    for (const { response } of this.watches.splice(0)) {
      if (object !== null) send(response, 'ERROR', object);
      response.end();
    }
  }

  /** What is not an event, in the middle of all watches. */
  garble(text: string): void {
    for (const { response } of this.watches) response.write(text);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private tell(kind: Kind, type: string, item: KubeItem): void {
    this.events.push({ version: this.version, kind, type, item });
    for (const watch of this.watches) {
      if (watch.kind === kind && matches(item, watch.query)) send(watch.response, type, item);
    }
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', this.url);
    this.asked.push(url.pathname + url.search);
    this.tokens.push(request.headers.authorization);
    const match = /\/namespaces\/shop\/(services|endpointslices)(?:\/([^/]+))?$/.exec(url.pathname);
    if (match === null) {
      this.describe(url.pathname, response);
      return;
    }
    const kind = match[1] as Kind;
    if (this.failNext !== 0) {
      const code = this.failNext;
      this.failNext = 0;
      json(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code }, code);
    } else if (match[2] !== undefined) this.getOne(kind, decodeURIComponent(match[2]), response);
    else if (['true', '1'].includes(url.searchParams.get('watch') ?? '')) {
      this.watch(kind, url.searchParams, response);
    } else this.list(kind, url.searchParams, response);
  }

  private getOne(kind: Kind, name: string, response: ServerResponse): void {
    const item = this.items.get(`${kind} ${name}`);
    if (item !== undefined) json(response, item);
    else json(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404 }, 404);
  }

  private list(kind: Kind, query: URLSearchParams, response: ServerResponse): void {
    const all = [...this.items]
      .filter(([key, item]) => key.startsWith(`${kind} `) && matches(item, query))
      .map(([, item]) => item);
    const from = Number(query.get('continue') ?? 0);
    const limit = Math.min(Number(query.get('limit') ?? 500), this.pageMax);
    const { api, kind: kindName } = RESOURCES[kind];
    const more = from + limit < all.length ? { continue: String(from + limit) } : {};
    const metadata = { resourceVersion: String(this.version), ...more };
    const items = all.slice(from, from + limit);
    json(response, { apiVersion: api, kind: `${kindName}List`, metadata, items });
  }

  private watch(kind: Kind, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion') ?? 0);
    if (from !== 0 && from < this.compactedAt) {
      json(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 410 }, 410);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const { version, kind: one, type, item } of this.events) {
      if (one === kind && version > from && matches(item, query)) send(response, type, item);
    }
    const watch = { kind, response, query };
    this.watches.push(watch);
    response.on('close', () => {
      this.watches = this.watches.filter((one) => one !== watch);
    });
  }

  /** What a client asks before it asks for anything. */
  private describe(path: string, response: ServerResponse): void {
    const group = { groupVersion: 'discovery.k8s.io/v1', version: 'v1' };
    if (path === '/api') json(response, { kind: 'APIVersions', versions: ['v1'] });
    else if (path === '/apis') {
      const groups = [{ name: 'discovery.k8s.io', versions: [group], preferredVersion: group }];
      json(response, { kind: 'APIGroupList', apiVersion: 'v1', groups });
    } else if (path === '/version')
      json(response, { major: '1', minor: '32', gitVersion: 'v1.32.4' });
    else if (path === '/api/v1') json(response, resourceList('services'));
    else if (path === '/apis/discovery.k8s.io/v1') json(response, resourceList('endpointslices'));
    else json(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404 }, 404);
  }
}

function resourceList(name: Kind): object {
  const { api, kind, singular, shortNames } = RESOURCES[name];
  const resource = {
    ...{ name, singularName: singular, namespaced: true, kind, shortNames },
    verbs: ['get', 'list', 'watch'],
  };
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: api, resources: [resource] };
}

/** As far as the two selectors go that anybody sends. */
function matches({ metadata }: KubeItem, query: URLSearchParams): boolean {
  const [label = '', value = ''] = (query.get('labelSelector') ?? '').split('=');
  if (label !== '' && metadata.labels?.[label] !== value) return false;
  const [, name = ''] = /^metadata\.name=(.*)$/.exec(query.get('fieldSelector') ?? '') ?? [];
  return name === '' || metadata.name === name;
}

function send(response: ServerResponse, type: string, object: object): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}

function json(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
