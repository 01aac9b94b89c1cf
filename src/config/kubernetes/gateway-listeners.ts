/**
 * The listeners of Gateways: which listener of this gateway each of them is, whose routes it takes,
 * and what is wrong with it.
 *
 * Thread: any (pure). Invariant: one listener that is wrong changes nothing for the others, but for
 * those that it is in conflict with.
 */
import type {
  CompiledGatewayApi,
  GatewayObjects,
  WantedCertificate,
} from '../kubernetes-settings.js';
import { asciiHost } from '../references/route-match.js';
import { byAge, type Finding, GATEWAY_GROUP, generationOf } from './gateway-objects.js';
import { isKubeJson, type KubeJson, listAt, recordAt, textAt } from './kube-json.js';
import { isSelected } from './label-selector.js';
import { isGranted } from './reference-grants.js';

/** A listener of the configuration. */
export interface OwnListener {
  readonly name: string;
  /** 0: it has none, or any. */
  readonly port: number;
  readonly isSecure: boolean;
}

export interface GatewayListener {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  /** ASCII, lower case; '': every host. */
  readonly hostname: string;
  /** Names of the listeners of the configuration that stand for it. */
  readonly owns: readonly string[];
  /** Kinds of routes that may be attached. */
  readonly kinds: readonly string[];
  /** Its secrets, as far as they may be read. */
  readonly certificates: readonly WantedCertificate[];
  /** null: nothing is wrong. */
  readonly accepted: Finding | null;
  readonly conflicted: Finding | null;
  readonly resolved: Finding | null;
  /** Requests come to its routes. */
  readonly isProgrammed: boolean;
  /** Whether routes of this namespace may be attached. */
  takesFrom(namespace: string): boolean;
}

export interface GatewayView {
  readonly object: KubeJson;
  readonly namespace: string;
  readonly name: string;
  readonly generation: number;
  readonly listeners: readonly GatewayListener[];
  /** Of the whole Gateway; null: nothing is wrong. */
  readonly accepted: Finding | null;
  readonly programmed: Finding | null;
}

export interface ListenerContext {
  readonly objects: GatewayObjects;
  readonly settings: CompiledGatewayApi;
  /** null: they are not known, and each that is wanted counts as being there. */
  readonly own: readonly OwnListener[] | null;
}

const ROUTE_KIND = 'HTTPRoute';
const ADDRESS_TYPES: readonly unknown[] = [undefined, 'IPAddress', 'Hostname'];
const LISTENERS_MAX = 64;

/** Classes of this controller. */
export function ownGatewayClasses(
  { classes }: GatewayObjects,
  { controller }: CompiledGatewayApi,
): readonly KubeJson[] {
  return classes.filter((one) => textAt(recordAt(one, 'spec'), 'controllerName') === controller);
}

/** What is wrong with a class; null: nothing. */
export function classProblem(object: KubeJson): Finding | null {
  if (recordAt(object, 'spec')['parametersRef'] === undefined) return null;
  return { reason: 'InvalidParameters', message: 'parametersRef is not supported' };
}

/** Those of this controller, the oldest first. */
export function readGateways(context: ListenerContext): readonly GatewayView[] {
  const classes = ownGatewayClasses(context.objects, context.settings)
    .filter((one) => classProblem(one) === null)
    .map((one) => textAt(recordAt(one, 'metadata'), 'name'));
  return context.objects.gateways
    .filter((one) => classes.includes(textAt(recordAt(one, 'spec'), 'gatewayClassName')))
    .sort(byAge)
    .map((one) => readGateway(one, context));
}

/** Secrets of Gateways that their certificates may be read from: `NAMESPACE/NAME`. */
export function gatewaySecrets(objects: GatewayObjects, settings: CompiledGatewayApi): string[] {
  const gateways = readGateways({ objects, settings, own: null });
  const listeners = gateways.flatMap((one) => one.listeners);
  const certificates = listeners.flatMap((one) => one.certificates);
  return [...new Set(certificates.map(({ namespace, secret }) => `${namespace}/${secret}`))].sort();
}

function readGateway(object: KubeJson, context: ListenerContext): GatewayView {
  const metadata = recordAt(object, 'metadata');
  const namespace = textAt(metadata, 'namespace');
  const spec = recordAt(object, 'spec');
  const accepted = gatewayProblem(spec);
  const programmed = addressProblem(spec, context.settings);
  const isSound = accepted === null && programmed === null;
  const reader = new ListenerReader(namespace, spec, context, isSound);
  return {
    ...{ object, namespace, name: textAt(metadata, 'name'), generation: generationOf(object) },
    ...{ listeners: reader.read(), accepted, programmed },
  };
}

