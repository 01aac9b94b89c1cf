/**
 * An API server of Kubernetes that a test plays: lists in pages, watches, bookmarks, 410, status
 * and events. The real kubectl is its judge.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Kind =
  | 'services'
  | 'endpointslices'
  | 'secrets'
  | 'events'
  | 'namespaces'
  | 'ingresses'
  | 'ingressclasses'
  | 'gatewayclasses'
  | 'gateways'
  | 'httproutes'
  | 'referencegrants';

export interface KubeMetadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly uid?: string;
  readonly creationTimestamp?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
}

export interface KubeItem {
  readonly metadata: KubeMetadata;
  readonly [field: string]: unknown;
}

interface Watch {
  readonly kind: Kind;
  /** '': all. */
  readonly namespace: string;
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
  secrets: { api: 'v1', kind: 'Secret', singular: 'secret', shortNames: [] },
  events: { api: 'v1', kind: 'Event', singular: 'event', shortNames: ['ev'] },
  ingresses: {
    api: 'networking.k8s.io/v1',
    kind: 'Ingress',
    singular: 'ingress',
    shortNames: ['ing'],
  },
  ingressclasses: {
    api: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    singular: 'ingressclass',
    shortNames: [],
  },
  namespaces: { api: 'v1', kind: 'Namespace', singular: 'namespace', shortNames: ['ns'] },
  gatewayclasses: {
    api: 'gateway.networking.k8s.io/v1',
    kind: 'GatewayClass',
    singular: 'gatewayclass',
    shortNames: ['gc'],
  },
  gateways: {
    api: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    singular: 'gateway',
    shortNames: ['gtw'],
  },
  httproutes: {
    api: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    singular: 'httproute',
    shortNames: [],
  },
  referencegrants: {
    api: 'gateway.networking.k8s.io/v1beta1',
    kind: 'ReferenceGrant',
    singular: 'referencegrant',
    shortNames: ['refgrant'],
  },
} as const;

export const GATEWAY_KINDS: readonly Kind[] = [
  'gatewayclasses',
  'gateways',
  'httproutes',
  'referencegrants',
];

const KINDS = Object.keys(RESOURCES) as Kind[];
const NAMESPACE = 'shop';
/** Those that are of no namespace. */
const CLUSTER_KINDS: readonly Kind[] = ['ingressclasses', 'gatewayclasses', 'namespaces'];
const PLACE =
  /^\/(?:api\/(v1)|apis\/([a-z0-9.]+\/v1(?:beta1)?))(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/([^/]+))?(\/status)?$/;

export class FakeKubeApi {
  /** Path and query of each request, in order. */
  readonly asked: string[] = [];
  readonly tokens: (string | undefined)[] = [];
  /** Method, kind and name of what was written. */
  readonly written: string[] = [];
  /** Not 0: the next list or watch gets this status. */
  failNext = 0;
  /** Events since the beginning that a watch can still be told of: those after this version. */
  compactedAt = 0;
  /** False: each watch ends as soon as it has begun. */
  keepsWatches = true;
  /** Kinds that nobody may read: 403. */
  readonly forbidden = new Set<Kind>();
  /** Kinds that the cluster does not have: 404. */
  readonly absent = new Set<Kind>();
  /** Writes of a status that come too late yet: 409. */
  conflicts = 0;
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

  /** A kubeconfig whose only context is this server, in the namespace `shop`. */
  kubeconfig(): string {
    return JSON.stringify({
      'current-context': 'here',
      contexts: [{ name: 'here', context: { cluster: 'c', user: 'u', namespace: NAMESPACE } }],
      clusters: [{ name: 'c', cluster: { server: this.url } }],
      users: [{ name: 'u', user: {} }],
    });
  }

  get watchCount(): number {
    return this.watches.length;
  }

  /** The item as it is now. */
  find(kind: Kind, name: string, namespace = NAMESPACE): KubeItem | undefined {
    return this.items.get(keyOf(kind, namespace, name));
  }

  /** All items of the kind. */
  all(kind: Kind): KubeItem[] {
    return [...this.items].filter(([key]) => key.startsWith(`${kind} `)).map(([, item]) => item);
  }

