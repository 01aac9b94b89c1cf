/** Listeners come, change and go; the engine is played. */
import { afterEach, describe, expect, it } from 'vitest';
import { Acceptor } from '../../../src/acceptor/acceptor.js';
import type { ListenerHost } from '../../../src/acceptor/client-engine.js';
import { LaneDispatcher } from '../../../src/acceptor/lane-dispatcher.js';
import { NO_FIELDS } from '../../../src/base/field-block.js';
import type { EngineName } from '../../../src/base/listener-address.js';
import { RequestIdSource } from '../../../src/base/request-id.js';
import { StartupError } from '../../../src/base/startup-error.js';
import { FakeEngine, NOTHING_MORE } from '../../support/fake-client.js';
import { FakeClock } from '../../support/fake-clock.js';
import { aListener } from '../../support/listener-settings.js';
import { RecordedStrangers } from '../../support/stranger-events.js';

/** An engine that keeps its listeners, by name. */
class ListeningEngine extends FakeEngine {
  readonly hosts = new Map<string, ListenerHost>();

  override open(host: ListenerHost) {
    this.hosts.set(host.settings.name, host);
    return super.open(host);
  }

  at(name: string): ListenerHost {
    const host = this.hosts.get(name);
    if (host === undefined) throw new Error(`no listener ${name}`);
    return host;
  }
}

function anAcceptor(engineOf: (name: string) => EngineName = () => 'wire') {
  const clock = new FakeClock();
  const fail = (error: unknown): never => {
    throw error;
  };
  const rule = { inFlightMax: 10, depthMax: 10, waitMsMax: 10 };
  const engines: ListeningEngine[] = [];
  const acceptor = new Acceptor({
    engines: {
      engineOf: ({ name }) => engineOf(name),
      create: () => (host) => {
        const engine = new ListeningEngine(host, NOTHING_MORE);
        engines.push(engine);
        return engine;
      },
    },
    clock,
    config: {
      limits: {
        headerBytes: 1000,
        headerFields: 90,
        bodyBytes: 1000,
        bodyOnGet: true,
        lingerBytes: 0,
        bodyRate: 0,
      },
    },
    dispatcher: new LaneDispatcher(1, rule, fail, clock),
    requestIds: new RequestIdSource('a'),
    connections: { connectionsMax: 100, perAddressMax: 100, isExempt: () => false },
    fieldsOfRefusal: () => NO_FIELDS,
    pageOfRefusal: () => null,
    onLocalReply: fail,
    hasFreeFile: () => true,
    onFilesShort: () => {},
    onAddressFull: fail,
    strangers: new RecordedStrangers(),
    onError: fail,
  });
  acceptors.push(acceptor);
  const [engine] = engines;
  return { acceptor, engines, first: () => engine ?? engines[0] ?? fail(new Error('no engine')) };
}

const acceptors: Acceptor[] = [];
afterEach(() => {
  for (const acceptor of acceptors.splice(0)) acceptor.close();
});

async function serving(...names: readonly (readonly [string, number])[]) {
  const made = anAcceptor();
  await made.acceptor.prepare(names.map(([name, port]) => aListener(name, port)));
  made.acceptor.commit();
  return { ...made, engine: made.first() };
}

