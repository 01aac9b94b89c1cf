/**
 * The schema of targets that the gateway finds by itself: where it asks, and what it makes of it.
 *
 * Thread: any (pure). A part of upstream-nodes.ts.
 */
import {
  booleanNode,
  durationNode,
  integerNode,
  integerOrTextNode,
  lengthNode,
  listNode,
  objectNode,
  stringNode,
} from '../../schema/schema-node.js';
import { textShape, typedShape } from '../../schema/text-shapes.js';
import { DEFAULTS } from './defaults.js';

const { discovery } = DEFAULTS.upstream;

/** Targets found for one upstream: a position has a byte, and some rows are spare. */
const FOUND_MAX = 200;

const HTTP_URL_TEXT = textShape(
  '^https?://[!-~]{1,1000}$',
  'a URL that begins with http:// or https://',
);

const HTTP_SOURCE_NODE = objectNode(
  'HttpDiscoveryConfig',
  'A document over HTTP that lists the targets, read again and again.',
  {
    url: stringNode(
      'Where the document is: JSON, in the form of `http_sd_configs` of Prometheus or as a list.',
      HTTP_URL_TEXT,
    ),
    interval: durationNode('Between two readings.', ['1s', '1h'], {
      default: discovery.http.interval,
    }),
    token: stringNode('Sent as `Authorization: Bearer`.', {
      'x-absent': 'none is sent',
      minLength: 1,
      maxLength: 4096,
      writeOnly: true,
    }),
  },
  'url',
);

const DNS_NAME_TEXT = textShape(
  '^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,250}[A-Za-z0-9_])?\\.?$',
  'a name of DNS',
);

const NAME_SERVER_TEXT = textShape(
  '^([0-9.]{7,15}|\\[[0-9A-Fa-f:]{2,45}\\])(:[0-9]{1,5})?$',
  'an IP address, with or without a port; IPv6 in brackets',
);

const DNS_SOURCE_NODE = objectNode(
  'DnsDiscoveryConfig',
  'Records of DNS, asked for again when their time to live (1s to 5m) is over.',
  {
    name: stringNode(
      'The name. One that is not written in full is looked for in the search domains of the ' +
        'system (resolv.conf), unless there is a `server`. The hosts file is not read.',
      DNS_NAME_TEXT,
    ),
    type: stringNode(
      '`A`, `AAAA`: addresses. `SRV` (RFC 2782): services with port and weight, of which those ' +
        'of the lowest priority are used, and the others as backups.',
      { enum: ['A', 'AAAA', 'SRV'], default: discovery.dns.type },
    ),
    port: integerNode('Port of the targets; SRV records have their own.', [1, 65_535], {
      'x-absent': 'the port of the scheme',
    }),
    server: stringNode('The name server that is asked.', {
      'x-absent': 'those of the system',
      ...NAME_SERVER_TEXT,
    }),
  },
  'name',
);

const CONSUL_SOURCE_NODE = objectNode(
  'ConsulDiscoveryConfig',
  'Instances of a service that pass their checks, with their weights, by blocking queries.',
  {
    service: stringNode('Name of the service.', { minLength: 1, maxLength: 128 }),
    url: stringNode('Where Consul is.', { default: discovery.consul.url, ...HTTP_URL_TEXT }),
    tags: listNode('Tags that an instance must have, all of them.', lengthNode(1, 128), {
      'x-absent': 'none',
      maxItems: 16,
      uniqueItems: true,
    }),
    datacenter: stringNode('Where the service is.', {
      'x-absent': 'where the agent is',
      minLength: 1,
      maxLength: 128,
    }),
    token: stringNode('Sent as `X-Consul-Token`.', {
      'x-absent': 'none is sent',
      minLength: 1,
      maxLength: 4096,
      writeOnly: true,
    }),
  },
  'service',
);

const KUBE_NAME_TEXT = textShape(
  '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$',
  'a name of Kubernetes: lower case letters, digits, "-" and "."',
);

const PORT_NAME_TEXT = typedShape<string>(
  '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
  'a port from 1 to 65535, or its name',
  'string',
);

const KUBERNETES_SOURCE_NODE = objectNode(
  'KubernetesDiscoveryConfig',
  'The endpoints of a service of Kubernetes, listed and watched.',
  {
    service: stringNode('Name of the service.', KUBE_NAME_TEXT),
    namespace: stringNode('Its namespace.', {
      'x-absent': 'that of the pod, or of the context',
      ...KUBE_NAME_TEXT,
    }),
    port: integerOrTextNode([1, 65_535], PORT_NAME_TEXT, {
      description: 'Port of the service, by number or name.',
      'x-absent': 'its only one',
    }),
    mode: stringNode(
      '`endpoints`: each ready endpoint is a target. `service`: the address of the service is ' +
        'the only one, under the name `SERVICE.NAMESPACE`, for a mesh that chooses the pod.',
      { enum: ['endpoints', 'service'], default: discovery.kubernetes.mode },
    ),
    kubeconfig: stringNode('A kubeconfig. Commands that it names are not run.', {
      'x-absent': 'the service account of the pod',
      minLength: 1,
      maxLength: 1024,
    }),
    context: stringNode('Context of the kubeconfig.', {
      'x-absent': 'the current one',
      minLength: 1,
      maxLength: 256,
    }),
  },
  'service',
);

/** The other form of `targets`. */
export const DISCOVERY_NODE = objectNode(
  'DiscoveryConfig',
  'Where targets are found, again and again.',
  {
    file: stringNode('A file that lists the targets, JSON or YAML, read again when it changes.', {
      minLength: 1,
      maxLength: 1024,
    }),
    http: HTTP_SOURCE_NODE,
    dns: DNS_SOURCE_NODE,
    consul: CONSUL_SOURCE_NODE,
    kubernetes: KUBERNETES_SOURCE_NODE,
    scheme: stringNode('How the targets are spoken with.', {
      enum: ['http', 'https'],
      default: discovery.scheme,
    }),
    maxTargets: integerNode(
      'Targets that are used at once; more that are found wait until one goes.',
      [1, FOUND_MAX],
      { default: discovery.maxTargets },
    ),
    trustEmpty: booleanNode(
      'Whether a sudden loss of more than half of the targets is believed at once. Without it ' +
        'they stay for ten seconds, and go if the source then says the same.',
      discovery.trustEmpty,
    ),
  },
);
