import { describe, expect, it } from 'vitest';
import {
  OUTCOME_5XX,
  OUTCOME_CANCELLED,
  OUTCOME_FAILURE,
  OUTCOME_SUCCESS,
} from '../../../../src/channel/coordinator/coordinator-records.js';
import type {
  FailureKind,
  GatewayConfig,
  UpstreamConfig,
} from '../../../../src/config/gateway-config.js';
import { END_NOT_SENT, END_RESET, END_TIMEOUT } from '../../../../src/policy/retry/retry-rule.js';
import { outcomeOfEnd, outcomeOfStatus } from '../../../../src/worker/tries/outcome-class.js';
import { compileConfig } from '../../../support/compile-config.js';

function anUpstream(failureOn?: readonly FailureKind[], more: Partial<UpstreamConfig> = {}) {
  const circuitBreaker = failureOn === undefined ? {} : { failureOn };
  const source: GatewayConfig = {
    upstreams: { api: { targets: [{ url: 'http://10.0.0.1' }], circuitBreaker, ...more } },
    routes: [{ name: 'all', match: { path: '/*' }, upstream: 'api' }],
  };
  const [upstream] = compileConfig(source).upstreams;
  if (upstream === undefined) throw new Error('no upstream');
  return upstream;
}

describe('outcome of a try', () => {
  it('is a failure for 5xx and no answer, if nothing else is said', () => {
    const upstream = anUpstream(undefined, {
      targets: [{ url: 'http://10.0.0.1' }, { url: 'http://10.0.0.2' }],
    });
    const statuses = [200, 404, 429, 499, 500, 599].map((one) => outcomeOfStatus(one, upstream));
    const bad = OUTCOME_FAILURE | OUTCOME_5XX;
    const good = OUTCOME_SUCCESS;
    expect(statuses).toEqual([good, good, good, good, bad, bad]);
    const ends = ([END_NOT_SENT, END_RESET, END_TIMEOUT] as const).map((end) =>
      outcomeOfEnd(end, upstream),
    );
    expect(ends).toEqual([bad, bad, bad]);
  });

  it('is a failure for no answer only, at a target that has no other beside it', () => {
    const only = anUpstream();
    expect(outcomeOfStatus(500, only)).toBe(OUTCOME_SUCCESS | OUTCOME_5XX);
    for (const end of [END_NOT_SENT, END_RESET, END_TIMEOUT] as const) {
      expect(outcomeOfEnd(end, only)).toBe(OUTCOME_FAILURE | OUTCOME_5XX);
    }
    expect(outcomeOfStatus(500, anUpstream(['5xx']))).toBe(OUTCOME_FAILURE | OUTCOME_5XX);
    const named = anUpstream(undefined, { targets: [{ url: 'http://a.test' }], resolve: {} });
    expect(outcomeOfStatus(500, named)).toBe(OUTCOME_FAILURE | OUTCOME_5XX);
  });

  it('is what failureOn names, and a 5xx is still known as one', () => {
    const upstream = anUpstream(['timeout', 429]);
    expect(outcomeOfStatus(429, upstream)).toBe(OUTCOME_FAILURE);
    expect(outcomeOfStatus(503, upstream)).toBe(OUTCOME_SUCCESS | OUTCOME_5XX);
    expect(outcomeOfEnd(END_TIMEOUT, upstream)).toBe(OUTCOME_FAILURE | OUTCOME_5XX);
    expect(outcomeOfEnd(END_RESET, upstream)).toBe(OUTCOME_CANCELLED | OUTCOME_5XX);
    expect(outcomeOfEnd(END_NOT_SENT, upstream)).toBe(OUTCOME_CANCELLED | OUTCOME_5XX);
  });
});
