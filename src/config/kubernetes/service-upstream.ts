/**
 * A service of Kubernetes as an upstream: its endpoints are found as those of any upstream.
 *
 * Thread: any (pure). Two routes with the same service and the same wishes share one upstream.
 */
import { createHash } from 'node:crypto';
import type { TimeoutsConfig, UpstreamConfig } from '../gateway-config.js';
import type { CompiledKubernetes } from '../kubernetes-settings.js';
import type { BackendOptions } from './ingress-annotations.js';

export interface NamedUpstream {
  readonly name: string;
  readonly config: UpstreamConfig;
}

export interface ServicePort {
  readonly namespace: string;
  readonly service: string;
  readonly port: string | number;
}

/** As long as ingress-nginx waits. */
const RESPONSE_S = 60;
const NAME_CHARS_MAX = 48;
const HASH_CHARS = 10;

export function upstreamOf(
  { namespace, service, port }: ServicePort,
  options: BackendOptions,
  { kubeconfig, context, ingress }: CompiledKubernetes,
): NamedUpstream {
  const { scheme, protocol, mode } = options;
  const config: UpstreamConfig = {
    targets: {
      kubernetes: {
        ...{ service, namespace, port, mode },
        ...(kubeconfig !== '' && { kubeconfig }),
        ...(context !== '' && { context }),
      },
      scheme,
      maxTargets: ingress.targetsMax,
    },
    preserveHost: true,
    ...(protocol !== 'http1' && { protocol }),
    // Pods have no certificates that anybody could verify by their addresses.
    ...(scheme === 'https' && { tls: { verify: false } }),
    timeouts: timeoutsOf(options),
    ...balancingOf(options, ingress.stickySecret),
  };
  const plain = `k8s-${namespace}-${service}-${port}`.replace(/[^A-Za-z0-9_-]/g, '-');
  const text = JSON.stringify([namespace, service, port, config]);
  const hash = createHash('sha256').update(text).digest('hex').slice(0, HASH_CHARS);
  return { name: `${plain.slice(0, NAME_CHARS_MAX)}-${hash}`, config };
}

function timeoutsOf({ connectSeconds, readSeconds }: BackendOptions): TimeoutsConfig {
  return {
    response: `${readSeconds ?? RESPONSE_S}s`,
    ...(readSeconds !== null && { idle: `${readSeconds}s` }),
    ...(connectSeconds !== null && { connect: `${connectSeconds}s` }),
  };
}

function balancingOf(
  { cookie, policy, hashOn }: BackendOptions,
  secret: string,
): Pick<UpstreamConfig, 'loadBalancing'> {
  if (cookie === null && policy === 'roundRobin') return {};
  return {
    loadBalancing: {
      policy,
      ...(hashOn !== '' && { hashOn: hashOn as 'clientIp' }),
      ...(cookie !== null && {
        stickyCookie: {
          name: cookie.name,
          ...(cookie.maxAgeSeconds !== null && { maxAge: `${cookie.maxAgeSeconds}s` }),
          ...(secret !== '' && { secret }),
        },
      }),
    },
  };
}
