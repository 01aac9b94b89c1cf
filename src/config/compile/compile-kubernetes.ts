/**
 * Compiles what of a Kubernetes cluster becomes routes, and the room that there is for it.
 *
 * Thread: loader. A part of compile-config.ts. The loader asks for the same before the whole was
 * checked: then what is not sound is absent.
 */
import type { SoundPart } from '../../schema/finding.js';
import type { RowCapacity } from '../compiled-config.js';
import type { GatewayConfig } from '../gateway-config.js';
import type { CompiledGatewayApi, CompiledKubernetes } from '../kubernetes-settings.js';
import { DEFAULTS } from '../schema/defaults.js';
import { rowsForTargets } from './compile-discovery.js';

const { ingress: defaults, gatewayApi: ofGateways } = DEFAULTS.kubernetes;

/** Versions of the configuration stand beside one another for a while. */
const VERSIONS_BESIDE = 2;
const ROUTES = 8192;

export function compileKubernetes(
  config: SoundPart<GatewayConfig>['kubernetes'],
): CompiledKubernetes | null {
  if (config === undefined) return null;
  const { kubeconfig = '', context = '', namespaces = [], ingress = {}, gatewayApi } = config;
  return {
    ...{ kubeconfig, context },
    namespaces: namespaces.filter((one) => one !== undefined),
    hasIngress: config.ingress !== undefined,
    gatewayApi: gatewayApi === undefined ? null : compileGatewayApi(gatewayApi),
    ingress: {
      className: ingress.class ?? defaults.class,
      controller: ingress.controller ?? defaults.controller,
      publish: (ingress.publish ?? []).filter((one) => one !== undefined),
      servicesMax: ingress.maxServices ?? defaults.maxServices,
      targetsMax: ingress.maxTargets ?? defaults.maxTargets,
      stickySecret: ingress.stickySecret ?? '',
    },
  };
}

function compileGatewayApi(
  config: NonNullable<NonNullable<SoundPart<GatewayConfig>['kubernetes']>['gatewayApi']>,
): CompiledGatewayApi {
  return {
    controller: config.controller ?? ofGateways.controller,
    publish: (config.publish ?? []).filter((one) => one !== undefined),
    ports: Object.entries(config.ports ?? {}).flatMap(([port, listener]) =>
      listener === undefined ? [] : [{ port: Number(port), listener }],
    ),
    servicesMax: config.maxServices ?? ofGateways.maxServices,
    targetsMax: config.maxTargets ?? ofGateways.maxTargets,
  };
}

/** Rows beside those of the file: tables are made once, and objects come and go. */
export function withClusterRows(
  rows: RowCapacity,
  kubernetes: CompiledKubernetes | null,
): RowCapacity {
  if (kubernetes === null) return rows;
  const { hasIngress, ingress, gatewayApi } = kubernetes;
  const parts = [...(hasIngress ? [ingress] : []), ...(gatewayApi === null ? [] : [gatewayApi])];
  const services = parts.reduce((sum, { servicesMax }) => sum + servicesMax, 0);
  const targets = parts.reduce(
    (sum, { servicesMax, targetsMax }) => sum + servicesMax * rowsForTargets(targetsMax),
    0,
  );
  return {
    routes: rows.routes + ROUTES,
    upstreams: rows.upstreams + VERSIONS_BESIDE * services,
    targets: rows.targets + VERSIONS_BESIDE * targets,
    limiters: rows.limiters + ROUTES,
    rollouts: rows.rollouts,
  };
}
