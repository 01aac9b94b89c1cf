/**
 * Finds routes whose calls of gRPC cannot come in: no listener that they belong to speaks HTTP/2.
 *
 * Thread: any (pure). For warnings: such a route is no mistake while the listener is to follow.
 */
import type { CompiledConfig, CompiledRoute } from '../compiled-config.js';

export const NO_HTTP2 = 'takes calls of gRPC, but no listener of it speaks HTTP/2';

type Listeners = CompiledConfig['listeners'];

/** Names of such routes. */
export function callsWithoutHttp2({
  routes,
  listeners,
}: Pick<CompiledConfig, 'routes' | 'listeners'>): string[] {
  return routes
    .filter(({ filters }) => filters.grpc?.isOnly === true && !filters.grpc.isWeb)
    .filter((route) => !listenersOf(route, listeners).some(speaksHttp2))
    .map(({ name }) => name);
}

function listenersOf({ conditions = [] }: CompiledRoute, listeners: Listeners): Listeners {
  const condition = conditions.find(({ source }) => source === 'listener');
  if (condition === undefined) return listeners;
  const names = condition.value.split('\n');
  return listeners.filter(({ name }) => names.includes(name));
}

function speaksHttp2({ protocols }: Listeners[number]): boolean {
  return protocols.some((protocol: string) => protocol !== 'http1');
}
