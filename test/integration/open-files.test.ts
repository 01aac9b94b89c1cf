/**
 * A gateway that can open no more files, as its users run it. Forbidden: silence about it, a gateway
 * that does not go on when it can, a target that is blamed.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { aConfig } from '../support/configs.js';
import { eventually } from '../support/eventually.js';
import { FakeUpstream } from '../support/fake-upstream.js';
import { GatewayProcess } from '../support/gateway-process.js';

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** 0: there was no reply. */
function statusOverOwnConnection({ url }: GatewayProcess): Promise<number> {
  return new Promise((resolve) => {
    const sent = request(url, { agent: false }, (reply) => {
      reply.resume();
      reply.on('close', () => resolve(reply.statusCode ?? 0));
    });
    sent.on('error', () => resolve(0));
    sent.end();
  });
}

it.runIf(process.platform === 'linux').each([1, 2])(
  'says so, and goes on (%i acceptors)',
  async (acceptors) => {
    // Each request takes a connection of its own.
    const upstream = await FakeUpstream.start((_, response) => {
      response.setHeader('connection', 'close');
      response.end('ok');
    });
    cleanups.push(() => upstream.close());
    const listen = { port: 0, engine: 'wire' };
    const top = { acceptors, workers: 2, listen, logging: { accessLog: false } };
    const gateway = await GatewayProcess.start(aConfig([upstream.url], { top }));
    cleanups.push(() => gateway.kill());
    expect(await statusOverOwnConnection(gateway)).toBe(200);
    const { pid } = gateway.child;
    const files = readdirSync(`/proc/${pid}/fd`).length;
    execFileSync('prlimit', ['--pid', String(pid), `--nofile=${files + 30}:`]);
    const clients: Socket[] = [];
    cleanups.push(() => {
      for (const client of clients) client.destroy();
    });
    const comeSilently = (): void => {
      const client = connect(gateway.port, '127.0.0.1');
      client.on('error', () => {});
      clients.push(client);
    };
    const message =
      'no more files can be opened: connections are let go; raise ulimit -n, or lower limits';
    await eventually('the log says so', () => {
      for (let count = 0; count < 10; count++) comeSilently();
      return gateway.find(message).length > 0;
    });
    for (const client of clients) client.destroy();
    await eventually(
      'others are served',
      async () => (await statusOverOwnConnection(gateway)) === 200,
    );
    const { circuit_breakers: breakers } = await gateway.stats<{
      readonly circuit_breakers: Readonly<Record<string, string>>;
    }>();
    expect(Object.values(breakers)).toEqual(['CLOSED']);
    expect(gateway.find(message).length).toBeLessThanOrEqual(acceptors);
    await gateway.stop();
    expect([gateway.exitCode, gateway.stderr]).toEqual([0, '']);
  },
);