  put(kind: Kind, item: KubeItem): void {
    this.version += 1;
    const key = keyOf(kind, item.metadata.namespace ?? NAMESPACE, item.metadata.name);
    const type = this.items.has(key) ? 'MODIFIED' : 'ADDED';
    const { api, kind: kindName } = RESOURCES[kind];
    const before = this.items.get(key);
    const isNewer = JSON.stringify(before?.['spec']) !== JSON.stringify(item['spec']);
    const { generation = 0 } = before?.metadata ?? {};
    const metadata = {
      ...(GATEWAY_KINDS.includes(kind) && { generation: generation + (isNewer ? 1 : 0) }),
      ...(!CLUSTER_KINDS.includes(kind) && { namespace: NAMESPACE }),
      ...withoutGeneration(item.metadata),
      resourceVersion: String(this.version),
    };
    const stored = { apiVersion: api, kind: kindName, ...item, metadata };
    this.items.set(key, stored);
    this.tell(kind, type, stored);
  }

  /** `isTold`: watches hear of it. */
  remove(kind: Kind, name: string, isTold = true): void {
    const key = keyOf(kind, NAMESPACE, name);
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
      if (watch.kind !== kind || !isIn(item, watch.namespace)) continue;
      if (matches(item, watch.query)) send(watch.response, type, item);
    }
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', this.url);
    this.asked.push(url.pathname + url.search);
    this.tokens.push(request.headers.authorization);
    const place = placeOf(url.pathname);
    if (place === null) {
      this.describe(url.pathname, response);
      return;
    }
    const { kind, name } = place;
    if (this.absent.has(kind)) {
      json(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404 }, 404);
    } else if (this.forbidden.has(kind) || this.failNext !== 0) {
      const code = this.forbidden.has(kind) ? 403 : this.failNext;
      if (code === this.failNext) this.failNext = 0;
      json(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code }, code);
    } else if (request.method === 'POST' || request.method === 'PATCH') {
      void this.write(place, request, response);
    } else if (name !== '') this.getOne(place, response);
    else if (['true', '1'].includes(url.searchParams.get('watch') ?? '')) {
      this.watch(place, url.searchParams, response);
    } else this.list(place, url.searchParams, response);
  }

  /** A new object, a change of one, or its status. */
  private async write(
    { kind, namespace, name, isStatus }: Place,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as KubeItem;
    const isNew = request.method === 'POST';
    const before = this.items.get(keyOf(kind, namespace, isNew ? body.metadata.name : name));
    if (isNew === (before !== undefined)) {
      const code = isNew ? 409 : 404;
      json(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code }, code);
      return;
    }
    const wanted = body.metadata?.resourceVersion ?? before?.metadata.resourceVersion;
    const isLate = before !== undefined && wanted !== before.metadata.resourceVersion;
    if (isStatus && (isLate || this.conflicts > 0)) {
      if (!isLate) this.conflicts -= 1;
      json(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 409 }, 409);
      return;
    }
    this.written.push(`${request.method} ${kind} ${isNew ? body.metadata.name : name}`);
    const item = before === undefined ? born(body) : changed(before, body, isStatus);
    this.put(kind, item);
    json(response, this.find(kind, item.metadata.name, namespace) ?? item, isNew ? 201 : 200);
  }

  private getOne({ kind, namespace, name }: Place, response: ServerResponse): void {
    const item = this.items.get(keyOf(kind, namespace, name));
    if (item !== undefined) json(response, item);
    else json(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404 }, 404);
  }

  private list({ kind, namespace }: Place, query: URLSearchParams, response: ServerResponse): void {
    const all = this.all(kind).filter((item) => isIn(item, namespace) && matches(item, query));
    const from = Number(query.get('continue') ?? 0);
    const limit = Math.min(Number(query.get('limit') ?? 500), this.pageMax);
    const { api, kind: kindName } = RESOURCES[kind];
    const more = from + limit < all.length ? { continue: String(from + limit) } : {};
    const metadata = { resourceVersion: String(this.version), ...more };
    const items = all.slice(from, from + limit);
    json(response, { apiVersion: api, kind: `${kindName}List`, metadata, items });
  }

  private watch(
    { kind, namespace }: Place,
    query: URLSearchParams,
    response: ServerResponse,
  ): void {
    const from = Number(query.get('resourceVersion') ?? 0);
    if (from !== 0 && from < this.compactedAt) {
      json(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 410 }, 410);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (!this.keepsWatches) {
      response.end();
      return;
    }
    for (const { version, kind: one, type, item } of this.events) {
      if (one !== kind || version <= from || !isIn(item, namespace)) continue;
      if (matches(item, query)) send(response, type, item);
    }
    const watch = { kind, namespace, response, query };
    this.watches.push(watch);
    response.on('close', () => {
      this.watches = this.watches.filter((one) => one !== watch);
    });
  }

  /** What a client asks before it asks for anything. */
  private describe(path: string, response: ServerResponse): void {
    const names = ['discovery.k8s.io', 'networking.k8s.io', 'gateway.networking.k8s.io'];
    const groups = names.map((name) => {
      const all = KINDS.map((kind) => RESOURCES[kind].api).filter((one) =>
        one.startsWith(`${name}/`),
      );
      const versions = [...new Set(all)].map((groupVersion) => ({
        ...{ groupVersion, version: groupVersion.slice(name.length + 1) },
      }));
      return { name, versions, preferredVersion: versions[0] };
    });
    const api = path.replace(/^\/apis?\//, '');
    const kinds = KINDS.filter((kind) => RESOURCES[kind].api === api);
    if (path === '/api') json(response, { kind: 'APIVersions', versions: ['v1'] });
    else if (path === '/apis') json(response, { kind: 'APIGroupList', apiVersion: 'v1', groups });
    else if (path === '/version')
      json(response, { major: '1', minor: '32', gitVersion: 'v1.32.4' });
    else if (kinds.length > 0) json(response, resourceList(api, kinds));
    else json(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404 }, 404);
  }
}

