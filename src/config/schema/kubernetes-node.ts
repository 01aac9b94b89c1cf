/**
 * The schema of what of a Kubernetes cluster becomes routes.
 *
 * Thread: any (pure). A part of config-schema.ts.
 */
import {
  integerNode,
  lengthNode,
  listNode,
  mapNode,
  objectNode,
  stringNode,
  textNode,
} from '../../schema/schema-node.js';
import { HOST_TEXT, textShape } from '../../schema/text-shapes.js';
import { DEFAULTS } from './defaults.js';

const { ingress, gatewayApi } = DEFAULTS.kubernetes;

const KUBE_NAME_TEXT = textShape(
  '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$',
  'a name of Kubernetes: lower case letters, digits, "-" and "."',
);

const CONTROLLER_TEXT = textShape(
  '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/[A-Za-z0-9/._~-]{1,200}$',
  'a domain, a slash and a path (written example.com/ingress)',
);

/** Services that there is room for at most; upstreams of a configuration are 1024. */
const SERVICES_MAX = 1000;
const TARGETS_MAX = 200;

const INGRESS_NODE = objectNode(
  'KubernetesIngressConfig',
  'Objects of the kind Ingress (networking.k8s.io/v1). One with a mistake has no routes, or ' +
    'those that it had before; its events, the log and `/stats` say why. Others are served.',
  {
    controller: stringNode(
      'What `spec.controller` of an IngressClass is, so that its objects are served here.',
      { default: ingress.controller, ...CONTROLLER_TEXT },
    ),
    class: stringNode(
      'Name of the class for objects with the annotation `kubernetes.io/ingress.class`, and ' +
        'where the gateway may not read IngressClasses.',
      { default: ingress.class, ...KUBE_NAME_TEXT },
    ),
    publish: listNode(
      'Addresses and names under which clients reach the gateway, for the status of the objects.',
      textNode(HOST_TEXT),
      { 'x-absent': 'no status is written', minItems: 1, maxItems: 16, uniqueItems: true },
    ),
    maxServices: integerNode(
      'Services that routes may lead to. Room for them is made when the gateway starts.',
      [1, SERVICES_MAX],
      { default: ingress.maxServices },
    ),
    maxTargets: integerNode('Endpoints of one service that are used at once.', [1, TARGETS_MAX], {
      default: ingress.maxTargets,
    }),
    stickySecret: stringNode(
      'What cookies of `affinity: cookie` are made with, so that a client stays at its endpoint ' +
        'with every gateway that has the same secret.',
      {
        'x-absent': 'a random one for each process',
        minLength: 32,
        maxLength: 4096,
        writeOnly: true,
      },
    ),
  },
);

const PORT_TEXT = textShape('^[1-9][0-9]{0,4}$', 'the number of a port');

const GATEWAY_API_NODE = objectNode(
  'KubernetesGatewayApiConfig',
  'Objects of the Gateway API (gateway.networking.k8s.io/v1): GatewayClass, Gateway, HTTPRoute ' +
    'and ReferenceGrant. What becomes of each stands in its status. One with a mistake changes ' +
    'nothing for the others. Clusters without these kinds are told of once.',
  {
    controller: stringNode(
      'What `spec.controllerName` of a GatewayClass is, so that its Gateways are served here.',
      { default: gatewayApi.controller, ...CONTROLLER_TEXT },
    ),
    publish: listNode(
      'Addresses and names under which clients reach the gateway, for the status of Gateways.',
      textNode(HOST_TEXT),
      { 'x-absent': 'no addresses are written', minItems: 1, maxItems: 16, uniqueItems: true },
    ),
    ports: mapNode(
      'Which listener stands for a port of Gateways: `{ "80": plain, "443": secure }`. Those for ' +
        'HTTPS have `tls`.',
      lengthNode(1, 253),
      {
        'x-absent': 'listeners whose own port it is',
        propertyNames: textNode(PORT_TEXT),
        minProperties: 1,
        maxProperties: 64,
      },
    ),
    maxServices: integerNode(
      'Services that routes may lead to. Room for them is made when the gateway starts.',
      [1, SERVICES_MAX],
      { default: gatewayApi.maxServices },
    ),
    maxTargets: integerNode('Endpoints of one service that are used at once.', [1, TARGETS_MAX], {
      default: gatewayApi.maxTargets,
    }),
  },
);

/** The top-level field `kubernetes`. */
export const KUBERNETES_NODE = objectNode(
  'KubernetesConfig',
  'Objects of Kubernetes that become routes, beside those of this file; see kubernetes.md. For ' +
    '`sluice run -c FILE` only.',
  {
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
    namespaces: listNode('Namespaces whose objects are served.', textNode(KUBE_NAME_TEXT), {
      'x-absent': 'all',
      minItems: 1,
      maxItems: 64,
      uniqueItems: true,
    }),
    ingress: INGRESS_NODE,
    gatewayApi: GATEWAY_API_NODE,
  },
);
