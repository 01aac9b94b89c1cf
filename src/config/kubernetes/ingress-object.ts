/**
 * An Ingress (networking.k8s.io/v1) as far as routes are made of it.
 *
 * Thread: any (pure). Reading it says everything that is wrong with its form.
 */
import { asciiHost } from '../references/route-match.js';
import { type KubeJson, listAt, recordAt, textAt, textsAt } from './kube-json.js';

export type PathType = 'Exact' | 'Prefix' | 'ImplementationSpecific';

export interface IngressBackend {
  readonly service: string;
  readonly port: string | number;
}

export interface IngressPath {
  /** ASCII, lower case; '': every host. */
  readonly host: string;
  readonly path: string;
  readonly pathType: PathType;
  readonly backend: IngressBackend;
}

export interface IngressObject {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** RFC 3339, UTC: earlier ones are smaller texts. */
  readonly created: string;
  /** Without the prefix; of ingress-nginx alone. */
  readonly annotations: ReadonlyMap<string, string>;
  readonly paths: readonly IngressPath[];
  /** null: none. */
  readonly defaultBackend: IngressBackend | null;
  /** Hosts of all rules; '' among them: a rule for every host. */
  readonly hosts: readonly string[];
  readonly tls: readonly { readonly secret: string; readonly hosts: readonly string[] }[];
}

export const ANNOTATION_PREFIX = 'nginx.ingress.kubernetes.io/';
const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';
const DEFAULT_CLASS_ANNOTATION = 'ingressclass.kubernetes.io/is-default-class';

const PATHS_MAX = 1000;
const HOSTS_MAX = 250;

/** The classes of this controller, as far as they can be read. */
export interface OwnClasses {
  readonly names: ReadonlySet<string>;
  /** One of them takes objects that name no class. */
  readonly hasDefault: boolean;
}

/** `classes`: null, they cannot be read: then the name alone decides. */
export function ownClasses(
  classes: readonly KubeJson[] | null,
  { className, controller }: { readonly className: string; readonly controller: string },
): OwnClasses {
  if (classes === null) return { names: new Set([className]), hasDefault: false };
  const own = classes.filter((one) => textAt(recordAt(one, 'spec'), 'controller') === controller);
  const metadata = own.map((one) => recordAt(one, 'metadata'));
  return {
    names: new Set(metadata.map((one) => textAt(one, 'name'))),
    hasDefault: metadata.some(
      (one) => textAt(recordAt(one, 'annotations'), DEFAULT_CLASS_ANNOTATION) === 'true',
    ),
  };
}

/** Whether it is for this controller. `className`: by which the older annotation means it. */
export function isOwnIngress(object: KubeJson, own: OwnClasses, className: string): boolean {
  const named = textAt(recordAt(object, 'spec'), 'ingressClassName');
  if (named !== '') return own.names.has(named);
  const annotations = recordAt(recordAt(object, 'metadata'), 'annotations');
  const older = textAt(annotations, CLASS_ANNOTATION);
  if (older !== '') return older === className || own.names.has(older);
  return own.hasDefault;
}

/** Secrets that it names: of certificates, and of users. */
export function secretsNamed(object: KubeJson): string[] {
  const namespace = textAt(recordAt(object, 'metadata'), 'namespace');
  const names = listAt(recordAt(object, 'spec'), 'tls').map((one) => textAt(one, 'secretName'));
  const annotations = recordAt(recordAt(object, 'metadata'), 'annotations');
  const users = textAt(annotations, `${ANNOTATION_PREFIX}auth-secret`);
  const own = users.startsWith(`${namespace}/`) ? users.slice(namespace.length + 1) : users;
  // Those of other namespaces are not read.
  return [...names, own].filter((name) => name !== '' && !name.includes('/'));
}

/** What is wrong goes to `say`; the object is not to be used then. */
export function readIngress(object: KubeJson, say: (problem: string) => void): IngressObject {
  const metadata = recordAt(object, 'metadata');
  const spec = recordAt(object, 'spec');
  const rules = listAt(spec, 'rules');
  const fallback = spec['defaultBackend'];
  const defaultBackend =
    fallback === undefined ? null : readBackend(recordAt(spec, 'defaultBackend'), say);
  const hosts: string[] = [];
  const paths = rules.flatMap((rule) => {
    const host = readHost(textAt(rule, 'host'), say);
    hosts.push(host);
    return listAt(recordAt(rule, 'http'), 'paths').map((one) => readPath(one, host, say));
  });
  if (paths.length > PATHS_MAX) say(`has more than ${PATHS_MAX} paths`);
  if (hosts.length > HOSTS_MAX) say(`has more than ${HOSTS_MAX} rules`);
  if (paths.length === 0 && defaultBackend === null) say('has neither a path nor a defaultBackend');
  return {
    namespace: textAt(metadata, 'namespace'),
    name: textAt(metadata, 'name'),
    uid: textAt(metadata, 'uid'),
    created: textAt(metadata, 'creationTimestamp'),
    annotations: annotationsOf(recordAt(metadata, 'annotations')),
    paths,
    defaultBackend,
    hosts: [...new Set(hosts)],
    tls: listAt(spec, 'tls').map((one) => ({
      secret: textAt(one, 'secretName'),
      hosts: textsAt(one, 'hosts').map((host) => readHost(host, say)),
    })),
  };
}

function annotationsOf(annotations: KubeJson): ReadonlyMap<string, string> {
  const own = Object.entries(annotations).filter(([key]) => key.startsWith(ANNOTATION_PREFIX));
  return new Map(own.map(([key, value]) => [key.slice(ANNOTATION_PREFIX.length), String(value)]));
}

function readPath(path: KubeJson, host: string, say: (problem: string) => void): IngressPath {
  const pathType = textAt(path, 'pathType');
  const isKnown = ['Exact', 'Prefix', 'ImplementationSpecific'].includes(pathType);
  if (!isKnown) say(`the pathType ${JSON.stringify(pathType)} is not known`);
  const text = textAt(path, 'path') || '/';
  if (!text.startsWith('/')) say(`the path ${JSON.stringify(text)} does not begin with "/"`);
  return {
    ...{ host, path: text, pathType: pathType as PathType },
    backend: readBackend(recordAt(path, 'backend'), say),
  };
}

function readBackend(backend: KubeJson, say: (problem: string) => void): IngressBackend {
  const service = recordAt(backend, 'service');
  const name = textAt(service, 'name');
  const { number } = recordAt(service, 'port');
  const portName = textAt(recordAt(service, 'port'), 'name');
  const port = typeof number === 'number' ? number : portName;
  if (backend['resource'] !== undefined) say('a backend is a resource, which is not supported');
  else if (name === '' || port === '') say('a backend has no service with a port');
  return { service: name, port };
}

/** As DNS has it; a star stands for one label alone. */
function readHost(host: string, say: (problem: string) => void): string {
  if (host === '') return '';
  const name = asciiHost(host);
  if (name === undefined) say(`${JSON.stringify(host)} is no name of a host`);
  return name ?? '';
}
