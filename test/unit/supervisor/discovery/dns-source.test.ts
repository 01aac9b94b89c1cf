/**
 * Targets from DNS, as a real name server tells them; and servers that a stranger plays.
 */
import { createSocket, type Socket } from 'node:dgram';
import { decode, encode } from 'dns-packet';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CompiledSource } from '../../../../src/config/compiled-discovery.js';
import { DnsTargets } from '../../../../src/supervisor/discovery/dns-source.js';
import { KnotServer, NO_KNOT } from '../../../support/knot-server.js';
import { describeUnless } from '../../../support/not-run.js';

type DnsSettings = Extract<CompiledSource, { kind: 'dns' }>;

const nobody = new AbortController().signal;

function settings(port: number, parts: Partial<DnsSettings> = {}): DnsSettings {
  const server = { host: '127.0.0.1', port };
  return { kind: 'dns', name: 'a.svc.test', type: 'A', port: 8080, server, ...parts };
}

describeUnless(NO_KNOT, 'targets from DNS', () => {
  let knot: KnotServer;

  const ask = (parts: Partial<DnsSettings> = {}) =>
    new DnsTargets(settings(knot.port, parts)).ask(nobody);
  const inWords = async (parts: Partial<DnsSettings>) => {
    const { found } = await ask(parts);
    return found
      .map(({ host, port, name, weight, isBackup }) =>
        [host, port, name, weight, isBackup ? 'backup' : ''].join(' ').trim(),
      )
      .sort();
  };

  beforeAll(async () => {
    const many = Array.from({ length: 120 }, (_, at) => `many 30 IN A 10.1.0.${at + 1}`);
    knot = await KnotServer.start([
      'a 20 IN A 10.0.0.1',
      'a 20 IN A 10.0.0.2',
      'b 4 IN A 10.0.0.3',
      'six 30 IN AAAA 2001:db8::1',
      '_http._tcp.users 30 IN SRV 10 60 8001 a.svc.test.',
      '_http._tcp.users 30 IN SRV 10 0 8002 b.svc.test.',
      '_http._tcp.users 30 IN SRV 20 5 8003 b.svc.test.',
      '_heavy._tcp 30 IN SRV 0 65535 80 a.svc.test.',
      '_heavy._tcp 30 IN SRV 0 6553 81 a.svc.test.',
      '_not._tcp 30 IN SRV 0 0 0 .',
      'brief 0 IN A 10.0.0.9',
      'lasting 86400 IN A 10.0.0.9',
      ...many,
    ]);
  });

  afterAll(() => knot?.stop());

  it('are the addresses of a name, asked for again when the first is out of date', async () => {
    const { found, nextMs } = await ask();
    expect(found.map(({ host }) => host).sort()).toEqual(['10.0.0.1', '10.0.0.2']);
    expect(found[0]).toMatchObject({ port: 8080, name: 'a.svc.test' });
    expect(nextMs).toBe(20_000);
    expect((await ask({ name: 'A.SVC.test.' })).found).toHaveLength(2);
    expect(await inWords({ name: 'six.svc.test', type: 'AAAA' })).toEqual([
      '2001:db8::1 8080 six.svc.test 1',
    ]);
  });

  it('have names that are looked for in the domains of the system', async () => {
    const system = {
      servers: () => [{ host: '127.0.0.1', port: knot.port }],
      search: async () => ({ domains: ['no.svc.test', 'svc.test'], ndots: 1 }),
    };
    const { found } = await new DnsTargets(
      settings(knot.port, { name: 'b', server: null }),
      system,
    ).ask(nobody);
    expect(found).toMatchObject([{ host: '10.0.0.3', name: 'b' }]);
    // Another server knows nothing of them.
    await expect(ask({ name: 'b' })).rejects.toThrow();
  });

  it('are asked for no sooner than in a second, and no later than in five minutes', async () => {
    expect((await ask({ name: 'brief.svc.test' })).nextMs).toBe(1_000);
    expect((await ask({ name: 'lasting.svc.test' })).nextMs).toBe(300_000);
  });

  it('are what SRV records say: port, weight, and backups by priority', async () => {
    expect(await inWords({ name: '_http._tcp.users.svc.test', type: 'SRV' })).toEqual([
      '10.0.0.1 8001 a.svc.test 60',
      '10.0.0.2 8001 a.svc.test 60',
      '10.0.0.3 8002 b.svc.test 1',
      '10.0.0.3 8003 b.svc.test 5 backup',
    ]);
    const { nextMs } = await ask({ name: '_http._tcp.users.svc.test', type: 'SRV' });
    // The address of b has the shortest time to live.
    expect(nextMs).toBe(4_000);
  });

  it('have weights in the range of targets', async () => {
    expect(await inWords({ name: '_heavy._tcp.svc.test', type: 'SRV' })).toEqual([
      '10.0.0.1 80 a.svc.test 1000',
      '10.0.0.1 81 a.svc.test 100',
      '10.0.0.2 80 a.svc.test 1000',
      '10.0.0.2 81 a.svc.test 100',
    ]);
  });

  it('are none where a service says that it is not here', async () => {
    expect(await inWords({ name: '_not._tcp.svc.test', type: 'SRV' })).toEqual([]);
  });

  it('come over TCP where they are too many for a datagram', async () => {
    expect((await ask({ name: 'many.svc.test' })).found).toHaveLength(120);
  });

  it('follow the zone as it changes', async () => {
    const name = '_live._tcp.svc.test';
    const dns = new DnsTargets(settings(knot.port, { name, type: 'SRV' }));
    await knot.change(['zone-set', '_live._tcp', '1', 'SRV', '0 1 8009 a.svc.test.']);
    expect((await dns.ask(nobody)).found.map(({ port }) => port)).toEqual([8009, 8009]);
    await knot.change(
      ['zone-unset', '_live._tcp', 'SRV'],
      ['zone-set', '_live._tcp', '1', 'SRV', '0 1 8010 b.svc.test.'],
    );
    expect((await dns.ask(nobody)).found.map(({ port }) => port)).toEqual([8010]);
    await knot.change(['zone-unset', '_live._tcp']);
    await expect(dns.ask(nobody)).rejects.toThrow('_live._tcp.svc.test does not exist');
    // What is said twice is believed, for as long as the zone says (SOA, RFC 2308).
    expect(await dns.ask(nobody)).toEqual({ found: [], nextMs: 7_000 });
  });

  it('are not lost to a server that does not know the zone', async () => {
    await expect(ask({ name: 'a.other.test' })).rejects.toThrow('the name server says REFUSED');
  });
});