function gatewayProblem(spec: KubeJson): Finding | null {
  if (recordAt(spec, 'infrastructure')['parametersRef'] !== undefined) {
    return { reason: 'InvalidParameters', message: 'parametersRef is not supported' };
  }
  const address = listAt(spec, 'addresses').find((one) => !ADDRESS_TYPES.includes(one['type']));
  if (address !== undefined) {
    const message = `addresses of the type ${textAt(address, 'type')} are not supported`;
    return { reason: 'UnsupportedAddress', message };
  }
  if (recordAt(spec, 'tls')['backend'] !== undefined) {
    return { reason: 'Invalid', message: 'tls.backend is not supported' };
  }
  const count = listAt(spec, 'listeners').length;
  if (count <= LISTENERS_MAX) return null;
  return { reason: 'Invalid', message: `there are more than ${LISTENERS_MAX} listeners` };
}

function addressProblem(spec: KubeJson, { publish }: CompiledGatewayApi): Finding | null {
  const wanted = listAt(spec, 'addresses').map((one) => textAt(one, 'value'));
  const other = wanted.find((one) => one !== '' && !publish.includes(one));
  if (other === undefined) return null;
  const message = `${other} is no address of gatewayApi.publish`;
  return { reason: 'AddressNotUsable', message };
}

/** Reads all listeners of one Gateway, which may be in conflict with one another. */
class ListenerReader {
  private readonly all: readonly KubeJson[];

  constructor(
    private readonly namespace: string,
    private readonly spec: KubeJson,
    private readonly context: ListenerContext,
    private readonly isSound: boolean,
  ) {
    this.all = listAt(spec, 'listeners').slice(0, LISTENERS_MAX);
  }

  read(): readonly GatewayListener[] {
    return this.all.map((one) => this.readOne(one));
  }

  private readOne(listener: KubeJson): GatewayListener {
    const { port, protocol, hostname } = placeOfListener(listener);
    const owns = this.ownsOf(port, protocol);
    const conflicted = this.conflictOf(listener);
    const accepted = this.problemOf(listener, owns) ?? conflicted;
    const kinds = kindsOf(listener, protocol);
    const tls = protocol === 'HTTPS' ? this.certificatesOf(listener, hostname) : NO_CERTIFICATES;
    const resolved = kinds.problem ?? tls.problem;
    const hasKeys = protocol === 'HTTP' || tls.usable > 0;
    return {
      ...{ name: textAt(listener, 'name'), protocol, port, hostname, owns, accepted, conflicted },
      ...{ kinds: kinds.kinds, certificates: accepted === null ? tls.wanted : [], resolved },
      isProgrammed: this.isSound && accepted === null && hasKeys && kinds.kinds.length > 0,
      takesFrom: (namespace) => this.takesFrom(listener, namespace),
    };
  }

  private ownsOf(port: number, protocol: string): readonly string[] {
    const { settings, own } = this.context;
    if (own === null) return [];
    const named = settings.ports.find((one) => one.port === port)?.listener;
    const found =
      named === undefined
        ? own.filter((one) => one.port === port)
        : own.filter((one) => one.name === named);
    return found.filter(({ isSecure }) => isSecure === (protocol === 'HTTPS')).map(nameOf);
  }

  private problemOf(listener: KubeJson, owns: readonly string[]): Finding | null {
    const { port, protocol } = placeOfListener(listener);
    if (protocol !== 'HTTP' && protocol !== 'HTTPS') {
      const message = `the protocol ${protocol} is not supported, HTTP and HTTPS are`;
      return { reason: 'UnsupportedProtocol', message };
    }
    const host = textAt(listener, 'hostname');
    if (host !== '' && asciiHost(host) === undefined) return unsupported(`hostname: ${host}`);
    if (owns.length === 0 && this.context.own !== null) {
      const kind = protocol === 'HTTPS' ? 'with TLS' : 'without TLS';
      const message = `no listener ${kind} of the configuration stands for port ${port}`;
      return { reason: 'PortUnavailable', message };
    }
    return protocol === 'HTTPS' ? this.tlsProblem(recordAt(listener, 'tls')) : null;
  }

  /** What would let clients in that the Gateway wants to keep out is not passed over. */
  private tlsProblem(tls: KubeJson): Finding | null {
    const mode = textAt(tls, 'mode');
    if (mode !== '' && mode !== 'Terminate') return unsupported(`tls.mode ${mode}`);
    if (tls['frontendValidation'] !== undefined) return unsupported('tls.frontendValidation');
    const { frontend } = recordAt(this.spec, 'tls');
    return frontend === undefined ? null : unsupported('tls.frontend of the Gateway');
  }