describe('listeners', () => {
  it('that were prepared are bound, and take nobody before they are in force', async () => {
    const { acceptor, first } = anAcceptor();
    await acceptor.prepare([aListener('a', 10)]);
    const engine = first();
    expect(engine.bound).toEqual(['127.0.0.1:10']);
    expect(engine.connect('1.1.1.1', engine.at('a'))).toBe(false);
    engine.disconnect('1.1.1.1', engine.at('a'));
    acceptor.commit();
    expect(engine.connect('1.1.1.1', engine.at('a'))).toBe(true);
    expect(acceptor.connectionFigures.open).toBe(1);
  });

  it('that are gone stop, and drain; the others notice nothing', async () => {
    const { acceptor, engine } = await serving(['a', 10], ['b', 20]);
    await acceptor.prepare([aListener('b', 20), aListener('c', 30)]);
    expect(engine.bound).toEqual(['127.0.0.1:10', '127.0.0.1:20', '127.0.0.1:30']);
    acceptor.commit();
    expect(engine.bound).toEqual(['127.0.0.1:20', '127.0.0.1:30']);
    expect(engine.at('a').isDraining).toBe(true);
    expect(engine.at('b').isDraining).toBe(false);
    expect(acceptor.listeners.map(({ name, port }) => [name, port])).toEqual([
      ['b', 20],
      ['c', 30],
    ]);
  });

  it('of which one cannot be bound stay as they were', async () => {
    const { acceptor, engine } = await serving(['a', 10]);
    const wish = acceptor.prepare([aListener('b', 20), aListener('c', 1)]);
    await expect(wish).rejects.toThrow(StartupError);
    expect(engine.bound).toEqual(['127.0.0.1:10']);
    acceptor.commit();
    expect(acceptor.listeners.map(({ name }) => name)).toEqual(['a']);
    expect(engine.at('a').isDraining).toBe(false);
  });

  it('that do not come into force are closed again', async () => {
    const { acceptor, engine } = await serving(['a', 10]);
    await acceptor.prepare([aListener('a', 20)]);
    acceptor.discard();
    acceptor.commit();
    expect(engine.bound).toEqual(['127.0.0.1:10']);
  });

  it('that were prepared give way to those that are prepared after them', async () => {
    const { acceptor, engine } = await serving(['a', 10]);
    await acceptor.prepare([aListener('a', 10), aListener('b', 20)]);
    await acceptor.prepare([aListener('a', 10)]);
    acceptor.commit();
    expect(engine.bound).toEqual(['127.0.0.1:10']);
  });

  it('that are bound when the gateway has stopped meanwhile are closed again', async () => {
    const { acceptor, engine } = await serving(['a', 10]);
    const prepared = acceptor.prepare([aListener('a', 10), aListener('b', 20)]);
    acceptor.stopListening();
    await prepared;
    expect(engine.bound).toEqual([]);
  });

  it('with another address are opened before the old ones close', async () => {
    const { acceptor, engine } = await serving(['a', 10]);
    await acceptor.prepare([aListener('a', 20)]);
    expect(engine.bound).toEqual(['127.0.0.1:10', '127.0.0.1:20']);
    acceptor.commit();
    expect(engine.bound).toEqual(['127.0.0.1:20']);
  });

  it('with other options keep their sockets, whatever they are called', async () => {
    const { acceptor, engine } = await serving(['a', 10]);
    const host = engine.at('a');
    await acceptor.prepare([aListener('b', 10, { index: 7, idleMs: 5 })]);
    expect(host.settings).toMatchObject({ name: 'a', index: 0, idleMs: 75_000 });
    acceptor.commit();
    expect(host.settings).toMatchObject({ name: 'b', index: 7, idleMs: 5 });
    expect(engine.bound).toEqual(['127.0.0.1:10']);
  });

  it('have a bound on connections of their own', async () => {
    const { acceptor, first } = anAcceptor();
    await acceptor.prepare([aListener('a', 10, { connectionsMax: 1 }), aListener('b', 20)]);
    acceptor.commit();
    const engine = first();
    const [a, b] = [engine.at('a'), engine.at('b')];
    expect([a, a, b].map((host) => engine.connect('1.1.1.1', host))).toEqual([true, false, true]);
    expect(acceptor.listeners[0]).toMatchObject({ openConnections: 2, refusedConnections: 1 });
    engine.disconnect('1.1.1.1', a);
    engine.disconnect('1.1.1.1', a);
    expect(engine.connect('1.1.1.1', a)).toBe(true);
  });

  it('of both engines stand beside one another, and none changes its engine', async () => {
    let ofA: EngineName = 'uws';
    const { acceptor, engines } = anAcceptor((name) => (name === 'a' ? ofA : 'wire'));
    await acceptor.prepare([aListener('a', 10), aListener('b', 20), aListener('c', 30)]);
    acceptor.commit();
    expect(engines.map(({ bound }) => bound.length)).toEqual([1, 2]);
    ofA = 'wire';
    const change = acceptor.prepare([aListener('a', 10)]);
    await expect(change).rejects.toThrow('the engine of a (uws -> wire) takes a restart');
  });

  it('all stop when the gateway does, those included that wait to come into force', async () => {
    const { acceptor, engine } = await serving(['a', 10]);
    await acceptor.prepare([aListener('a', 10), aListener('b', 20)]);
    acceptor.stopListening();
    expect(engine.bound).toEqual([]);
  });
});