describe('a name server', () => {
  const sockets: Socket[] = [];

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.close();
  });

  /** Answers each question by what this makes of it: datagrams, in order. */
  async function play(answer: (question: Buffer) => readonly Buffer[]): Promise<number> {
    const socket = createSocket('udp4');
    sockets.push(socket);
    socket.on('message', (question, { port, address }) => {
      for (const reply of answer(question)) socket.send(reply, port, address);
    });
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    return socket.address().port;
  }

  /** An answer to this question, with one address. */
  function reply(question: Buffer, address: string, idOff = 0, name = 'a.svc.test'): Buffer {
    const { id = 0 } = decode(question);
    return encode({
      type: 'response',
      id: (id + idOff) & 0xffff,
      questions: [{ type: 'A', name }],
      answers: [{ type: 'A', name, ttl: 9, data: address }],
    });
  }

  it('is believed only where the answer is to the question', async () => {
    const port = await play((question) => [
      Buffer.from('nonsense'),
      reply(question, '10.6.6.1', 1),
      reply(question, '10.6.6.2', 0, 'other.test'),
      question,
      reply(question, '10.0.0.7'),
    ]);
    const { found } = await new DnsTargets(settings(port)).ask(nobody);
    expect(found.map(({ host }) => host)).toEqual(['10.0.0.7']);
  });

  it.each<[string, number, number]>([
    ['an alias', 2, 9],
    ['an address behind an alias', 9, 2],
  ])('is asked again when %s is out of date', async (_, aliasTtl, ttl) => {
    const port = await play((question) => {
      const { id = 0, questions = [] } = decode(question);
      const answers = [
        { type: 'CNAME', name: 'a.svc.test', ttl: aliasTtl, data: 'b.svc.test' } as const,
        { type: 'A', name: 'b.svc.test', ttl, data: '10.0.0.7' } as const,
      ];
      return [encode({ type: 'response', id, questions, answers })];
    });
    const { found, nextMs } = await new DnsTargets(settings(port)).ask(nobody);
    expect(found).toMatchObject([{ host: '10.0.0.7', name: 'a.svc.test' }]);
    expect(nextMs).toBe(2000);
  });

  it('that fails takes no target away', async () => {
    const port = await play((question) => {
      const { id = 0, questions = [] } = decode(question);
      return [encode({ type: 'response', id, flags: 2, questions })];
    });
    await expect(new DnsTargets(settings(port)).ask(nobody)).rejects.toThrow('SERVFAIL');
  });

  it('that is silent, or away, is no reason to wait for long', async () => {
    const silent = await play(() => []);
    await expect(new DnsTargets(settings(silent)).ask(nobody)).rejects.toThrow('no answer within');
    const ended = new AbortController();
    const asked = new DnsTargets(settings(silent)).ask(ended.signal);
    ended.abort();
    await expect(asked).rejects.toThrow('nobody wants the answer');
    const gone = await play(() => []);
    sockets.pop()?.close();
    await expect(new DnsTargets(settings(gone)).ask(nobody)).rejects.toThrow('ECONNREFUSED');
  });
});