/** The server alone counts generations. */
function withoutGeneration({ generation: _own, ...metadata }: KubeMetadata): KubeMetadata {
  return metadata;
}

interface Place {
  readonly kind: Kind;
  /** '': all, or none. */
  readonly namespace: string;
  /** '': all of them. */
  readonly name: string;
  readonly isStatus: boolean;
}

function born(item: KubeItem): KubeItem {
  const creationTimestamp = new Date().toISOString();
  const metadata = { uid: randomUUID(), creationTimestamp, ...item.metadata };
  return { ...item, metadata };
}

/** By a merge patch, as far as anybody here sends one. */
function changed(before: KubeItem, patch: KubeItem, isStatus: boolean): KubeItem {
  if (isStatus) {
    const [old, status] = [before['status'], patch['status']] as [object, object];
    return { ...before, status: { ...old, ...status } };
  }
  const { status: _status, metadata, ...rest } = patch;
  return { ...before, ...rest, metadata: { ...before.metadata, ...metadata } };
}

/** null: nothing of the kind is here. */
function placeOf(path: string): Place | null {
  const match = PLACE.exec(path);
  const kind = KINDS.find((one) => one === match?.[4]);
  if (match === null || kind === undefined) return null;
  if (RESOURCES[kind].api !== (match[1] ?? match[2])) return null;
  const [namespace, name] = [match[3] ?? '', decodeURIComponent(match[5] ?? '')];
  return { kind, namespace, name, isStatus: match[6] !== undefined };
}

function keyOf(kind: Kind, namespace: string, name: string): string {
  return CLUSTER_KINDS.includes(kind) ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}

function isIn({ metadata }: KubeItem, namespace: string): boolean {
  return namespace === '' || metadata.namespace === namespace;
}

function resourceList(api: string, kinds: readonly Kind[]): object {
  const resources = kinds.map((name) => {
    const { kind, singular, shortNames } = RESOURCES[name];
    return {
      ...{
        name,
        singularName: singular,
        namespaced: !CLUSTER_KINDS.includes(name),
        kind,
        shortNames,
      },
      verbs: ['create', 'get', 'list', 'patch', 'watch'],
    };
  });
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: api, resources };
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
