/**
 * The JSON Schema (draft 2020-12) of the configuration: the one list of keys, types and bounds.
 *
 * Thread: any (pure). The loader checks with it, `sluice schema` prints it for editors, and the
 * documented types and the reference for users are generated from it. What a schema cannot say
 * (references, overlaps, lengths in bytes) is checked in config/check/ and by the filters.
 */
import { GATEWAY_FILTER_NODES, ROUTE_FILTER_NODES } from '../../filters/catalog.js';
import { REDIRECT_NODE, RESPOND_NODE } from '../../filters/fixed-reply/options.js';
import {
  listNode,
  mapNode,
  objectNode,
  type SchemaNode,
  type TypeOf,
  textNode,
} from '../../schema/schema-node.js';
import { REFERENCE_NAME_TEXT } from '../../schema/text-shapes.js';
import { AUTHENTICATOR_NODE } from './authenticator-nodes.js';
import { CACHE_MEMORY_NODE } from './cache-nodes.js';
import { ERRORS_NODE, UPSTREAM_ERRORS_NODE } from './error-nodes.js';
import { PATHS_NODE, VIA_NODE } from './forwarding-nodes.js';
import {
  ACCEPTORS_NODE,
  ADMIN_NODE,
  CLIENT_ADDRESS_FIELD_NODE,
  HARDENING_NODE,
  LIMITS_NODE,
  RELOAD_NODE,
  REQUEST_ID_NODE,
  SHUTDOWN_NODE,
  TRUSTED_PROXIES_NODE,
  WORKERS_NODE,
} from './gateway-nodes.js';
import { KUBERNETES_NODE } from './kubernetes-node.js';
import { LISTEN_NODE } from './listen-nodes.js';
import { LOGGING_NODE, TRACING_NODE } from './observability-nodes.js';
import { PLUGINS_NODE } from './plugin-nodes.js';
import { ROUTE_PROPERTIES } from './route-node.js';
import { SPIFFE_NODE } from './spiffe-nodes.js';
import { STORE_NODE } from './store-node.js';
import { STATE_DIR_NODE } from './tls-nodes.js';
import { KEYS_NODE, TOKEN_SERVICE_NODE } from './token-service-node.js';
import { UPSTREAM_NODE } from './upstream-nodes.js';

const ROUTE_NODE = objectNode(
  'RouteConfig',
  'Which requests go to which upstream, and what happens on the way.',
  {
    ...ROUTE_PROPERTIES,
    respond: RESPOND_NODE,
    redirect: REDIRECT_NODE,
    ...ROUTE_FILTER_NODES,
  },
  'name',
  'match',
);

const NAMES = textNode(REFERENCE_NAME_TEXT);

const ROOT_NODE = objectNode(
  'GatewayConfig',
  'The whole configuration. Only `routes` is required.',
  {
    listen: LISTEN_NODE,
    admin: ADMIN_NODE,
    workers: WORKERS_NODE,
    acceptors: ACCEPTORS_NODE,
    trustedProxies: TRUSTED_PROXIES_NODE,
    clientAddressField: CLIENT_ADDRESS_FIELD_NODE,
    hardening: HARDENING_NODE,
    paths: PATHS_NODE,
    requestId: REQUEST_ID_NODE,
    via: VIA_NODE,
    ...GATEWAY_FILTER_NODES,
    errors: ERRORS_NODE,
    upstreamErrors: UPSTREAM_ERRORS_NODE,
    limits: LIMITS_NODE,
    cache: CACHE_MEMORY_NODE,
    store: STORE_NODE,
    kubernetes: KUBERNETES_NODE,
    spiffe: SPIFFE_NODE,
    stateDir: STATE_DIR_NODE,
    logging: LOGGING_NODE,
    tracing: TRACING_NODE,
    reload: RELOAD_NODE,
    shutdown: SHUTDOWN_NODE,
    authenticators: mapNode(
      'Ways to find out who calls, by a name that routes refer to.',
      AUTHENTICATOR_NODE,
      { propertyNames: NAMES, maxProperties: 64 },
    ),
    tokenService: TOKEN_SERVICE_NODE,
    keys: KEYS_NODE,
    plugins: PLUGINS_NODE,
    upstreams: mapNode(
      'The services behind the gateway, by a name that routes refer to.',
      UPSTREAM_NODE,
      { propertyNames: NAMES, maxProperties: 1024 },
    ),
    routes: listNode(
      'Which requests go where. The order has no meaning, but for two expressions at one place.',
      ROUTE_NODE,
      {
        minItems: 1,
        maxItems: 10_000,
      },
    ),
  },
  'routes',
);

/** The schema of a whole configuration file. */
export const CONFIG_SCHEMA: SchemaNode<TypeOf<typeof ROOT_NODE>> = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Sluice configuration',
  ...ROOT_NODE,
};
