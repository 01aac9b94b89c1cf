/** The gateway of a soak as a process, what is behind it, and clients in front. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.js';
import { GatewayProcess } from '../../support/gateway-process.js';
import { PairFiles } from '../../support/pair-files.js';
import { TestAuthority } from '../../support/test-authority.js';
import { Clients } from './clients.js';
import { ADMIN_TOKEN, SoakConfiguration } from './configuration.js';
import { lookAtProcess, looksIn, type ProcessLook } from './holdings.js';
import { Origins } from './origins.js';
import { PROBE_FOLDER, type ThreadLook } from './thread-probe.js';

export interface SoakStats {
  readonly in_flight: number;
  readonly moved_requests: number;
  readonly total_requests: number;
  readonly workers: readonly { readonly served: boolean; readonly in_flight: number }[];
  readonly targets: readonly { readonly in_flight: number }[];
  readonly plugins: readonly { readonly name: string; readonly state: string }[];
  readonly configuration: {
    readonly trial: object | null;
    readonly last_reload: { readonly outcome: string } | null;
  };
}

/** A trial takes three seconds once the threads have its version. */
const TRIAL_MS_MAX = 60_000;

interface RigParts {
  readonly folder: string;
  readonly authority: TestAuthority;
  readonly files: PairFiles;
  readonly origins: Origins;
  readonly configuration: SoakConfiguration;
  readonly gateway: GatewayProcess;
}

export class SoakRig {
  readonly gateway: GatewayProcess;
  readonly origins: Origins;
  readonly clients: Clients;

  private constructor(private readonly parts: RigParts) {
    this.gateway = parts.gateway;
    this.origins = parts.origins;
    this.clients = new Clients(parts.gateway.port, parts.authority.cert);
  }

  /** `node`: that of the gateway; undefined: the one that runs this. */
  static async start(acceptors: number, node: string | undefined): Promise<SoakRig> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-soak-'));
    const probes = join(folder, 'probes');
    mkdirSync(probes);
    const authority = new TestAuthority();
    const files = new PairFiles('link', authority.sign({ names: 'DNS:soak.test' }));
    const origins = await Origins.start();
    const tls = { cert: files.cert, key: files.key };
    const configuration = await SoakConfiguration.make({ origins, folder, acceptors, tls });
    const probe = new URL('./thread-probe.js', import.meta.url).href;
    const env = { GATEWAY_CHAOS: '1', NODE_OPTIONS: `--import ${probe}`, [PROBE_FOLDER]: probes };
    const first = configuration.version(0);
    const gateway = await GatewayProcess.start(first, env, join(folder, 'log'), { node });
    return new SoakRig({ folder, authority, files, origins, configuration, gateway });
  }

  /** Brings this version into force, after its trial if it has one; what is wrong, or ''. */
  async reload(version: number): Promise<string> {
    this.gateway.rewrite({
      ...this.parts.configuration.version(version),
      admin: { port: 0, token: ADMIN_TOKEN, replay: { memory: '1MiB' } },
    });
    const { status, body } = await this.admin<object>('POST', '/reload');
    if (status >= 300) return `reload: ${status} ${JSON.stringify(body)}`;
    return status === 202 ? this.trialEnds() : '';
  }

  private async trialEnds(): Promise<string> {
    let { configuration } = await this.stats();
    await eventually(
      'the trial is over',
      async () => {
        ({ configuration } = await this.stats());
        return configuration.trial === null;
      },
      TRIAL_MS_MAX,
    );
    const { last_reload: last } = configuration;
    return last?.outcome === 'applied' ? '' : `reload: taken back ${JSON.stringify(last)}`;
  }

  /** An order to the admin listener. */
  async admin<Body>(method: string, path: string, order?: object) {
    const reply = await fetch(this.gateway.adminUrl + path, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
      ...(order === undefined ? {} : { body: JSON.stringify(order) }),
    });
    const text = await reply.text();
    return { status: reply.status, body: (text === '' ? {} : JSON.parse(text)) as Body };
  }

  stats(): Promise<SoakStats> {
    return this.gateway.stats<SoakStats>();
  }

  /** Samples of a metric as /metrics has them. */
  async samples(name: string): Promise<readonly string[]> {
    const text = await (await fetch(`${this.gateway.adminUrl}/metrics`)).text();
    const start = new RegExp(`^(gateway|sluice)_${name}(?=[{ ])`);
    return text.split('\n').flatMap((line) => (start.test(line) ? [line.replace(start, '')] : []));
  }

  /** Their sum. */
  async metric(name: string): Promise<number> {
    const samples = await this.samples(name);
    return samples.reduce((sum, sample) => sum + Number(sample.split(' ').at(-1)), 0);
  }

  /** Of the gateway. */
  get pid(): number {
    return this.gateway.child.pid ?? 0;
  }

  lookAtProcess(): ProcessLook {
    return lookAtProcess(this.pid);
  }

  lookAtThreads(): ThreadLook[][] {
    return looksIn(join(this.parts.folder, 'probes'));
  }

  async stop(): Promise<void> {
    this.clients.close();
    await this.gateway.stop();
    await this.origins.stop();
    this.parts.files.remove();
    this.parts.authority.remove();
    rmSync(this.parts.folder, { recursive: true, force: true });
  }
}
