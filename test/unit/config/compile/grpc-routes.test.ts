/** Routes of gRPC as they are written, checked and compiled. */
import { describe, expect, it } from 'vitest';
import { checkConfig } from '../../../../src/config/check/check-config.js';
import { callsWithoutHttp2 } from '../../../../src/config/compile/calls-without-http2.js';
import { compileConfig } from '../../../support/compile-config.js';

const UPSTREAMS = { api: { targets: [{ url: 'http://127.0.0.1:1' }], protocol: 'h2c' } };

function withRoute(route: Readonly<Record<string, unknown>>) {
  return { upstreams: UPSTREAMS, routes: [{ name: 'calls', upstream: 'api', ...route }] };
}

function problems(route: Readonly<Record<string, unknown>>): string[] {
  const result = checkConfig(withRoute(route));
  return result.isValid ? [] : result.findings.map(({ message }) => message);
}

describe('match.grpc', () => {
  it.each([
    [{ service: 'a.b.C', method: 'D' }, '/a.b.C/D'],
    [{ service: 'a.b.C' }, '/a.b.C/:grpcMethod'],
    [{}, '/:grpcService/:grpcMethod'],
  ])('%j is the path %s for POST', (grpc, path) => {
    const [route] = compileConfig(withRoute({ match: { grpc } })).routes;
    expect(route).toMatchObject({ path, methods: ['POST'], filters: { grpc: { isOnly: true } } });
  });

  it('stands in place of a path, methods and a version', () => {
    expect(problems({ match: {} })).toEqual(['missing key "path", or "grpc" for calls of gRPC']);
    expect(problems({ match: { grpc: {}, path: '/*', methods: ['GET'] } })).toEqual([
      'match.grpc says this already',
      'match.grpc says this already',
    ]);
    expect(problems({ match: { grpc: { method: 'D' } } })).toEqual([
      'needs the service that has the method',
    ]);
    expect(problems({ match: { grpc: { service: 'a/b' } } })).toEqual([
      expect.stringContaining('the full name of a service'),
    ]);
    const openapi = problems({ match: { grpc: {} }, openapi: 'none.yaml' });
    expect(openapi).toContain('a document describes requests to paths, and match.grpc takes calls');
  });

  it('clashes with another route for the same calls, and with none for others', () => {
    const routes = (one: object, other: object) =>
      checkConfig({
        upstreams: UPSTREAMS,
        routes: [one, other].map((match, at) => ({ name: `r${at}`, match, upstream: 'api' })),
      });
    const call = { grpc: { service: 'a.B', method: 'C' } };
    expect(routes(call, { path: '/a.B/C', methods: ['POST'] })).toMatchObject({ isValid: false });
    expect(routes(call, { path: '/a.B/C', methods: ['GET'] })).toMatchObject({ isValid: true });
    expect(routes(call, { grpc: { service: 'a.B' } })).toMatchObject({ isValid: true });
  });

  it.each([
    [
      { match: { grpc: {} } },
      {},
      'match.grpc needs HTTP/2, and upstream api speaks HTTP/1.1: give',
    ],
    [{ match: { path: '/*' }, grpcWeb: true }, { protocol: 'http1' }, 'grpcWeb needs HTTP/2'],
    [{ match: { path: '/*' }, grpc: {} }, {}, 'api speaks HTTP/1.1: give it protocol: h2c'],
    [{ match: { grpc: {} } }, { protocol: 'auto' }, 'auto is HTTP/1.1 with targets over http'],
    [
      { match: { grpc: {} } },
      { targets: [{ url: 'https://127.0.0.1:1' }] },
      'speaks HTTP/1.1: give it protocol: h2',
    ],
  ])('is refused: %j with targets of HTTP/1.1 alone: %j', (route, upstream, message) => {
    const { targets } = UPSTREAMS.api;
    const config = { ...withRoute(route), upstreams: { api: { targets, ...upstream } } };
    const result = checkConfig(config);
    expect(result.isValid ? [] : result.findings).toMatchObject([
      { pointer: '/routes/0/upstream', message: expect.stringContaining(message) },
    ]);
  });

  it('passes with targets that may speak HTTP/2', () => {
    for (const [protocol, url] of Object.entries({ auto: 'https://a', h2: 'https://a' })) {
      const upstreams = { api: { targets: [{ url }], protocol } };
      const config = { ...withRoute({ match: { grpc: {} } }), upstreams };
      expect(checkConfig(config)).toMatchObject({ isValid: true });
    }
  });

  it('is warned of where no listener of the route speaks HTTP/2', () => {
    const config = compileConfig(withRoute({ match: { grpc: {} } }));
    expect(callsWithoutHttp2(config)).toEqual(['calls']);
    const plain = compileConfig(withRoute({ match: { path: '/*' } }));
    expect(callsWithoutHttp2(plain)).toEqual([]);
  });
});

describe('grpc of a route', () => {
  it('bounds messages, each by itself', () => {
    const grpc = { maxRequestMessageBytes: '4MiB', maxReplyMessageBytes: 1000 };
    const [route] = compileConfig(withRoute({ match: { path: '/*' }, grpc })).routes;
    expect(route?.filters.grpc).toMatchObject({
      isOnly: false,
      isWeb: false,
      maxRequestMessageBytes: 4 * 1024 * 1024,
      maxReplyMessageBytes: 1000,
    });
  });

  it('is not there where nothing is configured', () => {
    const [route] = compileConfig(withRoute({ match: { path: '/*' } })).routes;
    expect(route?.filters.grpc).toBeUndefined();
  });
});

describe('retry.grpcStatus', () => {
  it('names codes', () => {
    const api = { ...UPSTREAMS.api, retry: { grpcStatus: ['UNAVAILABLE', 'ABORTED'] } };
    const config = { ...withRoute({ match: { path: '/*' } }), upstreams: { api } };
    expect(compileConfig(config).upstreams[0]?.retry.conditions.grpcStatuses).toEqual([10, 14]);
  });

  it.each(['OK', 'unavailable', 14])('knows no %j', (name) => {
    const api = { ...UPSTREAMS.api, retry: { grpcStatus: [name] } };
    const config = { ...withRoute({ match: { path: '/*' } }), upstreams: { api } };
    expect(checkConfig(config)).toMatchObject({ isValid: false });
  });
});