  private conflictOf(listener: KubeJson): Finding | null {
    const { port, protocol, hostname } = placeOfListener(listener);
    const others = this.all
      .filter((one) => one !== listener)
      .map(placeOfListener)
      .filter((one) => one.port === port);
    if (others.some((one) => one.protocol !== protocol)) {
      const message = `another listener has port ${port} with another protocol`;
      return { reason: 'ProtocolConflict', message };
    }
    if (!others.some((one) => one.hostname === hostname)) return null;
    const message = `another listener has port ${port} and the same hostname`;
    return { reason: 'HostnameConflict', message };
  }

  private certificatesOf(listener: KubeJson, hostname: string): Certificates {
    const wanted: WantedCertificate[] = [];
    let problem: Finding | null = null;
    let usable = 0;
    const refs = listAt(recordAt(listener, 'tls'), 'certificateRefs');
    if (refs.length === 0) problem = badCertificate('there are no certificateRefs');
    for (const ref of refs) {
      const found = this.certificateOf(ref);
      if ('reason' in found) {
        problem ??= found;
        continue;
      }
      const place = `${found.namespace}/${found.secret}`;
      wanted.push({ ...found, hosts: hostname === '' ? [] : [hostname] });
      const known = this.context.objects.tlsSecrets.find((one) => one.place === place);
      if (known?.problem === '') usable += 1;
      else problem ??= badCertificate(`${place}: ${known?.problem ?? 'it was not read yet'}`);
    }
    return { wanted, usable, problem };
  }

  private certificateOf(ref: KubeJson): Finding | { namespace: string; secret: string } {
    const [kind, group] = [textAt(ref, 'kind') || 'Secret', textAt(ref, 'group')];
    const name = textAt(ref, 'name');
    if (kind !== 'Secret' || group !== '') {
      return badCertificate(`${group}/${kind} ${name} is no Secret`);
    }
    const namespace = textAt(ref, 'namespace') || this.namespace;
    const from = { kind: 'Gateway', namespace: this.namespace } as const;
    const to = { kind: 'Secret', namespace, name } as const;
    if (isGranted({ from, to }, this.context.objects.grants)) return { namespace, secret: name };
    const message = `no ReferenceGrant in ${namespace} allows the secret ${name}`;
    return { reason: 'RefNotPermitted', message };
  }

  private takesFrom(listener: KubeJson, namespace: string): boolean {
    const namespaces = recordAt(recordAt(listener, 'allowedRoutes'), 'namespaces');
    switch (textAt(namespaces, 'from')) {
      case '':
      case 'Same':
        return namespace === this.namespace;
      case 'All':
        return true;
      case 'Selector': {
        const all = this.context.objects.namespaces ?? [];
        const found = all.find((one) => textAt(recordAt(one, 'metadata'), 'name') === namespace);
        if (found === undefined) return false;
        const { selector } = namespaces;
        const labels = recordAt(recordAt(found, 'metadata'), 'labels');
        // An empty one selects everything, and one that is not there nothing.
        return isKubeJson(selector) && isSelected(labels, selector);
      }
      default:
        return false;
    }
  }
}

interface Certificates {
  readonly wanted: readonly WantedCertificate[];
  /** Secrets that have a certificate which can be shown. */
  readonly usable: number;
  readonly problem: Finding | null;
}

const NO_CERTIFICATES: Certificates = { wanted: [], usable: 0, problem: null };

function nameOf({ name }: OwnListener): string {
  return name;
}

function placeOfListener(listener: KubeJson): {
  readonly port: number;
  readonly protocol: string;
  readonly hostname: string;
} {
  const { port } = listener;
  const host = textAt(listener, 'hostname');
  return {
    port: typeof port === 'number' ? port : 0,
    protocol: textAt(listener, 'protocol'),
    hostname: asciiHost(host) ?? '',
  };
}

/** Those of the listener that are known here. */
function kindsOf(
  listener: KubeJson,
  protocol: string,
): { readonly kinds: readonly string[]; readonly problem: Finding | null } {
  if (protocol !== 'HTTP' && protocol !== 'HTTPS') return { kinds: [], problem: null };
  const asked = listAt(recordAt(listener, 'allowedRoutes'), 'kinds');
  if (asked.length === 0) return { kinds: [ROUTE_KIND], problem: null };
  const isKnown = (one: KubeJson): boolean =>
    textAt(one, 'kind') === ROUTE_KIND && (textAt(one, 'group') || GATEWAY_GROUP) === GATEWAY_GROUP;
  const other = asked.find((one) => !isKnown(one));
  const kinds = asked.some(isKnown) ? [ROUTE_KIND] : [];
  if (other === undefined) return { kinds, problem: null };
  const message = `routes of the kind ${textAt(other, 'kind')} are not supported`;
  return { kinds, problem: { reason: 'InvalidRouteKinds', message } };
}

function unsupported(what: string): Finding {
  return { reason: 'UnsupportedValue', message: `${what} is not supported` };
}

function badCertificate(message: string): Finding {
  return { reason: 'InvalidCertificateRef', message };
}
