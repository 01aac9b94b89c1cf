/**
 * Real Redis servers that belong together: a Redis Cluster, and a server that a Sentinel names.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './client-rig.js';
import { eventually } from './eventually.js';
import { ServingProgram } from './programs.js';
import { RedisServer } from './redis-server.js';

const SLOTS = 16_384;

/** One node of a Redis Cluster. */
export interface ClusterMember {
  readonly server: RedisServer;
  readonly client: Redis;
  readonly id: string;
}

/** A Redis Cluster without replicas, whose nodes share the slots equally. */
export class RedisCluster {
  private constructor(readonly members: readonly ClusterMember[]) {}

  static async start(count = 3): Promise<RedisCluster> {
    const members = await Promise.all(Array.from({ length: count }, startMember));
    const cluster = new RedisCluster(members);
    const [first] = members;
    for (const [at, { client, server }] of members.entries()) {
      const [from, to] = [at, at + 1].map((one) => Math.floor((one * SLOTS) / count));
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', at + 1);
      await client.call('CLUSTER', 'ADDSLOTSRANGE', from ?? 0, (to ?? 0) - 1);
      await first?.client.call('CLUSTER', 'MEET', '127.0.0.1', server.port, server.busPort);
    }
    await eventually('the cluster is whole', async () => {
      const said = await Promise.all(members.map(({ client }) => client.cluster('INFO')));
      return said.every((one) => /cluster_state:ok/.test(one) && knows(one, count));
    });
    return cluster;
  }

  get urls(): string[] {
    return this.members.map(({ server }) => server.url);
  }

  async stop(): Promise<void> {
    for (const { client } of this.members) client.disconnect();
    await Promise.all(this.members.map(({ server }) => server.stop()));
  }
}

function knows(info: string, count: number): boolean {
  return info.includes(`cluster_known_nodes:${count}`) && info.includes(`cluster_size:${count}`);
}

async function startMember(): Promise<ClusterMember> {
  const server = await RedisServer.startMember();
  const client = new Redis({ port: server.port, host: '127.0.0.1', maxRetriesPerRequest: 1 });
  return { server, client, id: String(await client.cluster('MYID')) };
}

/** A Sentinel that knows this server as `m`. */
export class RedisSentinel {
  private constructor(
    readonly port: number,
    private readonly program: ServingProgram,
    private readonly folder: string,
  ) {}

  /** `settings`: further lines of its file. */
  static async start(primary: RedisServer, settings: readonly string[] = []) {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-sentinel-'));
    const port = await freePort();
    const file = join(folder, 'sentinel.conf');
    const lines = [
      `port ${port}`,
      `dir ${folder}`,
      `sentinel monitor m 127.0.0.1 ${primary.port} 1`,
      ...settings,
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const program = await ServingProgram.start('redis-sentinel', [file], port);
    return new RedisSentinel(port, program, folder);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    await this.program.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
