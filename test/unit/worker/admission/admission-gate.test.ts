/** What is in flight at an upstream whose concurrency is adapted. */
import { describe, expect, it } from 'vitest';
import { defined } from '../../../../src/base/assert.js';
import { ConcurrencyView } from '../../../../src/channel/coordinator/concurrency-memory.js';
import { laneMemoryOf } from '../../../../src/channel/coordinator/coordinator-memory.js';
import { CoordinatorStatus } from '../../../../src/channel/coordinator/coordinator-status.js';
import { allocateCoordinatorMemory } from '../../../../src/coordinator/coordinator-setup.js';
import { AdmissionGate } from '../../../../src/worker/admission/admission-gate.js';
import { compileConfig } from '../../../support/compile-config.js';
import { makeExchange } from '../../../support/make-exchange.js';
import { workerRoutesOf } from '../../../support/served-config.js';

describe('an exchange', () => {
  it('is in flight once, however often it enters, and not any more when it has left', () => {
    const config = compileConfig({
      upstreams: { up: { targets: [{ url: 'http://10.0.0.1:1' }], adaptiveConcurrency: {} } },
      routes: [{ name: 'all', match: { path: '/*' }, upstream: 'up' }],
    });
    const memory = allocateCoordinatorMemory(config);
    const view = new ConcurrencyView(
      memory.concurrency,
      config.capacity.upstreams,
      new CoordinatorStatus(memory.status),
    );
    const route = defined(workerRoutesOf(config)[0], 'a route');
    const lane = { status: { pressure: 0 } } as ConstructorParameters<typeof AdmissionGate>[2];
    const gate = new AdmissionGate(config.capacity, laneMemoryOf(memory, 0), lane);
    const exchange = makeExchange({ route });
    expect([gate.tryEnter(exchange, route, 5), gate.tryEnter(exchange, route, 6)]).toEqual([
      true,
      true,
    ]);
    expect(view.inFlightOf(0)).toBe(1);
    gate.leave(exchange, 7);
    gate.leave(exchange, 8);
    expect(view.inFlightOf(0)).toBe(0);
  });
});
